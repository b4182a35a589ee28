/* edge/whep.h — room door: what viewers watch in real time on one loop. Each
 * stream's frames cross to this loop once, are cut into packets once per
 * rendition, and are rewritten, sealed and sent per viewer.
 *
 *   bus ─tap─► this loop: packets of each rendition (shared history)
 *                 └► viewer: selector (rendition) → pacer → rtc_peer
 *
 * Bounds: viewers by rtc_desk_conf; history of HISTORY_US per rendition, shared
 * by all viewers of the loop; a viewer's line of unsent packets PACER_US long,
 * beyond it the viewer skips to the next keyframe.
 * Source: draft-ietf-wish-whep-03; RFC 6184, RFC 7587, RFC 4588. */
#ifndef EDGE_WHEP_H
#define EDGE_WHEP_H
#include <stdbool.h>

struct bus;
struct loop;
struct metrics;
struct rtc_host;
struct server;
struct whep;

enum whep_channel { WHEP_UNKNOWN, WHEP_OFFLINE };

struct whep_conf {
    struct rtc_host *host; /* its loop is this one's */
    /* Of a channel that has no stream on this loop. */
    enum whep_channel (*find)(const char *channel, void *arg);
    void *arg;
    int pending_per_address;
    struct metrics *metrics; /* may be NULL */
};

/* 0 or ERR_NOMEM. */
int whep_create(struct whep **out, const struct whep_conf *conf);
/* All loops' by index; before the loops run. Borrowed. */
void whep_set_peers(struct whep *w, struct whep *const *all, int count);
/* Adds /whep/ to a server of the same loop. */
int whep_serve(struct whep *w, struct server *s);
/* On its loop: the channel's stream began (shares bus, which may live on
 * another loop) or ended (NULL): its viewers' sessions end then. */
void whep_stream(struct whep *w, const char *channel, struct bus *bus);
int whep_viewers(const struct whep *w, const char *channel);
/* On its loop: sessions end with close_notify, new ones are refused (503). */
void whep_drain(struct whep *w);
/* The loop is stopped; its servers are closed. Takes *w. */
void whep_free(struct whep **w);

#endif
