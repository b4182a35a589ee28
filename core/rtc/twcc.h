/* core/rtc/twcc.h — transport-wide congestion control, both ends. Receiving:
 * when did which number arrive, and the feedback that says so. Sending: what
 * was sent under which number, matched with feedback, for bwe. Pure; one
 * thread.
 *
 *   send:  number = twcc_sender_sent(size) ─► header extension (2 bytes)
 *          feedback ─► twcc_sender_match() ─► samples ─► bwe_samples()
 *   receive: extension ─► twcc_recorder_received() ─ 50 ms ─► _write()
 *
 * Bounds: TWCC_WINDOW numbers each; what is older is forgotten.
 * Source: draft-holmer-rmcat-transport-wide-cc-extensions-01 §2, §3. */
#ifndef CORE_RTC_TWCC_H
#define CORE_RTC_TWCC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rtc/rtcp.h"

enum {
    TWCC_WINDOW = 2048, /* a power of two */
    TWCC_INTERVAL_US = 50000,
};

/* --- receiving --- */

struct twcc_recorder;

int twcc_recorder_create(struct twcc_recorder **out); /* 0 or ERR_NOMEM */
void twcc_recorder_free(struct twcc_recorder **r);
/* at: monotonic µs of its arrival. */
void twcc_recorder_received(struct twcc_recorder *r, uint16_t number,
                            int64_t at);
/* When feedback is due; INT64_MAX: there is nothing to say. */
int64_t twcc_recorder_deadline(const struct twcc_recorder *r);
/* Appends one feedback packet; false: nothing (more) to say. Call until
 * false, into other builders if need be. */
bool twcc_recorder_write(struct twcc_recorder *r, struct builder *b,
                         uint32_t ssrc, uint32_t media);

/* --- sending --- */

struct twcc_sample { /* what became of one packet */
    int64_t sent_at;
    int64_t arrived_at; /* of the receiver's clock, µs, does not wrap */
    uint32_t bytes;
    uint8_t probe; /* as it was sent */
    bool lost;
};

struct twcc_sender;

int twcc_sender_create(struct twcc_sender **out); /* 0 or ERR_NOMEM */
void twcc_sender_free(struct twcc_sender **s);
/* Gives the packet's number. bytes: as on the wire (header, tag, UDP and IP
 * may be counted); probe: bwe_probe_sent()'s, 0 for media. */
uint16_t twcc_sender_sent(struct twcc_sender *s, size_t bytes, uint8_t probe,
                          int64_t now);
/* Each packet is in samples once: when it is said to have arrived, or when
 * feedback steps over it (lost). Fills at most max, ordered by number; returns
 * how many. max: RTCP_TWCC_MAX never falls short. */
int twcc_sender_match(struct twcc_sender *s, const struct rtcp_packet *feedback,
                      struct twcc_sample *out, int max);
/* Bytes sent and not yet heard of. */
int64_t twcc_sender_in_flight(const struct twcc_sender *s);

#endif
