#include "edge/fresh.h"

static void note(struct fresh_lag *l, int64_t lag_us, int64_t now_at)
{
    if (!l->first_at) {
        l->first_at = l->turn_at = now_at;
        l->least = lag_us;
    } else if (now_at - l->turn_at > FRESH_SPAN_US / 2) {
        l->before = l->least;
        l->has_before = now_at - l->turn_at <= FRESH_SPAN_US;
        l->turn_at = now_at;
        l->least = lag_us;
    } else if (lag_us < l->least) {
        l->least = lag_us;
    }
}

static int64_t least_of(const struct fresh_lag *l)
{
    return l->has_before && l->before < l->least ? l->before : l->least;
}

void fresh_picture(struct fresh *f, int64_t lag_us, int64_t now_at)
{
    note(&f->picture, lag_us, now_at);
}

bool fresh_sound(struct fresh *f, int64_t lag_us, int64_t now_at)
{
    note(&f->sound, lag_us, now_at);
    if (now_at - f->sound.first_at < FRESH_PAST_US)
        return !f->picture.first_at ||
               lag_us <= least_of(&f->picture) + 2 * FRESH_SLACK_US;
    return lag_us <= least_of(&f->sound) + FRESH_SLACK_US;
}
