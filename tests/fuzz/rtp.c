/* tests/fuzz/rtp.c — RTP headers: views lie inside the packet, and what was
 * parsed can be written and parsed again. */
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/rtc/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* With as many extensions as surely fit. */
static void write_again(const struct rtp_packet *p)
{
    uint8_t out[RTP_HEADER_MAX];
    struct rtp_writer w;
    struct rtp_packet q;
    size_t n, room = RTP_HEADER_MAX - RTP_HEADER_BYTES - 8;
    bool wrote[RTP_EXTENSION_IDS] = {false};

    rtp_write_begin(&w, out, p->payload_type, p->marker, p->sequence,
                    p->timestamp, p->ssrc);
    for (uint8_t id = 1; id < RTP_EXTENSION_IDS; id++) {
        const struct rtp_extension *x = &p->extensions[id];

        if (!x->data || x->len < 1 || x->len > 16 || x->len + 1u > room)
            continue;
        room -= x->len + 1u;
        wrote[id] = true;
        rtp_write_extension(&w, id, x->data, x->len);
    }
    n = rtp_write_end(&w);
    INVARIANT(!rtp_parse(&q, out, n) && q.header_len == n);
    INVARIANT(q.sequence == p->sequence && q.ssrc == p->ssrc);
    INVARIANT(q.timestamp == p->timestamp && q.marker == p->marker);
    for (int id = 1; id < RTP_EXTENSION_IDS; id++) {
        INVARIANT(wrote[id] == !!q.extensions[id].data);
        if (wrote[id])
            INVARIANT(!memcmp(q.extensions[id].data, p->extensions[id].data,
                              p->extensions[id].len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct rtp_packet p;

    if (len) memcpy(copy, data, len);
    rtp_classify(copy, len);
    if (!rtp_parse(&p, copy, len)) {
        INVARIANT(p.header_len + p.payload_len <= len);
        INVARIANT(p.payload == copy + p.header_len);
        for (int id = 0; id <= RTP_EXTENSION_IDS; id++)
            INVARIANT(!p.extensions[id].data ||
                      p.extensions[id].data + p.extensions[id].len <=
                          copy + p.header_len);
        write_again(&p);
    }
    free(copy);
    return 0;
}
