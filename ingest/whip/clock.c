#include "ingest/whip/clock.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"

enum { GLIDE = 20 /* one part in twenty */ };

void whip_clock_init(struct whip_clock *c)
{
    memset(c, 0, sizeof *c);
    c->reference = -1;
}

void whip_clock_begin(struct whip_clock *c, int stream, uint32_t rate)
{
    INVARIANT(stream >= 0 && stream < CLOCK_STREAMS_MAX && rate);
    c->streams[stream] = (struct whip_clock_stream){.rate = rate};
    if (c->reference == stream) c->reference = -1;
}

static int64_t us_of(const struct whip_clock_stream *s, int64_t ts)
{
    int64_t whole = ts / s->rate, part = ts % s->rate;

    return whole * 1000000 + part * 1000000 / s->rate;
}

/* A new stream by its arrival, less what the sender's clock has drifted from
 * ours on the stream that ran longest. */
static int64_t drift_us(const struct whip_clock *c, int64_t arrived_at)
{
    for (int i = 0; i < CLOCK_STREAMS_MAX; i++) {
        const struct whip_clock_stream *s = &c->streams[i];
        if (s->started && arrived_at - s->last_at < CLOCK_JUMP_US)
            return s->last_us - s->last_at;
    }
    return 0;
}

/* Where the reference says that stream i should lie. */
static void aim(struct whip_clock *c, int i)
{
    struct whip_clock_stream *s = &c->streams[i];
    const struct whip_clock_stream *r;
    int64_t target;

    if (c->reference < 0 || c->reference == i) return;
    r = &c->streams[c->reference];
    if (!s->started || !s->reported || !r->started || !r->reported) return;
    target = us_of(r, r->report_ts) + r->offset_us - r->report_us +
             s->report_us - us_of(s, s->report_ts);
    if (llabs(target - s->offset_us) > CLOCK_TRUST_US) {
        c->distrusted++;
        return;
    }
    s->target_us = target;
}

static void aim_all(struct whip_clock *c)
{
    for (int i = 0; i < CLOCK_STREAMS_MAX; i++)
        if (c->streams[i].rate) aim(c, i);
}

/* Ears hear a glide, eyes do not: audio (48 kHz, video has 90) is the
 * reference, even if it reports later. */
static void choose_reference(struct whip_clock *c)
{
    int best = c->reference;

    for (int i = 0; i < CLOCK_STREAMS_MAX; i++) {
        const struct whip_clock_stream *s = &c->streams[i];
        if (!s->started || !s->reported) continue;
        if (best < 0 || s->rate < c->streams[best].rate) best = i;
    }
    c->reference = best;
}

static void apply_report(struct whip_clock *c, int i)
{
    struct whip_clock_stream *s = &c->streams[i];

    /* reports must not move the unwrapping: theirs may lie far ahead */
    s->report_ts =
        s->unwrap.last + (int32_t)(s->report_raw - (uint32_t)s->unwrap.last);
    choose_reference(c);
    if (i == c->reference)
        aim_all(c);
    else
        aim(c, i);
}

void whip_clock_report(struct whip_clock *c, int stream, uint64_t ntp,
                       uint32_t timestamp)
{
    struct whip_clock_stream *s = &c->streams[stream];

    if (!s->rate || !ntp) return;
    s->report_us = rtp_wall_of_ntp(ntp);
    s->report_raw = timestamp;
    s->reported = true;
    if (s->started) apply_report(c, stream);
}

static void anchor(struct whip_clock *c, int i, int64_t ts, int64_t arrived_at)
{
    struct whip_clock_stream *s = &c->streams[i];

    s->offset_us = arrived_at + drift_us(c, arrived_at) - us_of(s, ts);
    s->target_us = s->offset_us;
    s->last_us = us_of(s, ts) + s->offset_us;
    s->last_at = arrived_at;
    s->started = true;
    if (s->reported) apply_report(c, i);
}

static void glide(struct whip_clock_stream *s, int64_t step_us)
{
    int64_t most = step_us / GLIDE, way = s->target_us - s->offset_us;

    if (step_us <= 0) return;
    if (way > most) way = most;
    if (way < -most) way = -most;
    s->offset_us += way;
}

int64_t whip_clock_us(struct whip_clock *c, int stream, uint32_t timestamp,
                      int64_t arrived_at)
{
    struct whip_clock_stream *s = &c->streams[stream];
    int64_t ts, us;

    INVARIANT(s->rate);
    ts = rtp_unwrap32(&s->unwrap, timestamp);
    if (!s->started) anchor(c, stream, ts, arrived_at);
    us = us_of(s, ts) + s->offset_us;
    if (llabs(us - s->last_us - (arrived_at - s->last_at)) > CLOCK_JUMP_US) {
        c->jumps++;
        s->started = s->reported = false;
        if (c->reference == stream) c->reference = -1;
        anchor(c, stream, ts, arrived_at);
        us = us_of(s, ts) + s->offset_us;
    }
    if (us < s->last_us) return us;
    glide(s, us - s->last_us);
    us = us_of(s, ts) + s->offset_us;
    s->last_us = us;
    s->last_at = arrived_at;
    return us;
}
