/* ingest/mpegts/psi.h — tables inside a transport stream: sections put
 * together from packets, the association table (which programs) and the map
 * table (which streams). Pure; one thread.
 * Spec: ISO/IEC 13818-1 §2.4.4; descriptors §2.6. */
#ifndef INGEST_MPEGTS_PSI_H
#define INGEST_MPEGTS_PSI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/mpegts/ts.h"

enum {
    PSI_SECTION_MAX = 1024,     /* PAT and PMT, header included */
    PRIVATE_SECTION_MAX = 4096, /* others */
    PMT_STREAMS_MAX = 32,       /* further ones are let go */
};

/* Puts one PID's sections together. */
struct section {
    size_t len, limit;
    bool open;
    uint8_t data[PRIVATE_SECTION_MAX];
};
/* fn borrows a whole section, its checksum not looked at. */
typedef void section_fn(const uint8_t *data, size_t len, void *arg);
/* limit: PSI_SECTION_MAX or PRIVATE_SECTION_MAX; longer ones are let go. */
void section_init(struct section *s, size_t limit);
void section_feed(struct section *s, const struct ts_packet *p, section_fn *fn,
                  void *arg);
/* Packets are missing. */
void section_break(struct section *s);

/* CRC of §2.4.4 over data and its own four bytes is 0. */
uint32_t psi_crc(const uint8_t *data, size_t len);

enum { PAT_PROGRAMS_MAX = 16 }; /* further ones are let go */
struct pat_program {
    uint16_t number, pmt_pid;
};
struct pat {
    int count;
    struct pat_program programs[PAT_PROGRAMS_MAX];
};
/* 0, ERR_SYNTAX (checksum, shape), ERR_AGAIN (not in force yet) or
 * ERR_NOTFOUND (no program in it, or not the table's first section). */
int pat_parse(struct pat *out, const uint8_t *data, size_t len);

/* What a stream carries, as far as we know names. */
enum content {
    CONTENT_UNKNOWN,
    CONTENT_H264,
    CONTENT_HEVC,
    CONTENT_ADTS,
    CONTENT_LATM,
    CONTENT_OPUS,
    CONTENT_VVC, /* from here on: known by name, not taken */
    CONTENT_AV1,
    CONTENT_MPEG_VIDEO,
    CONTENT_MPEG_AUDIO,
    CONTENT_AC3,
    CONTENT_EAC3,
    CONTENT_DTS,
    CONTENT_KLV,
    CONTENT_TELETEXT,
    CONTENT_SUBTITLES,
    CONTENT_ID3, /* handed out as metadata */
    CONTENT_SCTE35,
};
const char *content_name(enum content c); /* "h264", "MPEG-1/2 audio" */
bool content_is_media(enum content c);    /* pictures or sound */
bool content_is_picture(enum content c);  /* of the kinds that are taken */

struct pmt_stream {
    uint16_t pid;
    enum content content;
    uint8_t channels; /* Opus; 0: a layout we do not know */
    char language[4]; /* ISO 639-2 as sent; "" if unsaid */
};
struct pmt {
    uint16_t program, pcr_pid;
    int count, left_out;
    struct pmt_stream streams[PMT_STREAMS_MAX];
};
/* 0, ERR_SYNTAX, ERR_AGAIN (not in force yet) or ERR_NOTFOUND (another
 * program's). Of two streams with one PID the first counts. */
int pmt_parse(struct pmt *out, uint16_t program, const uint8_t *data,
              size_t len);

#endif
