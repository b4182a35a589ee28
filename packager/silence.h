/* packager/silence.h — sound that is missing, filled up with silent frames of
 * the same config: a player that meets a hole in it stops. Same thread as its
 * rendition. */
#ifndef PACKAGER_SILENCE_H
#define PACKAGER_SILENCE_H
#include "packager/rendition.h"

/* Between the end of r's media and f, frames were lost. */
void silence_before(struct rendition *r, const struct frame *f);
/* Lies f behind a hole and a little before a break? The two are not worth the
 * silence, which would make the segment too long. */
bool silence_is_vain(const struct rendition *r, const struct frame *f);
/* Nothing came for r: goes on without it up to until_us of the stream's time,
 * also into segments that nothing else begins. captured_at: of what came
 * meanwhile. True: r has got longer. */
bool silence_until(struct rendition *r, int64_t until_us, int64_t captured_at);
/* Sound that is back with f in the midst of a segment: that begins where those
 * of all others do. */
void silence_begin(struct rendition *r, const struct frame *f);
/* Lies f where silence is told already? */
bool silence_covers(const struct rendition *r, const struct frame *f);

#endif
