/* transcode/worker/audio.h — source sound to AAC-LC or Opus at 48 kHz: one
 * decoder, one resampler and encoder for each rung. Times are rebuilt by
 * counting samples and set anew only when they are over 40 ms off. One
 * thread. */
#ifndef TRANSCODE_WORKER_AUDIO_H
#define TRANSCODE_WORKER_AUDIO_H
#include "core/media/frame.h"
#include "core/media/track.h"
#include "transcode/worker/sink.h"

enum { AUDIO_RUNGS_MAX = 4 };

struct audio;

int audio_create(struct audio **out, struct sink *sink);
void audio_free(struct audio **a);
/* The source, or its new shape. Borrows. 0, ERR_UNSUPPORTED, ERR_NOMEM. */
int audio_source(struct audio *a, const struct track *source);
/* Asks for a rung; its track goes out at once. 0, ERR_LIMIT, ERR_UNSUPPORTED,
 * ERR_NOMEM. */
int audio_rung(struct audio *a, const struct track_info *info);
/* Ends the rungs that are none of these. */
void audio_keep(struct audio *a, const uint8_t *ids, int count);
void audio_feed(struct audio *a, const struct frame *f,
                const struct slice *payload);
int64_t audio_errors(const struct audio *a);

#endif
