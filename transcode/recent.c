#include "transcode/recent.h"

void recent_forget_video(struct recent *r)
{
    while (r->video_count)
        frame_unref(&r->video[--r->video_count]);
    r->video_bytes = 0;
    r->whole = false;
}

void recent_video(struct recent *r, struct frame *f)
{
    if (f->flags & FRAME_KEY) {
        recent_forget_video(r);
        r->whole = true;
    }
    if (!r->whole) return;
    r->video_bytes += f->payload.len;
    if (r->video_count == RECENT_FRAMES || r->video_bytes > RECENT_BYTES) {
        recent_forget_video(r);
        return;
    }
    r->video[r->video_count++] = frame_ref(f);
}

static void drop_oldest(struct recent *r)
{
    frame_unref(&r->ring[r->first]);
    r->first = (r->first + 1) % RECENT_SOUND;
    r->sound_count--;
}

void recent_sound(struct recent *r, struct frame *f)
{
    if (r->sound_count == RECENT_SOUND) drop_oldest(r);
    r->ring[(r->first + r->sound_count++) % RECENT_SOUND] = frame_ref(f);
}

struct frame *recent_sound_at(const struct recent *r, int n)
{
    return r->ring[(r->first + n) % RECENT_SOUND];
}

void recent_forget_sound(struct recent *r)
{
    while (r->sound_count)
        drop_oldest(r);
}
