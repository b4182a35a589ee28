/* ingest/whip/whip_priv.h — the body of a whip, for its files. */
#ifndef INGEST_WHIP_WHIP_PRIV_H
#define INGEST_WHIP_WHIP_PRIV_H
#include <stdbool.h>

#include "core/base/list.h"
#include "ingest/publisher.h"
#include "ingest/whip/whip.h"

struct metric;
struct rtc_desk;
struct rtc_ticket;

struct whip {
    struct loop *loop;
    struct rtc_host *host;
    struct rtc_desk *desk;
    struct ingest_door door;
    struct metrics *metrics;
    struct list connections;
    bool draining;
    struct metric *m_opened, *m_closed;
    struct metric *m_packets, *m_unknown, *m_nacked, *m_recovered, *m_lost;
    struct metric *m_plis, *m_left_out, *m_broken, *m_malformed, *m_switches;
    struct metric *m_jitter;
};

/* connection.c. Takes t: it is answered, now or later. */
void whip_connection_open(struct whip *w, struct rtc_ticket *t);
/* The desk's on_delete. */
void whip_connection_delete(void *connection, void *arg);
void whip_connections_close(struct whip *w, const char *reason);

#endif
