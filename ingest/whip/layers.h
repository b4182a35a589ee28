/* ingest/whip/layers.h — which of a publisher's simulcast layers goes on: the
 * largest that flows. One that stops is left at once (at the keyframe of the
 * next best), a better one is taken once it has flowed for a while.
 * Pure; one thread. */
#ifndef INGEST_WHIP_LAYERS_H
#define INGEST_WHIP_LAYERS_H
#include <stdbool.h>
#include <stdint.h>

enum {
    LAYERS_MAX = 8,
    LAYER_STOPPED_US = 1500000, /* without a packet */
    LAYER_STEADY_US = 2000000,  /* before a better one is trusted */
};

struct whip_layer {
    bool seen;
    uint64_t area; /* of its pictures; 0: not known yet */
    int64_t packet_at, since;
};
struct whip_layers {
    struct whip_layer layers[LAYERS_MAX];
    int current; /* the one that goes on; -1: none yet */
};

void whip_layers_init(struct whip_layers *l);
void whip_layers_packet(struct whip_layers *l, int layer, int64_t now);
void whip_layers_size(struct whip_layers *l, int layer, uint64_t area);
void whip_layers_switch(struct whip_layers *l, int layer);
bool whip_layers_flows(const struct whip_layers *l, int layer, int64_t now);
/* The layer to take at its next keyframe; the current one: stay. -1 as long
 * as none was seen: take whichever shows a keyframe first. */
int whip_layers_wanted(const struct whip_layers *l, int64_t now);

#endif
