#include "tests/harness.h"

#include "core/base/err.h"
#include "core/media/wire.h"

enum { RECORDS = 11 };

static struct slice borrowed(const char *text)
{
    return (struct slice){NULL, (const uint8_t *)text, strlen(text)};
}

/* One record of every type. */
static void fill(struct wire_record r[RECORDS])
{
    static const struct track_info rung = {.id = 66,
                                           .kind = TRACK_VIDEO,
                                           .codec = CODEC_H264,
                                           .timescale = 90000,
                                           .name = "720p",
                                           .language = "und",
                                           .width = 1280,
                                           .height = 720,
                                           .fps_num = 30000,
                                           .fps_den = 1001,
                                           .bitrate_bps = 2800000};
    static const struct frame frame = {.track_id = 66,
                                       .flags = FRAME_KEY | FRAME_DISCONTINUITY,
                                       .dts = -3003,
                                       .pts = 0,
                                       .duration = 3003,
                                       .captured_at = 1234567};
    static const struct plan plan = {.target_duration_s = 2,
                                     .part_us = 200200,
                                     .segment_us = 2000000,
                                     .rendition_ids = {64, 66, 80},
                                     .rendition_count = 3};

    memset(r, 0, RECORDS * sizeof *r);
    r[0].type = WIRE_HELLO;
    r[0].v.hello = (struct wire_hello){WIRE_VERSION, 7, -5, 1700000000000000};
    r[0].payload = borrowed("demo");
    r[1].type = WIRE_TRACK;
    r[1].v.track = rung;
    r[1].payload = borrowed("config");
    r[2].type = WIRE_FRAME;
    r[2].v.frame = frame;
    r[2].payload = borrowed("some payload bytes");
    r[3].type = WIRE_MARK;
    r[3].v.mark = (struct mark){UINT64_C(1) << 40, -90000, true};
    r[4].type = WIRE_PLAN;
    r[4].v.plan = plan;
    r[5].type = WIRE_SIGNAL;
    r[5].v.signal = BUS_BACK;
    r[6].type = WIRE_META;
    r[6].v.meta = (struct wire_meta){1, 3, 99};
    r[6].payload = borrowed("{}");
    r[7].type = WIRE_STAT;
    r[7].v.stat = -1;
    r[7].payload = borrowed("decode_errors");
    r[8].type = WIRE_KEY;
    r[8].v.key = 66;
    r[9].type = WIRE_IMPRESSION;
    r[9].v.impression = (struct impression){.track = 2,
                                            .kind = TRACK_AUDIO,
                                            .span_ms = 1000,
                                            .rms_cdb = -2310,
                                            .peak_cdb = 12,
                                            .clipped = 17,
                                            .luma = 128,
                                            .lit = IMPRESSION_WHOLE,
                                            .change = IMPRESSION_CHANGE_MAX,
                                            .changed = true};
    r[9].payload = borrowed("of a later version");
    r[10].type = WIRE_END;
}

static size_t encode(uint8_t *out)
{
    struct wire_record r[RECORDS];
    size_t n = 0;

    fill(r);
    for (int i = 0; i < RECORDS; i++) {
        n += wire_head(out + n, &r[i]);
        if (r[i].payload.len)
            memcpy(out + n, r[i].payload.data, r[i].payload.len);
        n += r[i].payload.len;
    }
    return n;
}

static void check(int i, const struct wire_record *got)
{
    struct wire_record want[RECORDS];

    fill(want);
    const struct wire_record *w = &want[i];
    assert_int_equal(got->type, w->type);
    assert_int_equal(got->payload.len, w->payload.len);
    if (w->payload.len)
        assert_memory_equal(got->payload.data, w->payload.data, w->payload.len);
    uint8_t a[WIRE_HEAD_MAX], b[WIRE_HEAD_MAX];
    size_t n = wire_head(a, got);
    assert_int_equal(n, wire_head(b, w));
    assert_memory_equal(a, b, n);
    if (i == 2) {
        assert_int_equal(got->v.frame.dts, -3003);
        assert_int_equal(got->v.frame.captured_at, 1234567);
    }
    if (i == 9) {
        assert_int_equal(got->v.impression.rms_cdb, -2310);
        assert_int_equal(got->v.impression.change, IMPRESSION_CHANGE_MAX);
        assert_true(got->v.impression.changed);
    }
    if (i == 3) assert_int_equal(got->v.mark.pts, -90000);
}

/* Every record comes back the same however the bytes are split. */
static void round_trip(size_t step)
{
    uint8_t bytes[2048];
    size_t total = encode(bytes), at = 0;
    struct wire_decoder d;
    int seen = 0;

    wire_decoder_init(&d);
    while (at < total) {
        const uint8_t *p = bytes + at;
        size_t n = step < total - at ? step : total - at;
        struct wire_record r;
        at += n;
        for (;;) {
            int err = wire_feed(&d, &p, &n, &r);
            if (err == ERR_AGAIN) break;
            if (err) {
                wire_decoder_release(&d);
                assert_int_equal(err, 0);
            }
            check(seen++, &r);
            wire_record_release(&r);
        }
        assert_int_equal(n, 0);
    }
    wire_decoder_release(&d);
    assert_int_equal(seen, RECORDS);
}

static void test_round_trip_at_every_split(void **state)
{
    (void)state;
    for (size_t step = 1; step < 200; step++)
        round_trip(step);
    round_trip(2048);
}

static int feed_all(const void *data, size_t n)
{
    struct wire_decoder d;
    const uint8_t *p = data;
    int err;

    wire_decoder_init(&d);
    do {
        struct wire_record r;
        err = wire_feed(&d, &p, &n, &r);
        if (!err) wire_record_release(&r);
    } while (!err);
    wire_decoder_release(&d);
    return err;
}

static void test_rules_of_the_stream(void **state)
{
    uint8_t bytes[2048];
    size_t n = encode(bytes);

    (void)state;
    assert_int_equal(feed_all(bytes, n), ERR_AGAIN);
    bytes[n] = 0;
    assert_int_equal(feed_all(bytes, n + 1), ERR_CLOSED); /* after END */
    size_t hello = 5 + 30 + 4;
    assert_int_equal(feed_all(bytes + hello, n - hello), ERR_SYNTAX);
    bytes[5 + 5] = 99; /* version */
    assert_int_equal(feed_all(bytes, n), ERR_UNSUPPORTED);
    encode(bytes);
    bytes[5] = 'X'; /* magic */
    assert_int_equal(feed_all(bytes, n), ERR_SYNTAX);
}

static void test_sizes_are_bounded_before_memory(void **state)
{
    uint8_t bytes[2048];
    size_t hello = 5 + 30 + 4;
    size_t before = buf_total_bytes();

    (void)state;
    encode(bytes);
    memcpy(bytes + hello, "\xff\xff\xff\xff\x03", 5); /* a 4 GiB frame */
    assert_int_equal(feed_all(bytes, hello + 5), ERR_LIMIT);
    memcpy(bytes + hello, "\x00\x00\x00\x02\x03", 5); /* too short for one */
    assert_int_equal(feed_all(bytes, hello + 5), ERR_SYNTAX);
    memcpy(bytes + hello, "\x00\x00\x00\x00\x03", 5);
    assert_int_equal(feed_all(bytes, hello + 5), ERR_SYNTAX);
    assert_int_equal(buf_total_bytes(), before);
}

static void test_unknown_types_are_stepped_over(void **state)
{
    uint8_t bytes[2048 + 16];
    size_t hello = 5 + 30 + 4, n = encode(bytes);
    static const uint8_t odd[] = {0, 0, 0, 4, 200, 1, 2, 3, 0, 0, 0, 1, 77};

    (void)state;
    memmove(bytes + hello + sizeof odd, bytes + hello, n - hello);
    memcpy(bytes + hello, odd, sizeof odd);
    struct wire_decoder d;
    const uint8_t *p = bytes;
    size_t left = n + sizeof odd;
    struct wire_record r;
    int seen = 0;
    wire_decoder_init(&d);
    while (!wire_feed(&d, &p, &left, &r)) {
        seen++;
        wire_record_release(&r);
    }
    wire_decoder_release(&d);
    assert_int_equal(seen, RECORDS);
}

static void test_frames_and_tracks_share_payload(void **state)
{
    struct wire_record r = {.type = WIRE_FRAME};
    struct buf *b = NULL;
    struct frame *f = NULL;
    struct track *t = NULL;

    (void)state;
    assert_int_equal(buf_create(&b, "xyz", 3), 0);
    r.payload = slice_take(&b);
    r.v.frame = (struct frame){.track_id = 1, .dts = 5, .pts = 6};
    if (!wire_to_frame(&r, &f)) {
        assert_ptr_equal(f->payload.data, r.payload.data);
        struct wire_record again = wire_of_frame(f);
        assert_int_equal(again.v.frame.pts, 6);
    }
    frame_unref(&f);
    r.type = WIRE_TRACK;
    r.v.track = (struct track_info){.id = 0, .timescale = 1};
    assert_int_not_equal(wire_to_track(&r, &t), 0); /* id 0 is nobody's */
    r.v.track = (struct track_info){
        .id = 1, .timescale = 48000, .kind = TRACK_AUDIO, .codec = CODEC_AAC};
    if (!wire_to_track(&r, &t))
        assert_int_equal(track_info(t)->timescale, 48000);
    track_unref(&t);
    wire_record_release(&r);
}

/* A child that lies ends its stream. */
static void test_impressions_are_bounded(void **state)
{
    static const struct impression fine = {.track = 1,
                                           .kind = TRACK_VIDEO,
                                           .span_ms = 1,
                                           .rms_cdb = IMPRESSION_FLOOR_CDB,
                                           .peak_cdb = IMPRESSION_PEAK_CDB};
    struct wire_record r[8] = {{.type = WIRE_HELLO}};
    uint8_t bytes[2 * WIRE_HEAD_MAX];

    (void)state;
    r->v.hello.version = WIRE_VERSION;
    size_t hello = wire_head(bytes, r);
    for (int i = 0; i < 8; i++)
        r[i] =
            (struct wire_record){.type = WIRE_IMPRESSION, .v.impression = fine};
    r[1].v.impression.kind = TRACK_DATA;
    r[2].v.impression.span_ms = 0;
    r[3].v.impression.span_ms = IMPRESSION_SPAN_MAX_MS + 1;
    r[4].v.impression.rms_cdb = IMPRESSION_FLOOR_CDB - 1;
    r[5].v.impression.peak_cdb = IMPRESSION_PEAK_CDB + 1;
    r[6].v.impression.lit = IMPRESSION_WHOLE + 1;
    r[7].v.impression.change = IMPRESSION_CHANGE_MAX + 1;
    for (int i = 0; i < 8; i++)
        assert_int_equal(
            feed_all(bytes, hello + wire_head(bytes + hello, &r[i])),
            i ? ERR_SYNTAX : ERR_AGAIN);
    /* More than a later version may add. */
    bytes[hello + 3] = (uint8_t)(bytes[hello + 3] + WIRE_MORE_MAX + 1);
    assert_int_equal(feed_all(bytes, hello + 5), ERR_LIMIT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trip_at_every_split),
    cmocka_unit_test(test_rules_of_the_stream),
    cmocka_unit_test(test_sizes_are_bounded_before_memory),
    cmocka_unit_test(test_unknown_types_are_stepped_over),
    cmocka_unit_test(test_impressions_are_bounded),
    cmocka_unit_test(test_frames_and_tracks_share_payload),
};
HARNESS_MAIN(tests)
