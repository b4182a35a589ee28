#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "edge/viewer_priv.h"

enum {
    AUDIO_BPS = 130000, /* Opus with its headers */
    CAREFUL_US = 10000000,
    CAREFUL_MAX_US = 120000000,
    RISING_US = 3000000,
};

const struct feed_rendition *viewer_rendition(const struct viewer *v, int index)
{
    return index < 0 ? NULL : &v->feed->renditions[index];
}

/* 0: nothing is known yet. */
static uint32_t target_bps(const struct viewer *v)
{
    const struct bwe_estimate *e = bwe_estimate(v->bwe);

    if (e->state == BWE_STARTING) return 0;
    int64_t bps = e->target_bps - (v->has_audio ? AUDIO_BPS : 0);
    return bps < 1 ? 1 : (uint32_t)bps;
}

/* A path that overflowed lately gets keyframes as it can take them: for ten
 * seconds, and twice as long each time that it overflows right after. */
static bool is_careful(struct viewer *v, int64_t now_at)
{
    int64_t lowered_at = bwe_estimate(v->bwe)->lowered_at;

    if (lowered_at > 0 && lowered_at > v->lowered_at) {
        if (lowered_at > v->careful_until + CAREFUL_US)
            v->careful_us = CAREFUL_US;
        else if (lowered_at > v->careful_until &&
                 v->careful_us < CAREFUL_MAX_US)
            v->careful_us *= 2;
        v->lowered_at = lowered_at;
        v->careful_until = lowered_at + v->careful_us;
    }
    /* Nor is a better rendition's first keyframe thrown at it. */
    bool is_rising = v->sender.target >= 0 || now_at - v->shown_at < RISING_US;
    if (is_rising && v->lowered_at && now_at - v->lowered_at < CAREFUL_MAX_US)
        return true;
    return now_at < v->careful_until;
}

void viewer_pace(struct viewer *v, int64_t now_at)
{
    const struct feed_rendition *r = viewer_rendition(v, v->sender.current);
    int64_t target = target_bps(v);

    v->paced = v->sender.current;
    if (!r) return;
    int64_t need = feed_need_bps(r);
    if (need < r->info.bitrate_bps) need = r->info.bitrate_bps;
    int64_t bps = v->burst.bps > need ? v->burst.bps : need * 5;
    bool careful = is_careful(v, now_at);
    if (careful) {
        int64_t most = target * 11 / 10;
        if (need <= target && most < need * 3 / 2) most = need * 3 / 2;
        if (bps > most) bps = most;
    }
    if (bps < v->floor_bps) bps = v->floor_bps;
    sender_set_rate(&v->sender, bps, careful, now_at);
}

/* Pins go by name: the rung of that name may come and go. */
static void apply_pin(struct viewer *v, int64_t now_at)
{
    int index = *v->pin ? feed_find_name(v->feed, v->pin, now_at) : -1;

    selector_pin(&v->selector,
                 index < 0 ? 0 : v->feed->renditions[index].info.id);
}

static struct selector_advice choose(struct viewer *v,
                                     const struct selector_rung *rungs,
                                     int count, int64_t now_at)
{
    uint32_t target = target_bps(v);

    selector_set_rungs(&v->selector, rungs, count);
    apply_pin(v, now_at);
    if (v->shown != v->sender.current && v->sender.current >= 0) {
        v->shown = v->sender.current;
        v->shown_at = now_at;
        selector_shows(&v->selector, viewer_rendition(v, v->shown)->info.id,
                       now_at);
    }
    struct selector_advice a = selector_tick(&v->selector, target, now_at);
    /* At the top of what there is, or pinned to what cannot be shown. */
    if (count && a.id == rungs[0].id && (!*v->pin || !v->selector.pinned))
        feed_wish_top(v->feed, target ? target : SELECTOR_START_BPS, now_at);
    return a;
}

/* Nothing is shown yet, or no more: the quickest way to a picture. */
static void start(struct viewer *v, uint8_t wanted,
                  const struct selector_rung *rungs, int count, int64_t now_at)
{
    int index = feed_find(v->feed, wanted), stopgap = -1;
    const struct feed_rendition *r = viewer_rendition(v, index);

    if (!r) return;
    sender_aim(&v->sender, index, false);
    uint64_t key = sender_cached(r, false);
    for (int i = 0; i < count && r->info.passthrough && !key; i++) {
        int at = feed_find(v->feed, rungs[i].id);
        bool below = rungs[i].bps <= SELECTOR_START_BPS;
        if (stopgap < 0 && below && !viewer_rendition(v, at)->info.passthrough)
            stopgap = at;
    }
    if (stopgap >= 0) {
        key = sender_cached(viewer_rendition(v, stopgap), false);
        if (key) index = stopgap;
    } else if (!key && r->info.passthrough) {
        key = sender_cached(r, true);
    }
    /* After a break only new pictures will do. */
    if (key && !v->sender.started) {
        if (v->connected) sender_begin(&v->sender, index, key, now_at);
        return;
    }
    feed_ask(v->feed, feed_find(v->feed, wanted), now_at);
    if (stopgap < 0) return;
    sender_accept(&v->sender, stopgap);
    feed_ask(v->feed, stopgap, now_at);
}

static void probe(struct viewer *v, uint32_t want_bps, int64_t now_at)
{
    if (!want_bps || !v->twcc || !v->sender.conf.rtx_payload_type ||
        !v->sender.video.packets || v->sender.probe_left)
        return;
    if (v->has_audio) want_bps += AUDIO_BPS;
    int64_t bps = bwe_probe_wanted(v->bwe, want_bps, now_at);
    if (bps <= 0) return;
    uint8_t id = bwe_probe_sent(v->bwe, bps, BWE_PROBE_PACKETS, now_at);
    sender_probe(&v->sender, id, bps, BWE_PROBE_PACKETS, now_at);
}

/* The encoder did not answer: the pictures since its keyframe once more. */
void viewer_mend(struct viewer *v, int64_t now_at)
{
    const struct feed_rendition *r = viewer_rendition(v, v->sender.current);

    if (!v->missing_at || now_at - v->missing_at < VIEWER_REPLAY_US) return;
    v->missing_at = 0;
    if (!r || r->history.newest_key != v->missing_key) return;
    if (v->mended_key == v->missing_key) return; /* once is enough */
    v->mended_key = v->missing_key;
    uint64_t key = sender_cached(r, true);
    if (key) sender_begin(&v->sender, v->sender.current, key, now_at);
}

void viewer_steer(struct viewer *v, const struct selector_rung *rungs,
                  int count, int64_t now_at)
{
    struct selector_advice a = choose(v, rungs, count, now_at);
    int index = feed_find(v->feed, a.id);

    if (index < 0) return;
    v->floor_bps = (int64_t)rungs[count - 1].bps * 3 / 2;
    if (sender_is_awaiting(&v->sender)) {
        start(v, a.id, rungs, count, now_at);
        return;
    }
    sender_aim(&v->sender, index, a.hurry);
    if (index != v->sender.current) {
        uint64_t key = sender_cached(viewer_rendition(v, index), false);
        if (key)
            sender_aim_at(&v->sender, key, now_at);
        else if (a.hurry)
            feed_ask(v->feed, index, now_at);
    }
    probe(v, a.want_bps, now_at);
}

/* What is no rendition's name pins nothing. */
void viewer_set_pin(struct viewer *v, const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    bool is_name = strcmp(name, "auto") && !name[strspn(name, letters)];

    snprintf(v->pin, sizeof v->pin, "%s", is_name ? name : "");
}

int viewer_pin(struct viewer *v, const char *name, int64_t now_at)
{
    const struct feed_rendition *dormant = feed_dormant(v->feed, now_at);

    if (strcmp(name, "auto") && feed_find_name(v->feed, name, now_at) < 0 &&
        (!dormant || strcmp(dormant->info.name, name)))
        return ERR_NOTFOUND;
    viewer_set_pin(v, name);
    return 0;
}

static void describe_rendition(const struct feed_rendition *r,
                               struct builder *out)
{
    builder_printf(
        out, "{\"name\":\"%s\",\"width\":%u,\"height\":%u,\"bps\":%u}",
        r->info.name, r->info.width, r->info.height, feed_need_bps(r));
}

void viewer_describe(const struct viewer *v, int64_t now_at,
                     struct builder *out)
{
    const struct feed_rendition *r = viewer_rendition(v, v->sender.current);
    const struct bwe_estimate *e = bwe_estimate(v->bwe);
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    int count = feed_ladder(v->feed, now_at, rungs);
    const struct feed_rendition *dormant = feed_dormant(v->feed, now_at);

    /* Names are [a-z0-9_-]: nothing to escape. */
    builder_printf(out, "{\"rendition\":\"%s\",\"auto\":%s,\"pinned\":\"%s\"",
                   r ? r->info.name : "", *v->pin ? "false" : "true", v->pin);
    builder_text(out, ",\"renditions\":[");
    if (dormant) describe_rendition(dormant, out);
    for (int i = 0; i < count; i++) {
        if (i || dormant) builder_text(out, ",");
        describe_rendition(viewer_rendition(v, feed_find(v->feed, rungs[i].id)),
                           out);
    }
    builder_printf(
        out, "],\"estimate_bps\":%lld,\"rtt_ms\":%lld,\"loss\":%.3f}",
        (long long)e->target_bps, (long long)(e->rtt_us / 1000), e->loss);
}
