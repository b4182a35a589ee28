#include "ingest/whip/layers.h"

#include <string.h>

void whip_layers_init(struct whip_layers *l)
{
    memset(l, 0, sizeof *l);
    l->current = -1;
}

bool whip_layers_flows(const struct whip_layers *l, int layer, int64_t now)
{
    const struct whip_layer *k = &l->layers[layer];

    return k->seen && now - k->packet_at < LAYER_STOPPED_US;
}

void whip_layers_packet(struct whip_layers *l, int layer, int64_t now)
{
    if (!whip_layers_flows(l, layer, now)) l->layers[layer].since = now;
    l->layers[layer].seen = true;
    l->layers[layer].packet_at = now;
}

void whip_layers_size(struct whip_layers *l, int layer, uint64_t area)
{
    l->layers[layer].area = area;
}

void whip_layers_switch(struct whip_layers *l, int layer)
{
    l->current = layer;
}

int whip_layers_wanted(const struct whip_layers *l, int64_t now)
{
    int best = l->current;
    bool stays = best >= 0 && whip_layers_flows(l, best, now);
    uint64_t area = stays ? l->layers[best].area : 0;

    if (best < 0) return -1;
    for (int i = 0; i < LAYERS_MAX; i++) {
        const struct whip_layer *k = &l->layers[i];
        if (i == l->current || !whip_layers_flows(l, i, now)) continue;
        if (stays && now - k->since < LAYER_STEADY_US) continue;
        if (k->area <= area && (stays || best != l->current)) continue;
        best = i;
        area = k->area;
    }
    return best;
}
