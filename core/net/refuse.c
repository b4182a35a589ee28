#include <stdio.h>

#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/net/server_priv.h"

enum { LOG_EVERY_US = 1000000 };

static const char *const reasons[REFUSE_COUNT] = {
    [REFUSE_CONNECTIONS] = "connections",
    [REFUSE_ADDRESS] = "connections-per-address",
    [REFUSE_HALF_OPEN] = "half-open-per-address",
    [REFUSE_ACCEPT] = "accept",
    [REFUSE_HANDSHAKE] = "handshake",
    [REFUSE_HANDSHAKE_TIME] = "handshake-time",
    [REFUSE_HEAD_TIME] = "head-time",
    [REFUSE_BODY_TIME] = "body-time",
    [REFUSE_WRITE_TIME] = "write-time",
    [REFUSE_HEAD_SIZE] = "head-size",
    [REFUSE_BODY_SIZE] = "body-size",
    [REFUSE_SYNTAX] = "syntax",
    [REFUSE_METHOD] = "method",
    [REFUSE_BACKLOG] = "backlog",
    [REFUSE_H2_FLOOD] = "h2-flood",
    [REFUSE_H2_PROTOCOL] = "h2-protocol",
    [REFUSE_MEMORY] = "memory",
};

void refuse_init(struct server *s)
{
    for (int i = 0; i < REFUSE_COUNT; i++) {
        char label[80] = "";
        metric_label(label, sizeof label, "reason", reasons[i]);
        s->refused[i].count = metrics_counter(
            s->metrics, "lectern_http_refused_total",
            "Connections and requests turned away, by limit or rule.", label);
    }
}

void refuse(struct server *s, enum refusal why, const char *peer,
            const char *detail)
{
    struct refused *r = &s->refused[why];
    int64_t now = loop_now(s->loop);

    metric_add(r->count, 1);
    r->unlogged++;
    if (r->logged_at && now - r->logged_at < LOG_EVERY_US) return;
    log_warn("http", "refused", log_s("reason", reasons[why]),
             log_s("detail", detail), log_s("peer", peer),
             log_i("count", r->unlogged));
    r->logged_at = now;
    r->unlogged = 0;
}
