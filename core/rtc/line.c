#include "core/rtc/line.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"

int line_init(struct line *l)
{
    l->slab = malloc(LINE_BYTES);
    line_clear(l);
    return l->slab ? 0 : ERR_NOMEM;
}

void line_release(struct line *l)
{
    free(l->slab);
    l->slab = NULL;
}

uint8_t *line_room(const struct line *l)
{
    if (LINE_BYTES - l->len < LINE_PACKET_MAX || l->run_count == LINE_RUNS)
        return NULL;
    return l->slab + l->len;
}

static bool continues(const struct line_run *r, const struct net_path *to,
                      size_t len)
{
    return !r->ended && len <= r->segment && r->packets < LINE_RUN_PACKETS &&
           !memcmp(&r->to, to, sizeof *to);
}

void line_put(struct line *l, const struct net_path *to, size_t len)
{
    struct line_run *r = l->run_count ? &l->runs[l->run_count - 1] : NULL;

    INVARIANT(len > 0 && len <= LINE_PACKET_MAX);
    if (!r || !continues(r, to, len)) {
        INVARIANT(l->run_count < LINE_RUNS);
        r = &l->runs[l->run_count++];
        *r = (struct line_run){.to = *to, .offset = l->len, .segment = len};
    }
    r->ended = len < r->segment;
    r->len += len;
    r->packets++;
    l->len += len;
}

void line_clear(struct line *l)
{
    l->len = 0;
    l->run_count = 0;
}
