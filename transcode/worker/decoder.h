/* transcode/worker/decoder.h — source video to pictures in system memory,
 * with as little delay as the stream allows. Damage is survived: after an
 * undecodable or corrupt picture the last good one stands in until the next
 * keyframe, so that rungs keep their cadence. One thread. */
#ifndef TRANSCODE_WORKER_DECODER_H
#define TRANSCODE_WORKER_DECODER_H
#include <libavcodec/avcodec.h>
#include <stdbool.h>

#include "core/media/frame.h"
#include "core/media/track.h"

struct decoder;

/* Called for each picture, in pts order, pts strictly growing. Borrowed. */
typedef void decoder_picture(AVFrame *picture, void *arg);

/* hardware: NVDEC or another device where one really opens, else software.
 * Borrows the track. 0, ERR_UNSUPPORTED or ERR_NOMEM. */
int decoder_open(struct decoder **out, const struct track *source,
                 bool hardware, decoder_picture *on_picture, void *arg);
void decoder_free(struct decoder **d);
/* "h264" or "h264+cuda" */
const char *decoder_device(const struct decoder *d);

/* Errors are counted, not returned. */
void decoder_feed(struct decoder *d, const struct frame *f,
                  const struct slice *payload);
/* Gives out what is held back and forgets references. */
void decoder_drain(struct decoder *d);
int64_t decoder_errors(const struct decoder *d);

#endif
