/* transcode/worker/job.h — what the parent asks of this child: records in,
 * records out through the sink.
 *
 *   TRACK id < 64     the source's video or sound, or its new config
 *   TRACK id >= 64    make this rendition (size, cadence, bitrate; no config)
 *   PLAN              keep these renditions, end the others
 *   MARK              the picture with this pts is an IDR in every rung; stands
 *                     before the source frame of that pts
 *   KEY               this rung's next picture is an IDR, too; a rung that has
 *                     not begun begins there
 *   FRAME             of a source track, in decoding order; without bytes: the
 *                     picture that was shown last, again
 *   SIGNAL GONE       give out what is held back
 *   END               the same, then stop
 *
 * Each second of what is decoded gives an IMPRESSION of its source track.
 * Rungs begin at their first mark or KEY. One thread. */
#ifndef TRANSCODE_WORKER_JOB_H
#define TRANSCODE_WORKER_JOB_H
#include "core/media/wire.h"
#include "transcode/worker/sink.h"

struct job;

int job_create(struct job **out, bool hardware, struct sink *sink);
void job_free(struct job **j);
/* Borrows r. 0, ERR_CLOSED after END, ERR_NOMEM. */
int job_take(struct job *j, const struct wire_record *r);

#endif
