#include "ingest/health_priv.h"

enum {
    STALE_US = 5000000, /* nobody measures the content any more */
    CONTENT_US = 10000000,
    FROZEN_US = 30000000,
    SILENT_CDB = -6000,
    CLIPPED = IMPRESSION_WHOLE / 1000,
    CLIPPED_SECONDS = 5, /* of */
    CLIPPED_OF = 0xffff,
    DARK = IMPRESSION_WHOLE / 2000,
    MOVED_SECONDS = 18, /* of */
    MOVED_OF = 0xfffff,
    CUT = 1500, /* hundredths of a level; who walks about changes less */
    CUT_OF = 0x1f,
};

static void note_sound(struct health_content *s, const struct impression *c)
{
    s->silent_us =
        c->rms_cdb < SILENT_CDB ? s->silent_us + c->span_ms * 1000LL : 0;
    s->clipped = s->clipped << 1 | (c->clipped > CLIPPED);
}

static void note_picture(struct health_content *s, const struct impression *c)
{
    int64_t span_us = c->span_ms * 1000LL;

    s->black_us = c->lit < DARK ? s->black_us + span_us : 0;
    if (c->changed)
        s->still_us = 0;
    else if (!s->still_us)
        s->moved_on =
            __builtin_popcount(s->moved & MOVED_OF) >= MOVED_SECONDS &&
            !(s->cut & CUT_OF);
    if (!c->changed) s->still_us += span_us;
    s->moved = s->moved << 1 | c->changed;
    s->cut = s->cut << 1 | (c->change >= CUT);
}

void health_impression(struct health *h, const struct impression *c,
                       int64_t now)
{
    h->content.told_at[c->kind] = now;
    if (c->kind == TRACK_AUDIO) {
        note_sound(&h->content, c);
        h->figures.rms_dbfs = c->rms_cdb / 100.0;
        h->figures.peak_dbfs = c->peak_cdb / 100.0;
    } else {
        note_picture(&h->content, c);
        h->figures.brightness = c->luma / 255.0;
    }
}

void health_content_forget(struct health *h, int64_t now)
{
    struct health_content *s = &h->content;
    struct health_figures *f = &h->figures;

    f->heard =
        s->told_at[TRACK_AUDIO] && now - s->told_at[TRACK_AUDIO] < STALE_US;
    f->seen =
        s->told_at[TRACK_VIDEO] && now - s->told_at[TRACK_VIDEO] < STALE_US;
    if (!f->heard) {
        s->silent_us = s->clipped = 0;
        f->rms_dbfs = f->peak_dbfs = 0;
    }
    if (!f->seen) {
        s->black_us = s->still_us = s->moved = s->cut = 0;
        s->moved_on = false;
        f->brightness = 0;
    }
    f->silent_s = (double)s->silent_us / 1e6;
    f->black_s = (double)s->black_us / 1e6;
    f->still_s = (double)s->still_us / 1e6;
}

unsigned health_content_judge(const struct health_content *s)
{
    bool black = s->black_us >= CONTENT_US;
    unsigned bits = 0;

    if (s->silent_us >= CONTENT_US) bits |= 1u << HEALTH_SILENT;
    if (__builtin_popcount(s->clipped & CLIPPED_OF) >= CLIPPED_SECONDS)
        bits |= 1u << HEALTH_CLIPPING;
    if (black) bits |= 1u << HEALTH_BLACK;
    if (!black && s->moved_on && s->still_us >= FROZEN_US)
        bits |= 1u << HEALTH_FROZEN;
    return bits;
}
