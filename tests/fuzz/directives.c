/* A query string from anybody against a window in some state: the first byte
 * says how many parts are open and whether the stream has ended. */
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "packager/playlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct store *window(int parts)
{
    struct store *s;
    struct store_event *e;
    struct store_change change;

    if (store_create(&s, "x", 1, NULL, NULL)) abort();
    s->plan = (struct store_plan){2, 200000, 40000000, 0};
    for (int i = 0; i < parts; i++) {
        if (store_event_create(&e, STORE_PART, 0, 0)) abort();
        e->msn = 1 + (uint64_t)(i / 10);
        e->v.part.index = i % 10;
        e->v.part.duration_us = 200000;
        e->v.part.closes = i % 10 == 9;
        store_apply(s, e, &change);
        store_event_unref(&e);
    }
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char query[512];
    struct directives d;
    struct playlist_key key;

    if (len < 1 || len > sizeof query) return 0;
    memcpy(query, data + 1, len - 1);
    query[len - 1] = '\0';
    if (directives_parse(&d, query)) return 0;
    struct store *s = window(data[0] & 0x7F);
    if (data[0] & 0x80) s->state = STORE_ENDED;
    struct store_rendition *r = &s->renditions[0];
    /* Who is told to wait waits for something that is not there yet, and that
     * is at most two segments away. */
    if (playlist_decide(s, r, &d, &key) == DIRECTIVES_WAIT) {
        INVARIANT(!playlist_has(s, r, &key));
        INVARIANT(!r->count || key.msn <= store_open_msn(r) + 1);
    }
    playlist_is_hinted(s, r, d.msn, d.part);
    store_free(&s);
    return 0;
}
