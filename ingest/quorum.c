#include "ingest/quorum.h"

const char quorum_missed[] =
    "one video track, this channel requires more: turn on Multitrack Video "
    "with --config-url .../api/multitrack";

bool quorum_begin(struct quorum *q, int64_t now)
{
    if (q->begun) return false;
    q->begun = true;
    q->due_at = now + QUORUM_US;
    return true;
}

bool quorum_is_missed(struct quorum *q, int64_t now, int video_tracks)
{
    if (!q->due_at || now < q->due_at) return false;
    q->due_at = 0;
    return video_tracks < QUORUM_TRACKS;
}
