#include "core/base/log.h"
#include "core/loop/loop.h"
#include "transcode/transcode_priv.h"

/* --- LADDER_REALTIME: made while somebody wants it ------------------------ */

static void log_realtime(const struct transcode *t, const char *state)
{
    log_info("transcode", "realtime_top",
             log_s("channel", transcode_channel(t)), log_s("state", state));
}

static void on_realtime_asked(struct transcode *t, bool key)
{
    int64_t now = loop_now(bus_loop(t->bus));

    t->realtime.asked_at = now;
    if (t->realtime.on) {
        if (key && now - t->realtime.key_at > TRANSCODE_FRESH_US)
            rungs_key(t->rungs, LADDER_REALTIME);
        return;
    }
    t->realtime.on = true;
    timer_set(&t->realtime.end, now + t->conf.realtime_us);
    log_realtime(t, "wanted");
    publish_change(t);
}

void wanted_realtime_ended(struct transcode *t)
{
    if (!t->realtime.on) return;
    t->realtime.on = false;
    timer_cancel(&t->realtime.end);
    log_realtime(t, "ended");
}

static void on_realtime_end(void *arg)
{
    struct transcode *t = arg;
    int64_t end = t->realtime.asked_at + t->conf.realtime_us;

    if (end > loop_now(bus_loop(t->bus))) {
        timer_set(&t->realtime.end, end);
        return;
    }
    wanted_realtime_ended(t);
    if (t->rungs) publish_change(t);
}

/* --- wishes --------------------------------------------------------------- */

static void on_asked(uint8_t id, void *arg)
{
    struct transcode *t = arg;
    bool keep = id == LADDER_REALTIME_KEEP;
    const struct ladder_rung *r =
        ladder_find(&t->lineup.ladder, keep ? LADDER_REALTIME : id);

    if (!r || r->info.kind != TRACK_VIDEO || !t->rungs) return;
    if (keep || id == LADDER_REALTIME)
        on_realtime_asked(t, !keep);
    else if (!r->info.passthrough)
        rungs_key(t->rungs, id);
    else if (t->video)
        bus_ask_key(t->bus, track_info(t->video)->id);
}

void wanted_begin(struct transcode *t)
{
    timer_init(&t->realtime.end, bus_loop(t->bus), on_realtime_end, t);
    bus_listen(t->bus, on_asked, t);
}

void wanted_end(struct transcode *t)
{
    if (!t->realtime.end.loop) return; /* did not begin */
    timer_cancel(&t->realtime.end);
    bus_unlisten(t->bus, on_asked, t);
}
