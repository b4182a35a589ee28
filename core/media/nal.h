/* core/media/nal.h — NAL units, which H.264 and H.265 frame alike: behind
 * their lengths (as in MP4) or behind start codes (Annex B). Which of them to
 * leave out is the codec's to say. Pure; any thread.
 * Spec: ITU-T H.264 and H.265, annex B; ISO/IEC 14496-15 §4.3. */
#ifndef CORE_MEDIA_NAL_H
#define CORE_MEDIA_NAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"

enum nal_framing { NAL_ANNEXB = 0 }; /* else the length size: 1 .. 4 */

/* Borrowed bytes of one NAL unit, header included; len is never 0. */
struct nal {
    const uint8_t *data;
    size_t len;
};

/* Steps over one NAL behind a length of length_size (1 .. 4) bytes; empty NALs
 * are skipped. False at the end; r->failed if it was cut short. */
bool nal_next_sized(struct reader *r, unsigned length_size, struct nal *out);
/* The same behind start codes; trailing zeros are no part of a NAL. */
bool nal_next_annexb(struct reader *r, struct nal *out);
bool nal_next(struct reader *r, unsigned framing, struct nal *out);

/* Of a codec: this NAL has no place in a track's payload. */
typedef bool nal_drop_fn(struct nal n);

struct nal_scan {
    int dropped;
    bool clean; /* 4-byte lengths, nothing to drop: usable as it is */
};
/* Looks through an access unit; each (may end it with an error) sees every NAL
 * whose forbidden bit is not set. 0, ERR_SYNTAX (cut short, forbidden bit),
 * ERR_LIMIT (over 4096 NALs) or what each says. */
int nal_scan(struct nal_scan *out, unsigned framing, const void *data,
             size_t len, nal_drop_fn *drops,
             int (*each)(struct nal n, void *arg), void *arg);
/* Appends data with 4-byte lengths, without what drops says. Data that
 * nal_scan() refused is copied as far as it is sound. */
void nal_repack(struct builder *b, unsigned framing, const void *data,
                size_t len, nal_drop_fn *drops);
/* Gives the same as a payload of its own. 0 or ERR_NOMEM. */
int nal_payload(struct slice *out, unsigned framing, struct slice in,
                nal_drop_fn *drops);
/* Appends n behind a start code of 4 bytes. */
void nal_put_annexb(struct builder *b, struct nal n);

#endif
