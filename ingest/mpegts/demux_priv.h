/* ingest/mpegts/demux_priv.h — the demux and its streams among themselves:
 * demux.c (packets, tables), demux_media.c (units to frames). */
#ifndef INGEST_MPEGTS_DEMUX_PRIV_H
#define INGEST_MPEGTS_DEMUX_PRIV_H
#include "ingest/avc.h"
#include "ingest/hevc.h"
#include "ingest/mpegts/audio.h"
#include "ingest/mpegts/demux.h"

enum { MISSING_MAX = 160 };

struct demux_stream {
    struct demux *demux;
    struct pmt_stream map;
    int slot; /* -1: no media of ours */
    struct ts_counter counter;
    struct pes pes;
    struct section *section; /* SCTE-35 */
    struct avc_source avc;   /* one of these, as */
    struct hevc_source hevc; /* the map says */
    struct audio audio;
    bool announced, need_key;
    bool drop_leading; /* the pictures before its keyframe are not there */
    bool timed;        /* last_dts and last_pictures are of the unit before */
    int64_t last_dts;
    int last_pictures;
};

struct demux {
    struct demux_events events;
    struct ts_framer framer;
    struct ts_counter pat_counter, pmt_counter;
    struct section pat_section, pmt_section;
    struct pat pat;
    int program;  /* of pat: the one that counts */
    bool serves;  /* it has shown something we take */
    int unmapped; /* association tables since it was chosen, without its map */
    struct pmt pmt;
    bool has_pat, has_pmt;
    uint32_t pmt_crc; /* of the table that counts */
    struct demux_stream *streams[PMT_STREAMS_MAX]; /* as in pmt */
    int stream_count;
    bool has_clock;
    int64_t clock; /* the newest time of any stream, unwrapped, 90 kHz */
    int err;       /* of this feed: ERR_NOMEM */
    struct demux_counts counts;
    char missing[MISSING_MAX];
};

/* demux_media.c */
int demux_stream_create(struct demux_stream **out, struct demux *d,
                        const struct pmt_stream *map, int slot);
void demux_stream_free(struct demux_stream **s);
void demux_stream_feed(struct demux_stream *s, const struct ts_packet *p);
/* Packets are missing before the next one. */
void demux_stream_break(struct demux_stream *s);

#endif
