#include "edge/sender.h"

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "tests/harness.h"

enum { TOP, LOW, SOUND, RENDITIONS };
enum { CC_ID = 3, DELAY_ID = 5, CAPTURE_ID = 6 };
#define FRAME_TICKS 3000
#define FRAME_US    33333

/* What left: parsed back, with a copy of its bytes. */
struct caught {
    struct rtp_packet rtp;
    uint8_t bytes[1400];
    size_t len;
    int64_t at;
    uint8_t probe;
};
enum { CAUGHT_MAX = 4000 };

struct world {
    struct loop *loop;
    struct bus *bus;
    struct feed feed;
    struct sender s;
    struct caught *caught;
    int count;
    int64_t now;
    uint16_t number;
    uint8_t probe;
    uint8_t room[1400];
    int64_t pts[RENDITIONS]; /* of the next frame */
};

static uint8_t *room(size_t size, void *arg)
{
    struct world *w = arg;

    assert_true(size <= RTP_MTU);
    return w->count < CAUGHT_MAX ? w->room : NULL;
}

static uint16_t count(size_t size, uint8_t probe, int64_t now_at, void *arg)
{
    struct world *w = arg;

    (void)size;
    (void)now_at;
    w->probe = probe;
    return w->number++;
}

static void seal(size_t header_len, size_t size, void *arg)
{
    struct world *w = arg;
    struct caught *c = &w->caught[w->count++];

    memcpy(c->bytes, w->room, size);
    c->len = size;
    c->at = w->now;
    c->probe = w->probe;
    assert_int_equal(rtp_parse(&c->rtp, c->bytes, size), 0);
    assert_int_equal(c->rtp.header_len, header_len);
    assert_true(header_len <= SENDER_HEADER_MAX);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct bus_conf bus = {.channel = "demo",
                           .origin_at = 1000000,
                           .origin_wall_us = 1700000000000000};

    *state = w;
    if (!w) return -1;
    w->caught = calloc(CAUGHT_MAX, sizeof *w->caught);
    if (!w->caught || loop_create(&w->loop, 0)) return -1;
    bus.loop = w->loop;
    if (bus_create(&w->bus, &bus)) return -1;
    w->feed =
        (struct feed){.loop = w->loop, .bus = w->bus, .count = RENDITIONS};
    for (int i = 0; i < RENDITIONS; i++) {
        struct feed_rendition *r = &w->feed.renditions[i];
        r->info = (struct track_info){
            .id = (uint8_t)(64 + i),
            .kind = i == SOUND ? TRACK_AUDIO : TRACK_VIDEO,
            .codec = i == SOUND ? CODEC_OPUS : CODEC_H264,
            .timescale = i == SOUND ? 48000 : 90000,
        };
        history_init(&r->history, r->info.timescale, i != SOUND);
    }
    w->now = 10000000;
    struct sender_conf conf = {
        .feed = &w->feed,
        .sink = {room, seal, count, w},
        .video_ssrc = 0x11111111,
        .rtx_ssrc = 0x22222222,
        .audio_ssrc = 0x33333333,
        .video_base = 0xfffff000,
        .audio_base = 77,
        .video_sequence = 65500,
        .rtx_sequence = 65535,
        .audio_sequence = 9,
        .video_payload_type = 102,
        .audio_payload_type = 111,
        .rtx_payload_type = 103,
        .video_nack = true,
        .video_transport_cc = CC_ID,
        .playout_delay = DELAY_ID,
        .abs_capture_time = CAPTURE_ID,
    };
    sender_init(&w->s, &conf, w->now);
    sender_set_rate(&w->s, 8000000, false, w->now);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    if (!w) return 0;
    for (int i = 0; i < RENDITIONS; i++)
        history_release(&w->feed.renditions[i].history);
    if (w->bus) bus_unref(&w->bus);
    if (w->loop) loop_free(&w->loop);
    free(w->caught);
    free(w);
    return 0;
}

/* A frame of one NAL of n bytes, filled with its number. */
static void add(struct world *w, int rendition, bool key, size_t n)
{
    struct feed_rendition *r = &w->feed.renditions[rendition];
    struct frame f = {.track_id = r->info.id,
                      .flags = key ? FRAME_KEY : 0,
                      .captured_at = w->now - 50000};
    struct frame *frame = NULL;
    struct buf *whole = NULL;
    struct builder b;

    builder_init(&b, 1 << 24);
    if (rendition != SOUND) {
        builder_u32(&b, (uint32_t)n);
        builder_u8(&b, key ? 0x65 : 0x41);
        n--;
    }
    uint8_t *at = builder_extend(&b, n);
    if (at) memset(at, (int)(r->history.next & 0xff), n);
    assert_int_equal(builder_seal(&b, &whole), 0);
    f.payload = slice_take(&whole);
    f.dts = f.pts = w->pts[rendition];
    w->pts[rendition] += rendition == SOUND ? 960 : FRAME_TICKS;
    assert_int_equal(frame_create(&frame, &f), 0);
    int err = history_push(&r->history, frame, NULL);
    frame_unref(&frame);
    assert_int_equal(err, 0);
}

static void tell(struct world *w, int rendition)
{
    struct unit *u = history_newest(&w->feed.renditions[rendition].history);

    sender_unit(&w->s, rendition, u, w->now);
    sender_drain(&w->s, w->now);
}

static void frame(struct world *w, int rendition, bool key, size_t n)
{
    add(w, rendition, key, n);
    tell(w, rendition);
}

/* 5 ms at a time. */
static void pass(struct world *w, int64_t us)
{
    for (int64_t end = w->now + us; w->now < end;) {
        w->now += us < PACER_TICK_US ? us : PACER_TICK_US;
        sender_drain(&w->s, w->now);
    }
}

static const struct caught *last(const struct world *w)
{
    assert_true(w->count > 0);
    return &w->caught[w->count - 1];
}

/* Video numbers follow each other, timestamps grow from frame to frame and
 * never within one. Returns the frames seen. */
static int assert_continuous(const struct world *w)
{
    const struct caught *before = NULL;
    int frames = 0;

    for (int i = 0; i < w->count; i++) {
        const struct caught *c = &w->caught[i];
        if (c->rtp.ssrc != 0x11111111) continue;
        assert_int_equal(c->rtp.payload_type, 102);
        if (before) {
            assert_int_equal(c->rtp.sequence,
                             (uint16_t)(before->rtp.sequence + 1));
            int32_t step = (int32_t)(c->rtp.timestamp - before->rtp.timestamp);
            bool idr_begins = c->rtp.payload[1] == (0x80 | 5);
            if (before->rtp.marker || (step && idr_begins))
                assert_in_range(step, 1, 50 * FRAME_TICKS);
            else
                assert_int_equal(step, 0);
        }
        frames += c->rtp.marker;
        before = c;
    }
    return frames;
}

static void begin_top(struct world *w)
{
    sender_aim(&w->s, TOP, true);
    frame(w, TOP, true, 4000);
    assert_false(sender_is_awaiting(&w->s));
}

static void test_waits_for_a_keyframe(void **state)
{
    struct world *w = *state;

    sender_aim(&w->s, TOP, true);
    frame(w, TOP, false, 3000);
    frame(w, LOW, true, 3000); /* not accepted */
    assert_int_equal(w->count, 0);
    assert_true(sender_is_awaiting(&w->s));
    frame(w, TOP, true, 5000);
    assert_int_equal(w->count, 5);
    const struct caught *first = &w->caught[0];
    assert_int_equal(first->rtp.sequence, 65500);
    assert_int_equal(first->rtp.timestamp, 0xfffff000 + FRAME_TICKS);
    assert_int_equal(first->rtp.payload[0] & 0x1f, 28);
    assert_true(last(w)->rtp.marker);
    /* Extensions: the number on all, the rest on the first alone. */
    assert_int_equal(first->rtp.extensions[CC_ID].len, 2);
    assert_int_equal(first->rtp.extensions[DELAY_ID].len, 3);
    assert_memory_equal(first->rtp.extensions[DELAY_ID].data, "\0\0\x28", 3);
    assert_int_equal(first->rtp.extensions[CAPTURE_ID].len, 8);
    for (int i = 1; i < 5; i++) {
        assert_int_equal(w->caught[i].rtp.extensions[CC_ID].data[1], i);
        assert_null(w->caught[i].rtp.extensions[DELAY_ID].data);
        assert_null(w->caught[i].rtp.extensions[CAPTURE_ID].data);
    }
    /* Wall time of capture: 8.95 s after the origin. */
    uint64_t ntp = 0;
    for (int i = 0; i < 8; i++)
        ntp = ntp << 8 | first->rtp.extensions[CAPTURE_ID].data[i];
    assert_in_range(rtp_wall_of_ntp(ntp) - 1700000000000000, 8949999, 8950001);
    for (int i = 0; i < 100; i++) {
        pass(w, FRAME_US);
        frame(w, TOP, false, 2500);
    }
    assert_int_equal(assert_continuous(w), 101);
    assert_null(last(w)->rtp.extensions[DELAY_ID].data);
    int said = 0, steady = 0;
    for (int i = 0; i < w->count; i++) {
        const uint8_t *delay = w->caught[i].rtp.extensions[DELAY_ID].data;
        steady += delay && delay[2] == 100;
    }
    assert_int_equal(steady, 30);
    for (int i = 0; i < w->count; i++)
        said += w->caught[i].rtp.extensions[CAPTURE_ID].data != NULL;
    assert_in_range(said, 3, 5); /* of 3.5 s */
}

static void test_a_young_gop_is_squeezed(void **state)
{
    struct world *w = *state;
    struct feed_rendition *top = &w->feed.renditions[TOP];

    assert_int_equal(sender_cached(top, true), 0);
    for (int i = 0; i < 40; i++)
        add(w, TOP, i == 20, i == 20 ? 30000 : 5000);
    assert_int_equal(sender_cached(top, false), 0); /* 0.63 s old, 130 KB */
    uint64_t key = sender_cached(top, true);
    assert_int_equal(key, 21);
    sender_begin(&w->s, TOP, key, w->now);
    int64_t began = w->now;
    sender_drain(&w->s, w->now);
    int live = 0;
    for (; live < 15; live++) {
        pass(w, FRAME_US);
        frame(w, TOP, false, 5000);
    }
    pass(w, 20000);
    assert_int_equal(assert_continuous(w), 20 + live);
    /* The cached ones are 1 ms apart, the last is at its own time. */
    int seen = 0;
    for (int i = 0; i < w->count; i++) {
        const struct caught *c = &w->caught[i];
        if (!c->rtp.marker) continue;
        int64_t ts = (int32_t)(c->rtp.timestamp - 0xfffff000);
        seen++;
        if (seen <= 20)
            assert_int_equal(ts, 39 * FRAME_TICKS - (20 - seen) * 90);
        else
            assert_int_equal(ts, (19 + seen) * FRAME_TICKS);
        if (seen == 20) assert_in_range(c->at - began, 60000, 100000);
    }
    /* At what the rendition is paced after that. */
    assert_int_equal(w->s.pacer.rate_bps, 8000000);

    /* Too large a one is of no use. */
    add(w, LOW, true, SENDER_CACHE_MOST);
    assert_int_equal(sender_cached(&w->feed.renditions[LOW], true), 0);
}

static void test_up_to_what_runs_ahead(void **state)
{
    struct world *w = *state;

    /* LOW comes three frames later than TOP. */
    sender_aim(&w->s, LOW, true);
    for (int i = 0; i < 60; i++) {
        pass(w, FRAME_US);
        frame(w, TOP, i % 30 == 0, 4000);
        if (i < 3) continue;
        frame(w, LOW, (i - 3) % 30 == 0, 800);
        if (i == 20) sender_aim(&w->s, TOP, false);
    }
    assert_int_equal(w->s.current, TOP);
    assert_int_equal(w->s.counts.switches, 1);
    /* No picture is missing, none is shown twice. */
    int frames = assert_continuous(w);
    assert_int_equal(frames, 60);
    int64_t expected = 0;
    for (int i = 0; i < w->count; i++) {
        if (!w->caught[i].rtp.marker) continue;
        assert_int_equal((int32_t)(w->caught[i].rtp.timestamp - 0xfffff000),
                         expected);
        expected += FRAME_TICKS;
    }
}

static void test_down_to_what_lags(void **state)
{
    struct world *w = *state;

    begin_top(w);
    for (int i = 1; i < 60; i++) {
        pass(w, FRAME_US);
        frame(w, TOP, i % 30 == 0, 4000);
        if (i >= 3) frame(w, LOW, (i - 3) % 30 == 0, 800);
        if (i == 20) sender_aim(&w->s, LOW, true);
    }
    assert_int_equal(w->s.current, LOW);
    /* Frame 30 came a second time, 1 ms behind frame 33; then all others. */
    assert_int_equal(assert_continuous(w), 33 + 1 + 27);
    assert_int_equal((int32_t)(w->s.last_ts), 56 * FRAME_TICKS);
}

static void test_the_old_is_not_waited_for_long(void **state)
{
    struct world *w = *state;

    begin_top(w);
    w->pts[LOW] = 20 * FRAME_TICKS;
    sender_aim(&w->s, LOW, false);
    frame(w, LOW, true, 800);
    assert_int_equal(w->s.current, TOP);
    pass(w, SENDER_SWITCH_US); /* TOP says nothing more */
    assert_int_equal(w->s.current, LOW);
    assert_int_equal(assert_continuous(w), 2);
    /* Changed its mind in time: */
    sender_aim(&w->s, TOP, false);
    sender_aim(&w->s, -1, false);
    frame(w, TOP, true, 800);
    pass(w, 2 * SENDER_SWITCH_US);
    assert_int_equal(w->s.current, LOW);
}

static void test_a_stopgap_until_the_target(void **state)
{
    struct world *w = *state;

    sender_aim(&w->s, TOP, false);
    sender_accept(&w->s, LOW);
    frame(w, LOW, true, 800);
    assert_int_equal(w->s.current, LOW);
    assert_int_equal(w->s.target, TOP);
    frame(w, LOW, false, 800);
    w->pts[TOP] = 2 * FRAME_TICKS;
    frame(w, TOP, true, 3000);
    assert_int_equal(w->s.current, TOP);
    assert_int_equal(assert_continuous(w), 3);
}

static void test_a_long_line_is_skipped(void **state)
{
    struct world *w = *state;

    begin_top(w);
    sender_set_rate(&w->s, 1000000, false, w->now); /* carries a quarter */
    for (int i = 1; i < 45; i++) {
        pass(w, FRAME_US);
        frame(w, TOP, i == 44, 16000);
    }
    assert_true(w->s.counts.dropped_frames > 0);
    pass(w, 500000);
    int frames = assert_continuous(w);
    assert_int_equal(frames + (int)w->s.counts.dropped_frames, 45);
    /* The picture after the hole is a keyframe. */
    assert_int_equal(last(w)->rtp.payload[1] & 0x1f, 5);
    assert_false(sender_is_awaiting(&w->s));
}

static void test_rtx(void **state)
{
    struct world *w = *state;

    begin_top(w);
    for (int i = 1; i < 30; i++) {
        pass(w, FRAME_US);
        frame(w, TOP, false, 3000);
    }
    int sent = w->count;
    /* The one whose number wrapped: */
    sender_nack(&w->s, 3, 50000, w->now);
    assert_int_equal(w->count, sent + 1);
    const struct caught *c = last(w), *original = NULL;
    for (int i = 0; i < sent; i++)
        if (w->caught[i].rtp.sequence == 3) original = &w->caught[i];
    assert_non_null(original);
    assert_int_equal(c->rtp.payload_type, 103);
    assert_int_equal(c->rtp.ssrc, 0x22222222);
    assert_int_equal(c->rtp.sequence, 65535);
    assert_int_equal(c->rtp.timestamp, original->rtp.timestamp);
    assert_int_equal(c->rtp.marker, original->rtp.marker);
    assert_int_equal(c->rtp.payload_len, original->rtp.payload_len + 2);
    assert_memory_equal(c->rtp.payload, "\0\x03", 2);
    assert_memory_equal(c->rtp.payload + 2, original->rtp.payload,
                        original->rtp.payload_len);
    /* Asked for again before it can have arrived, and after. */
    pass(w, 30000);
    sender_nack(&w->s, 3, 50000, w->now);
    assert_int_equal(w->count, sent + 1);
    pass(w, 30000);
    sender_nack(&w->s, 3, 50000, w->now);
    assert_int_equal(w->count, sent + 2);
    assert_int_equal(last(w)->rtp.sequence, 0);
    /* Never sent, or long gone. */
    sender_nack(&w->s, w->s.video.sequence, 0, w->now);
    sender_nack(&w->s, 30000, 0, w->now);
    assert_int_equal(w->count, sent + 2);
    assert_int_equal(w->s.counts.not_found, 2);
}

static void test_the_same_bytes_without_rtx(void **state)
{
    struct world *w = *state;

    w->s.conf.rtx_payload_type = 0;
    begin_top(w);
    int sent = w->count;
    uint16_t number = w->number;
    for (int i = 0; i < sent; i++) {
        pass(w, 20000);
        sender_nack(&w->s, (uint16_t)(65500 + i), 50000, w->now);
        assert_int_equal(w->count, sent + i + 1);
        assert_int_equal(last(w)->len, w->caught[i].len);
        assert_memory_equal(last(w)->bytes, w->caught[i].bytes, last(w)->len);
    }
    assert_int_equal(w->number, number);
    assert_false(sender_probe(&w->s, 1, 1000000, 15, w->now));
}

static void test_nacks_cannot_multiply(void **state)
{
    struct world *w = *state;
    uint64_t media;

    begin_top(w);
    for (int i = 1; i < 60; i++) {
        pass(w, FRAME_US);
        frame(w, TOP, false, 10000);
    }
    media = w->s.counts.bytes;
    sender_set_rate(&w->s, 6000000, false, w->now);
    for (int k = 0; k < 50; k++) { /* one second of a hostile viewer */
        for (int i = 0; i < SENDER_RING; i++)
            sender_nack(&w->s, (uint16_t)(w->s.video.sequence - i), 20000,
                        w->now);
        w->now += 20000;
    }
    assert_true(w->s.counts.resent > 100);
    assert_true(w->s.counts.bytes - media < 3000000 / 8 * 12 / 10);
}

static void test_a_probe(void **state)
{
    struct world *w = *state;

    begin_top(w);
    for (int i = 1; i < 30; i++) {
        pass(w, FRAME_US);
        frame(w, TOP, false, 3000);
    }
    int sent = w->count;
    assert_true(sender_probe(&w->s, 7, 3000000, 15, w->now));
    int64_t began = w->now;
    pass(w, 100000);
    assert_int_equal(w->count, sent + 15);
    for (int i = sent; i < w->count; i++) {
        assert_int_equal(w->caught[i].probe, 7);
        assert_int_equal(w->caught[i].rtp.ssrc, 0x22222222);
    }
    /* 15 packets at 3 Mbit/s: 47 ms. */
    assert_in_range(last(w)->at - began, 40000, 50000);
}

static void test_sound(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 50; i++) {
        pass(w, 20000);
        frame(w, SOUND, true, 160);
    }
    assert_int_equal(w->count, 50);
    for (int i = 0; i < 50; i++) {
        const struct rtp_packet *p = &w->caught[i].rtp;
        assert_int_equal(p->ssrc, 0x33333333);
        assert_int_equal(p->sequence, 9 + i);
        assert_int_equal(p->timestamp, 77 + 960 * i);
        assert_int_equal(p->payload_len, 160);
        assert_int_equal(p->marker, i == 0);
    }
    assert_int_equal(w->s.audio.octets, 50 * 160);
}

static void test_reports_share_one_clock(void **state)
{
    struct world *w = *state;
    static struct rtcp_packet r[4];
    struct builder b;
    size_t offset = 0;

    begin_top(w);
    frame(w, SOUND, true, 160);
    w->now = 1000000 + 4000000; /* 4 s of the timeline */
    builder_init(&b, RTCP_MAX);
    sender_report(&w->s, true, "lectern", w->now, &b);
    sender_report(&w->s, false, "lectern", w->now, &b);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rtcp_next(builder_data(&b), b.len, &offset, &r[i]), 0);
    builder_release(&b);
    assert_int_equal(r[0].type, RTCP_SR);
    assert_int_equal(r[1].type, RTCP_SDES);
    assert_int_equal(r[2].type, RTCP_SR);
    assert_int_equal(r[0].sender_ssrc, 0x11111111);
    assert_int_equal(r[2].sender_ssrc, 0x33333333);
    assert_true(r[0].sender.ntp == r[2].sender.ntp);
    assert_in_range(rtp_wall_of_ntp(r[0].sender.ntp) - 1700000000000000,
                    3999999, 4000001);
    assert_int_equal(r[0].sender.rtp_timestamp, 0xfffff000U + 360000);
    assert_int_equal(r[2].sender.rtp_timestamp, 77 + 192000);
    assert_int_equal(r[0].sender.packets, 4);
    assert_int_equal(r[2].sender.octets, 160);
}

static void test_nothing_leaves_without_room(void **state)
{
    struct world *w = *state;

    w->count = CAUGHT_MAX;
    sender_aim(&w->s, TOP, true);
    add(w, TOP, true, 4000);
    sender_unit(&w->s, TOP, history_newest(&w->feed.renditions[TOP].history),
                w->now);
    assert_true(sender_drain(&w->s, w->now));
    frame(w, SOUND, true, 100);
    w->count = 0;
    pass(w, 5000);
    assert_int_equal(assert_continuous(w), 1);
    assert_int_equal(w->caught[0].rtp.sequence, 65500);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
    CASE(test_waits_for_a_keyframe),
    CASE(test_a_young_gop_is_squeezed),
    CASE(test_up_to_what_runs_ahead),
    CASE(test_down_to_what_lags),
    CASE(test_the_old_is_not_waited_for_long),
    CASE(test_a_stopgap_until_the_target),
    CASE(test_a_long_line_is_skipped),
    CASE(test_rtx),
    CASE(test_the_same_bytes_without_rtx),
    CASE(test_nacks_cannot_multiply),
    CASE(test_a_probe),
    CASE(test_sound),
    CASE(test_reports_share_one_clock),
    CASE(test_nothing_leaves_without_room),
};
HARNESS_MAIN(tests)
