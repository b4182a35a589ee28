/* core/rtc/ice.h — the ICE-lite agent of one peer: it answers checks, knows
 * which paths they have proved, which one is selected, and when consent is
 * gone. It never sends checks. Pure: time is an argument; no memory of its own.
 *
 *   valid check on a new path ─► proved (8 at most; the one unheard longest
 *                                goes, never the selected one)
 *   selected: the path of the latest valid check with USE-CANDIDATE; before
 *   any such check, the first proved path. So a rebound NAT is followed.
 *
 * ICE restart: the old credentials are good until the first check with the
 * new ones; paths stay proved, media goes on where it went.
 * Source: RFC 8445 §2.5, §7.3, §9; RFC 7675 §5.1 (consent). */
#ifndef CORE_RTC_ICE_H
#define CORE_RTC_ICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/net/udp.h"
#include "core/rtc/peer.h"
#include "core/rtc/stun.h"

enum {
    ICE_PATHS_MAX = 8,
    ICE_UFRAG_BYTES = 10, /* two say the loop, eight are random */
    ICE_PWD_BYTES = 24,   /* 144 random bits */
    ICE_LOOPS_MAX = 1024,
    ICE_FIRST_CHECK_US = 10 * 1000000,
    ICE_CONSENT_US = 30 * 1000000,
};

struct ice {
    struct rtc_credentials local, previous; /* previous.ufrag "": none */
    char remote_ufrag[RTC_UFRAG_MAX + 1];
    unsigned loop;
    struct ice_path {
        struct net_path path;
        int64_t heard_at;
    } paths[ICE_PATHS_MAX];
    int path_count;
    int selected;    /* index; -1: none */
    bool local_used; /* a valid check with `local` came */
    bool heard;      /* any valid check came */
    int64_t started_at, heard_at;
};

struct ice_result {                /* of one datagram */
    uint8_t reply[STUN_REPLY_MAX]; /* goes back where the datagram came from */
    size_t reply_len;              /* 0: none */
    bool valid;                    /* a check of our peer's */
    bool added;                    /* its path is newly proved */
    bool dropped;                  /* for which this one had to go: */
    struct net_path dropped_path;
    bool selected_changed;
    bool ended_restart; /* first check with new credentials: this ufrag of ours
                           is no longer good: */
    char ended_ufrag[ICE_UFRAG_BYTES + 1];
};

/* Makes credentials whose ufrag names the loop (0 .. ICE_LOOPS_MAX - 1).
 * 0 or ERR_IO (no randomness). */
int ice_init(struct ice *i, unsigned loop, const struct rtc_credentials *remote,
             int64_t now);
/* The loop that a ufrag of ours names, -1 if it is none of ours. */
int ice_loop_of_ufrag(const char *ufrag, size_t len);

/* A STUN datagram. *out is written always; bad ones leave no trace. */
void ice_input(struct ice *i, const uint8_t *data, size_t len,
               const struct net_path *from, int64_t now,
               struct ice_result *out);

/* May datagrams from there be DTLS or media of this peer? */
bool ice_is_proved(const struct ice *i, const struct net_path *path);
/* Where to send; NULL: nowhere yet. Borrowed until the next call. */
const struct net_path *ice_selected(const struct ice *i);
/* A path broke (its TCP connection ended). True: selected is another now, or
 * none. */
bool ice_forget(struct ice *i, const struct net_path *path);

/* New credentials of ours. dropped: a ufrag of ours that counts no more (of a
 * restart that was never used), or "". 0 or ERR_IO (nothing changed). */
int ice_restart(struct ice *i, const struct rtc_credentials *remote,
                char dropped[ICE_UFRAG_BYTES + 1]);

/* When it is over unless a valid check comes first. */
int64_t ice_deadline(const struct ice *i);
bool ice_is_dead(const struct ice *i, int64_t now);

#endif
