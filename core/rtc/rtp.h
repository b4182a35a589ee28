/* core/rtc/rtp.h — RTP headers and their extensions, and numbers that wrap.
 * Pure. Source: RFC 3550 §5.1, §5.3.1; RFC 8285 §4.2 (one-byte), §4.3
 * (two-byte); RFC 7983 §7 (first byte). */
#ifndef CORE_RTC_RTP_H
#define CORE_RTC_RTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RTP_HEADER_BYTES = 12,
    RTP_HEADER_MAX = 128, /* with the extensions that we write */
    RTP_MTU = 1200, /* of a datagram before its tag; all clients take it */
    RTP_EXTENSION_IDS = 15,
};

enum rtp_kind { RTP_STUN, RTP_DTLS, RTP_MEDIA, RTP_CONTROL, RTP_UNKNOWN };
/* What a datagram is (RFC 7983; RTCP by RFC 5761 §4). */
enum rtp_kind rtp_classify(const uint8_t *data, size_t len);

struct rtp_extension {
    const uint8_t *data; /* NULL: not there; inside the packet */
    uint8_t len;
};
struct rtp_packet { /* borrowed views into the packet */
    bool marker;
    uint8_t payload_type;
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    size_t header_len; /* with CSRCs and extensions */
    const uint8_t *payload;
    size_t payload_len; /* without padding; 0 is legal */
    struct rtp_extension extensions[RTP_EXTENSION_IDS + 1]; /* by id */
};
/* 0 or ERR_SYNTAX. */
int rtp_parse(struct rtp_packet *out, const uint8_t *data, size_t len);

/* Writes a header; extensions follow by rtp_write_extension() and are closed
 * by rtp_write_end(), which pads them. Ids 1..14, lengths 1..16. */
struct rtp_writer {
    uint8_t *data; /* RTP_HEADER_MAX bytes */
    size_t len;
    bool extended;
};
void rtp_write_begin(struct rtp_writer *w, uint8_t *out, uint8_t payload_type,
                     bool marker, uint16_t sequence, uint32_t timestamp,
                     uint32_t ssrc);
void rtp_write_extension(struct rtp_writer *w, uint8_t id, const void *data,
                         uint8_t len);
size_t rtp_write_end(struct rtp_writer *w); /* bytes of the header */

/* A 16-bit number that wraps, as the 64-bit one nearest to the last. */
struct rtp_unwrap16 {
    int64_t last;
    bool started;
};
int64_t rtp_unwrap16(struct rtp_unwrap16 *u, uint16_t n); /* first: n + 2^16 */
struct rtp_unwrap32 {
    int64_t last;
    bool started;
};
int64_t rtp_unwrap32(struct rtp_unwrap32 *u, uint32_t n); /* first: n + 2^32 */

/* NTP: seconds since 1900 in the upper half. */
uint64_t rtp_ntp_of_wall(int64_t wall_us);
int64_t rtp_wall_of_ntp(uint64_t ntp);

#endif
