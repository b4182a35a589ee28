/* ingest/mpegts/audio.h — the packets of an audio stream, cut out of its PES
 * units, with a time each. A unit holds several packets, and an AAC frame may
 * reach into the next unit. Parsing only, no codec. Pure; one thread.
 * Spec: ISO/IEC 14496-3 §1.A.2 (ADTS), §1.7 (LOAS, LATM); "Carriage of Opus
 * in MPEG-2 transport streams" (opus_control_header). */
#ifndef INGEST_MPEGTS_AUDIO_H
#define INGEST_MPEGTS_AUDIO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/media/aac.h"
#include "ingest/mpegts/pes.h"
#include "ingest/mpegts/psi.h"

struct audio_packet {
    int64_t pts; /* 90 kHz, below 2^33 */
    const uint8_t *data;
    size_t len;
    bool changed; /* the stream's aac is another one from here on */
};
/* A negative return ends the unit. */
typedef int audio_fn(const struct audio_packet *p, void *arg);

/* What StreamMuxConfig says of the one layer we take. */
struct latm {
    bool known;
    unsigned frames; /* per element: numSubFrames + 1 */
};

struct audio {
    enum content content;  /* ADTS, LATM or OPUS */
    struct aac_config aac; /* as last seen; object_type 0: none yet */
    struct latm latm;
    uint8_t *bytes; /* what is left of the last unit, then this one */
    size_t len, room;
    int64_t base, samples; /* time of the next packet: a PTS and a count */
    uint64_t skipped, unsupported;
};

void audio_init(struct audio *a, enum content content);
void audio_release(struct audio *a);
/* Packets are missing: an unfinished frame is forgotten. */
void audio_break(struct audio *a);
/* 0, ERR_NOMEM, or what fn returned. What makes no sense is skipped. */
int audio_feed(struct audio *a, const struct pes_unit *u, audio_fn *fn,
               void *arg);

#endif
