/* edge/sender_priv.h — what sender.c (the line) and again.c (what is sent a
 * second time) share. */
#ifndef EDGE_SENDER_PRIV_H
#define EDGE_SENDER_PRIV_H
#include "edge/sender.h"

/* Two playout delays: at the start and later (see extras_of()). */
enum { EXTRA_EAGER = 1, EXTRA_CAPTURE_TIME = 2, EXTRA_STEADY = 4 };

/* A packet to be written. */
struct sender_form {
    const struct packet *packet;
    const struct unit *unit;
    uint32_t timestamp, ssrc;
    uint16_t sequence, number, original; /* original: RTX's OSN */
    uint8_t payload_type, transport_cc, extras, probe;
    bool marker, is_rtx;
    bool is_repeat; /* the same bytes again, its number included */
};

/* False: no room. Fills in f->number. */
bool sender_put(struct sender *s, struct sender_form *f, int64_t now_at);
uint64_t sender_capture_ntp(const struct sender *s, const struct unit *u);
/* True: there is more to send. */
bool sender_drain_probe(struct sender *s, int64_t now_at);

#endif
