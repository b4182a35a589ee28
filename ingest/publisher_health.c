#include <stdlib.h>

#include "core/base/log.h"
#include "core/loop/loop.h"
#include "ingest/publisher_priv.h"

enum { SAY_AGAIN_US = 60000000 }; /* of one warning, in the log */

static void say_warnings(struct publisher *p, unsigned began, unsigned ended)
{
    int64_t now = loop_now(p->loop);
    char text[HEALTH_TEXT_SIZE];

    for (int i = 0; i < HEALTH_WARNINGS; i++) {
        if (began >> i & 1 &&
            (!p->said_at[i] || now - p->said_at[i] >= SAY_AGAIN_US)) {
            p->said_at[i] = now;
            p->said |= 1u << i;
            health_text(&p->health.figures, i, text);
            log_warn("ingest", "source_warning",
                     log_s("channel", p->grant.channel),
                     log_s("warning", health_name(i)), log_s("advice", text));
        }
        if (ended >> i & 1 && p->said >> i & 1) {
            p->said &= ~(1u << i);
            log_info("ingest", "source_mended",
                     log_s("channel", p->grant.channel),
                     log_s("warning", health_name(i)));
        }
    }
}

static void on_pulse(void *arg)
{
    struct publisher *p = arg;
    int64_t now = loop_now(p->loop);
    unsigned began, ended;

    timer_set(&p->pulse, now + HEALTH_TICK_US);
    health_tick(&p->health, now, &began, &ended);
    if (began | ended) say_warnings(p, began, ended);
    if (p->door.on_health)
        p->door.on_health(p, &p->health.figures, p->door.arg);
}

void publisher_health_begin(struct publisher *p)
{
    int64_t now = loop_now(p->loop);

    health_init(&p->health, now);
    timer_init(&p->pulse, p->loop, on_pulse, p);
    timer_set(&p->pulse, now + HEALTH_TICK_US);
}

void publisher_line(struct publisher *p, const struct health_line *line)
{
    if (p->state == LIVE) health_line(&p->health, line);
}

void publisher_health_end(struct publisher *p)
{
    timer_cancel(&p->pulse);
}

struct impression_note {
    struct publisher *p; /* a reference */
    struct impression impression;
};

static void on_impression(void *arg)
{
    struct impression_note *n = arg;

    if (n->p->state == LIVE)
        health_impression(&n->p->health, &n->impression, loop_now(n->p->loop));
    publisher_unref(&n->p);
    free(n);
}

void publisher_impression(struct publisher *p, const struct impression *c)
{
    struct impression_note *n = malloc(sizeof *n);

    if (!n) return; /* the next one comes in a second */
    *n = (struct impression_note){publisher_ref(p), *c};
    if (!loop_post(p->loop, on_impression, n)) return;
    publisher_unref(&n->p);
    free(n);
}
