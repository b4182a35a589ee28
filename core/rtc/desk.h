/* core/rtc/desk.h — the HTTP side that WHIP and WHEP share: one resource per
 * session, with its ETag, trickle and restart, DELETE, CORS and limits. The
 * room behind it decides about offers. One per protocol and loop.
 *
 *   POST /whep/CHANNEL ─► parse ─► on_offer(ticket) ─► accept: 201 + Location
 *                                                   └► refuse: status +
 * sentence PATCH, DELETE /whep/CHANNEL/ID ─► the loop that ID names ─► its
 * session
 *
 * Location is an absolute path without a query; ID holds 128 random bits and
 * the loop's number. A session that was made with a bearer token wants the
 * same one for PATCH and DELETE.
 * Source: RFC 9725 §4.2–§4.7; draft-ietf-wish-whep-03 §4; protocols' table of
 * statuses is in docs/protocols.md. */
#ifndef CORE_RTC_DESK_H
#define CORE_RTC_DESK_H
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/rtc/sdp.h"

struct loop;
struct metrics;
struct rtc_desk;
struct rtc_host;
struct rtc_peer;
struct rtc_ticket; /* one POST that waits for its answer */
struct server;

enum { RTC_CONTROL_MAX = 64 };

struct rtc_desk_conf {
    struct rtc_host *host; /* its loop is the desk's; borrowed */
    const char *prefix;    /* "/whip/" or "/whep/"; static text */
    /* Exactly one of refuse and accept follows, at once or later; unless
     * on_abandoned() of the ticket comes first. */
    void (*on_offer)(struct rtc_ticket *t, void *arg);
    /* The session that accept() named was deleted: end it. The desk has
     * forgotten it. */
    void (*on_delete)(void *session, void *arg);
    /* GET or PUT of a session's resource with "/rendition" behind its path
     * (the bearer is checked as for DELETE): how a viewer's page asks and
     * tells which rendition it is shown. On the session's loop; the desk
     * carries question and answer between loops. body: PUT's text, at most
     * RTC_CONTROL_MAX bytes, NUL-terminated; NULL: GET. Appends JSON to out and
     * returns a status (200, 400). NULL: 404. */
    int (*on_control)(void *session, const char *body, struct builder *out,
                      void *arg);
    void *arg;
    int pending_per_address; /* sessions not yet connected; trusted and loopback
                                addresses are not counted; 429 + Retry-After */
    int pending_max;         /* of all: 503 + Retry-After */
    int sessions_max;        /* 503 + Retry-After */
    struct metrics *metrics; /* may be NULL */
};

int rtc_desk_create(struct rtc_desk **out, const struct rtc_desk_conf *conf);
/* Desks of the same protocol on all loops, by loop index; before the loops
 * run. Borrowed. */
void rtc_desk_set_peers(struct rtc_desk *d, struct rtc_desk *const *desks,
                        int count);
/* Adds the routes (all methods, CORS) to a server of the same loop. */
int rtc_desk_serve(struct rtc_desk *d, struct server *s);
/* Tickets and sessions must be gone. Takes *d. */
void rtc_desk_free(struct rtc_desk **d);

struct rtc_post { /* borrowed until the ticket is answered */
    const char *channel;
    const char *bearer; /* the Authorization header's, else ?token=; "" none */
    const char *query;
    const char *address; /* "host" of the client */
    const struct sdp *offer;
};
const struct rtc_post *rtc_ticket_post(const struct rtc_ticket *t);
/* For a room that answers later. fn is called if the client goes away first;
 * the ticket is gone when it returns. */
void rtc_ticket_on_abandoned(struct rtc_ticket *t, void (*fn)(void *arg),
                             void *arg);
/* Takes t. retry_after_s 0: no such header. sentence: a person reads it. */
void rtc_ticket_refuse(struct rtc_ticket *t, int status, int retry_after_s,
                       const char *sentence);
/* Takes t. answer: the SDP, shared. The desk uses peer for restarts (borrowed
 * until forgotten). mid: of the first section, for restarts' answers.
 * 0 or ERR_NOMEM, ERR_LIMIT: was refused instead (503), session is not
 * known. */
int rtc_ticket_accept(struct rtc_ticket *t, struct slice answer,
                      struct rtc_peer *peer, const char *mid, void *session);
/* The session got its media: no longer counted as pending. */
void rtc_desk_connected(struct rtc_desk *d, void *session);
/* The session ended by itself: later requests get 404 (DELETE: 200). */
void rtc_desk_forget(struct rtc_desk *d, void *session);

/* The candidates to name in an answer, UDP first, IPv4 first: fills at most
 * max, returns how many. Strings live as long as the host. */
struct rtc_candidate;
int rtc_desk_candidates(struct rtc_host *h, struct rtc_candidate *out, int max);

#endif
