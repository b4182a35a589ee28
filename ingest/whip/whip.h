/* ingest/whip/whip.h — room door: publishers over WebRTC on one loop. A session
 * becomes a publisher (ingest/publisher.h): the same keys, takeover, grace and
 * timeline rules as RTMP.
 *
 *   RTP ► jitter (order, NACK) ► depack (access units) ► publisher
 *
 * Source: RFC 9725; RFC 6184; RFC 7587; RFC 3550; RFC 4585. */
#ifndef INGEST_WHIP_WHIP_H
#define INGEST_WHIP_WHIP_H

struct ingest_door;
struct metrics;
struct rtc_host;
struct server;
struct whip;

struct whip_conf {
    struct rtc_host *host;          /* its loop is this one's */
    const struct ingest_door *door; /* copied */
    int pending_per_address;
    struct metrics *metrics; /* may be NULL */
};

/* 0 or ERR_NOMEM. */
int whip_create(struct whip **out, const struct whip_conf *conf);
/* All loops' by index; before the loops run. Borrowed. */
void whip_set_peers(struct whip *w, struct whip *const *all, int count);
/* Adds /whip/ to a server of the same loop. */
int whip_serve(struct whip *w, struct server *s);
/* On its loop: sessions end, new ones are refused (503). */
void whip_drain(struct whip *w);
/* The loop is stopped; its servers are closed. Takes *w. */
void whip_free(struct whip **w);

#endif
