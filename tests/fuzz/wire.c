/* Any bytes, split anywhere: no crash, no leak, and what is read can be
 * written again byte for byte. */
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/media/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct wire_record *r)
{
    uint8_t head[WIRE_HEAD_MAX];
    struct wire_decoder d;
    struct wire_record hello = {.type = WIRE_HELLO};
    struct wire_record back;
    const uint8_t *p = head;
    struct frame *f = NULL;
    struct track *t = NULL;

    hello.v.hello.version = WIRE_VERSION;
    wire_decoder_init(&d);
    size_t n = wire_head(head, &hello);
    INVARIANT(wire_feed(&d, &p, &n, &back) == 0);
    p = head;
    n = wire_head(head, r);
    int err = wire_feed(&d, &p, &n, &back);
    if (err == ERR_AGAIN) {
        p = r->payload.data;
        n = r->payload.len;
        err = wire_feed(&d, &p, &n, &back);
    }
    INVARIANT(!err && back.type == r->type);
    INVARIANT(back.payload.len == r->payload.len);
    if (r->type == WIRE_FRAME && !wire_to_frame(r, &f)) frame_unref(&f);
    if (r->type == WIRE_TRACK && !wire_to_track(r, &t)) track_unref(&t);
    wire_record_release(&back);
    wire_decoder_release(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_decoder d;
    struct wire_record r;
    size_t step;

    if (!size) return 0;
    step = 1 + data[0];
    data++;
    size--;
    wire_decoder_init(&d);
    while (size) {
        const uint8_t *p = data;
        size_t n = step < size ? step : size;
        int err;
        data += n;
        size -= n;
        while (!(err = wire_feed(&d, &p, &n, &r))) {
            again(&r);
            wire_record_release(&r);
        }
        if (err != ERR_AGAIN) break;
    }
    wire_decoder_release(&d);
    return 0;
}
