#include "core/loop/timer.h"

#include "core/base/clock.h"
#include "core/loop/loop_priv.h"

void timer_init(struct timer *t, struct loop *l, timer_fn *fn, void *arg)
{
    list_init(&t->node);
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    t->at = 0;
}

void timer_set(struct timer *t, int64_t at)
{
    struct loop *l = t->loop;

    list_unlink(&t->node);
    t->at = at > 0 ? at : 1;
    uint64_t tick = wheel_add(&l->wheel, t);
    if (tick < l->alarm_tick && !l->in_wheel) loop_wheel_hurry(l);
}

void timer_cancel(struct timer *t)
{
    list_unlink(&t->node);
    t->at = 0;
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *l = alarm->data;

    l->alarm_tick = UINT64_MAX;
    loop_wheel_turn(l);
}

void loop_wheel_hurry(struct loop *l)
{
    uint64_t next = wheel_next(&l->wheel);

    if (next >= l->alarm_tick) return;
    /* uv_now() may lag behind the clock: it only makes the wait longer by as
     * much, since ticks are of the same clock. */
    uint64_t now = uv_now(&l->uv);
    l->alarm_tick = next;
    uv_timer_start(&l->alarm, on_alarm, next > now ? next - now : 0, 0);
}

void loop_wheel_turn(struct loop *l)
{
    loop_touch(l);
    l->in_wheel = true;
    wheel_turn(&l->wheel, (uint64_t)loop_now(l) / 1000);
    l->in_wheel = false;
    loop_wheel_hurry(l);
}
