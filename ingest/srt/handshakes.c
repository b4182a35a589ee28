#include "ingest/srt/handshakes.h"

#include <stdio.h>
#include <string.h>

void handshakes_init(struct handshakes *h)
{
    for (int i = 0; i < HANDSHAKES_MAX; i++)
        atomic_init(&h->slots[i].held, false);
}

static bool is_held(struct handshake *it)
{
    return atomic_load_explicit(&it->held, memory_order_acquire);
}

void handshakes_note(struct handshakes *h, const char *peer,
                     const char *channel, bool secret, int64_t now)
{
    struct handshake *it = NULL;

    for (int i = 0; i < HANDSHAKES_MAX; i++) {
        struct handshake *slot = &h->slots[i];
        if (!is_held(slot))
            it = slot;
        else if (!strcmp(slot->peer, peer))
            return;
    }
    if (!it) return;
    snprintf(it->peer, sizeof it->peer, "%s", peer);
    snprintf(it->channel, sizeof it->channel, "%s", channel);
    it->secret = secret;
    it->at = now;
    atomic_store_explicit(&it->held, true, memory_order_release);
}

void handshakes_forget(struct handshake *it)
{
    atomic_store_explicit(&it->held, false, memory_order_release);
}

void handshakes_came(struct handshakes *h, const char *peer)
{
    for (int i = 0; i < HANDSHAKES_MAX; i++) {
        struct handshake *it = &h->slots[i];
        if (is_held(it) && !strcmp(it->peer, peer)) handshakes_forget(it);
    }
}

struct handshake *handshakes_overdue(struct handshakes *h, int64_t now)
{
    for (int i = 0; i < HANDSHAKES_MAX; i++) {
        struct handshake *it = &h->slots[i];
        if (is_held(it) && now - it->at >= HANDSHAKE_US) return it;
    }
    return NULL;
}
