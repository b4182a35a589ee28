/* ingest/mpegts/demux.h — a transport stream becomes tracks and access units:
 * one program's first H.264 or HEVC stream and its audio streams. Pure:
 * bytes in by feed, events out; no clock of its own. Lives on one loop.
 * README.md has the rules.
 *
 *   packets ─► PAT ─► PMT ─► streams ─► PES units ─► access units
 *
 * Times of all streams are unwrapped on one epoch: each is taken to lie within
 * 13 hours of the one before, whichever stream that was. A jump is passed on
 * as it is: the publisher's timeline repairs it. */
#ifndef INGEST_MPEGTS_DEMUX_H
#define INGEST_MPEGTS_DEMUX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/track.h"
#include "ingest/mpegts/psi.h"
#include "ingest/publisher.h"

struct demux;

/* Of several programs the first that carries something we take, or else the
 * first: it is kept as long as the association table lists it. */

enum { DEMUX_SLOT_VIDEO = 0, DEMUX_SLOT_AUDIO_FIRST = 1, DEMUX_SLOTS = 9 };

/* Timed metadata: kept apart, since the bus has no place for it yet. */
struct demux_meta {
    enum content content; /* CONTENT_SCTE35 (a section) or CONTENT_ID3 */
    bool has_time;
    int64_t pts_us;      /* on the frames' clock */
    const uint8_t *data; /* borrowed */
    size_t len;
};

/* No event may free the demux. */
struct demux_events {
    void (*on_track)(int slot, const struct track_info *info,
                     struct slice config, void *arg);
    void (*on_frame)(const struct publisher_frame *f, void *arg);
    /* The map lists this slot's stream no more. May be NULL. */
    void (*on_gone)(int slot, void *arg);
    void (*on_meta)(const struct demux_meta *m, void *arg); /* may be NULL */
    /* A stream that is not taken: content_name() says what. Once for each
     * stream of each map table. */
    void (*on_unsupported)(uint16_t pid, enum content c, void *arg);
    void *arg;
};

struct demux_counts {
    uint64_t packets, broken;  /* broken: packets that make no sense */
    uint64_t skipped_bytes;    /* between packets */
    uint64_t gaps, duplicates; /* continuity counters */
    uint64_t bad_sections;     /* checksum, shape */
    uint64_t lost_units;       /* PES units cut by a gap or malformed */
    uint64_t dropped_frames;   /* video that waited for a keyframe */
    uint64_t scrambled;        /* packets of streams we take */
    uint64_t frames, metas;
    uint64_t maps; /* map tables that changed something */
};

/* 0 or ERR_NOMEM. */
int demux_create(struct demux **out, const struct demux_events *events);
void demux_free(struct demux **d);
/* Takes all of data; cut anywhere. 0 or ERR_NOMEM. */
int demux_feed(struct demux *d, const void *data, size_t len);
/* The transport lost bytes here: what is unfinished is no longer sound. */
void demux_break(struct demux *d);
/* One sentence on what is missing before a frame can come out; NULL: nothing,
 * frames came. Valid until the next call. */
const char *demux_missing(struct demux *d);
const struct demux_counts *demux_counts(const struct demux *d);

#endif
