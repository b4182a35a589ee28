#include "core/media/frame.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/err.h"

struct counted_frame {
    struct frame frame; /* first: a frame pointer is a counted_frame pointer */
    atomic_uint refs;
};

static struct counted_frame *counted(const struct frame *f)
{
    return (struct counted_frame *)(uintptr_t)f;
}

int frame_create(struct frame **out, const struct frame *f)
{
    struct counted_frame *c = malloc(sizeof *c);

    if (!c) {
        struct slice payload = f->payload;
        slice_unref(&payload);
        return ERR_NOMEM;
    }
    c->frame = *f;
    atomic_init(&c->refs, 1);
    *out = &c->frame;
    return 0;
}

struct frame *frame_ref(const struct frame *f)
{
    if (!f) return NULL;
    atomic_fetch_add_explicit(&counted(f)->refs, 1, memory_order_relaxed);
    return &counted(f)->frame;
}

void frame_unref(struct frame **f)
{
    struct frame *last = *f;

    *f = NULL;
    if (!last) return;
    if (atomic_fetch_sub_explicit(&counted(last)->refs, 1,
                                  memory_order_acq_rel) != 1)
        return;
    slice_unref(&last->payload);
    free(counted(last));
}
