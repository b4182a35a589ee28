/* core/rtc/rtcp.h — RTCP: reading compounds, writing the packets we send.
 * Pure. Source: RFC 3550 §6.4 (SR, RR), §6.5 (SDES), §6.6 (BYE); RFC 4585
 * §6.2.1 (NACK), §6.3.1 (PLI); RFC 5104 §4.3.1 (FIR); RFC 5506 (reduced size);
 * draft-alvestrand-rmcat-remb-03 §2; draft-holmer-rmcat-transport-wide-cc-
 * extensions-01 §3.1. */
#ifndef CORE_RTC_RTCP_H
#define CORE_RTC_RTCP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

enum {
    RTCP_MAX = 1200,       /* a compound that we write */
    RTCP_PACKETS_MAX = 32, /* in a compound that we read */
    RTCP_REPORTS_MAX = 31,
    RTCP_NACKS_MAX = 512, /* sequence numbers of one NACK packet */
    RTCP_TWCC_MAX = 2048, /* statuses of one feedback packet */
};

enum rtcp_type {
    RTCP_SR,
    RTCP_RR,
    RTCP_SDES,
    RTCP_BYE,
    RTCP_NACK,
    RTCP_PLI,
    RTCP_FIR,
    RTCP_REMB,
    RTCP_TWCC,
    RTCP_OTHER,
};

struct rtcp_report { /* one block of SR or RR */
    uint32_t ssrc;   /* whom it is about */
    uint8_t fraction_lost;
    int32_t cumulative_lost;
    uint32_t highest_sequence, jitter, last_sr, delay_since_last_sr;
};
struct rtcp_sender_info {
    uint64_t ntp;
    uint32_t rtp_timestamp, packets, octets;
};
struct rtcp_twcc_status {
    uint16_t sequence;
    bool received;
    int64_t arrival_us; /* of the receiver's clock; any origin; if received */
};

struct rtcp_packet {
    enum rtcp_type type;
    uint32_t sender_ssrc, media_ssrc;
    struct rtcp_sender_info sender; /* SR */
    int count;                      /* of reports, ssrcs, nacks or statuses */
    union {
        struct rtcp_report reports[RTCP_REPORTS_MAX]; /* SR, RR */
        uint32_t ssrcs[RTCP_REPORTS_MAX];             /* BYE, FIR, REMB */
        uint16_t nacks[RTCP_NACKS_MAX];
        struct rtcp_twcc_status twcc[RTCP_TWCC_MAX];
    } v;
    uint64_t remb_bps;
    uint8_t fir_sequence; /* of the first entry */
    uint8_t twcc_count;   /* feedback packet number */
};

/* Steps through a compound: from *offset 0 on until ERR_AGAIN. *out is the
 * caller's (large: keep one per loop). 0, ERR_AGAIN (no more), ERR_SYNTAX
 * (this and the rest are not usable). */
int rtcp_next(const uint8_t *data, size_t len, size_t *offset,
              struct rtcp_packet *out);

/* Each appends one packet to b (a builder with limit RTCP_MAX + a tag). */
void rtcp_write_sr(struct builder *b, uint32_t ssrc,
                   const struct rtcp_sender_info *info,
                   const struct rtcp_report *reports, int count);
void rtcp_write_rr(struct builder *b, uint32_t ssrc,
                   const struct rtcp_report *reports, int count);
void rtcp_write_sdes(struct builder *b, uint32_t ssrc, const char *cname);
void rtcp_write_bye(struct builder *b, uint32_t ssrc);
/* sequences ascending (mod 2^16); packed as PID + BLP. */
void rtcp_write_nack(struct builder *b, uint32_t ssrc, uint32_t media,
                     const uint16_t *sequences, int count);
void rtcp_write_pli(struct builder *b, uint32_t ssrc, uint32_t media);
void rtcp_write_fir(struct builder *b, uint32_t ssrc, uint32_t media,
                    uint8_t sequence);
void rtcp_write_remb(struct builder *b, uint32_t ssrc, uint64_t bps,
                     const uint32_t *media, int count);
/* statuses: consecutive sequence numbers from statuses[0].sequence on, times
 * ascending enough for 16-bit deltas of 250 µs; what does not fit is left for
 * the next: returns how many were written. */
int rtcp_write_twcc(struct builder *b, uint32_t ssrc, uint32_t media,
                    uint8_t number, const struct rtcp_twcc_status *statuses,
                    int count);

#endif
