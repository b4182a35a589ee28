#include "transcode/transcode_priv.h"

static void on_asked(uint8_t id, void *arg)
{
    struct transcode *t = arg;
    const struct ladder_rung *r = ladder_find(&t->lineup.ladder, id);

    if (!r || r->info.kind != TRACK_VIDEO || !t->rungs) return;
    if (!r->info.passthrough)
        rungs_key(t->rungs, id);
    else if (t->video)
        bus_ask_key(t->bus, track_info(t->video)->id);
}

void wanted_begin(struct transcode *t)
{
    bus_listen(t->bus, on_asked, t);
}

void wanted_end(struct transcode *t)
{
    if (t->bus) bus_unlisten(t->bus, on_asked, t);
}
