/* edge/packets.h — an access unit as RTP payloads, by reference: a packet is
 * a few bytes of its own and a view into the frame. Cut once per rendition,
 * written per viewer. Pure.
 *
 *   IDR    [STAP-A: SPS PPS] [FU-A S] [FU-A] … [FU-A E, marker]
 *   other  [NAL, marker]              one size, but for the last
 *
 * Delimiters, filler, end codes and SEI are left out: no browser reads them.
 * Source: RFC 6184 §5.6 (single), §5.7.1 (STAP-A), §5.8 (FU-A), mode 1;
 * RFC 7587 §4 (Opus). */
#ifndef EDGE_PACKETS_H
#define EDGE_PACKETS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/buf.h"

enum {
    /* RTP_MTU less a header with all our extensions (32) and RTX's two. */
    PACKETS_PAYLOAD_MAX = 1164,
    PACKETS_MAX = 8192, /* of one frame: 9 MB; more is no frame */
};

struct packet {
    const uint8_t *data; /* inside the frame, or the parameter sets */
    uint16_t len;
    uint8_t prefix_len;
    bool marker;
    uint8_t prefix[2]; /* FU indicator and header */
};

struct packets {
    int count;
    uint32_t bytes; /* of all payloads */
    struct packet list[];
};

/* The parameter sets of a track, ready to go before its IDRs. {0} is none. */
struct packet_sets {
    struct slice stap;  /* empty if they do not fit one packet */
    struct slice units; /* behind 4-byte lengths */
    uint8_t profile_idc;
};

/* Borrows the avcC. 0, ERR_SYNTAX, ERR_NOTFOUND, ERR_LIMIT or ERR_NOMEM. */
int packet_sets_create(struct packet_sets *out, struct slice avcc);
struct packet_sets packet_sets_ref(const struct packet_sets *s);
void packet_sets_unref(struct packet_sets *s);

/* Borrow payload (4-byte lengths) and sets (NULL: not an IDR), which must
 * outlive *out; end it with free(). 0 (count may be 0: nothing worth sending),
 * ERR_SYNTAX, ERR_LIMIT or ERR_NOMEM. */
int packets_of_h264(struct packets **out, struct slice payload,
                    const struct packet_sets *sets);
/* One packet; ERR_LIMIT if it is too long for that. */
int packets_of_opus(struct packets **out, struct slice payload);

static inline size_t packet_size(const struct packet *p)
{
    return (size_t)p->prefix_len + p->len;
}

/* Writes packet_size() bytes. */
static inline void packet_write(const struct packet *p, uint8_t *out)
{
    memcpy(out, p->prefix, p->prefix_len);
    memcpy(out + p->prefix_len, p->data, p->len);
}

#endif
