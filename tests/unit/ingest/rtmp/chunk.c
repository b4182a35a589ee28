#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/rtmp/chunk.h"

static struct rtmp_dechunker d;
static struct rtmp_message m;

/* Feeds all of data; the last message whole in it is left in m. Returns how
 * many came, or the error. */
static int feed(const void *data, size_t len, size_t step)
{
    const uint8_t *at = data, *end = at + len;
    int count = 0;

    while (at < end) {
        const uint8_t *stop = (size_t)(end - at) > step ? at + step : end;
        int err = rtmp_dechunk(&d, &at, stop, &m);
        if (err == ERR_AGAIN) continue;
        if (err) return err;
        count++;
        slice_unref(&m.body);
    }
    return count;
}

static void test_all_basic_header_forms(void **state)
{
    static const uint8_t bytes[] = {
        0x05, 0,   0,    10, 0,   0,    1, 9, 1,  0, 0, 0, 'a', /* csid 5 */
        0x00, 1,   0,    0,  10,  0,    0, 1, 9,  1, 0, 0, 0,   'b', /* 65 */
        0x01, 1,   2,    0,  0,   10,   0, 0, 1,  9, 1, 0, 0,   0,
        'c', /* 64+1+512 */
        0xc5, 'd', 0xc0, 1,  'e', 0xc1, 1, 2, 'f'};

    (void)state;
    rtmp_dechunker_init(&d);
    for (size_t step = 1; step < sizeof bytes; step++) {
        rtmp_dechunker_init(&d);
        assert_int_equal(feed(bytes, sizeof bytes, step), 6);
        assert_int_equal(d.count, 3);
        rtmp_dechunker_release(&d);
    }
}

static void test_timestamps_of_each_format(void **state)
{
    static const uint8_t first[] = {0x04, 0, 3, 232, 0, 0,  1,
                                    8,    1, 0, 0,   0, 'x'};
    static const uint8_t fmt3[] = {0xc4, 'x'};
    static const uint8_t fmt1[] = {0x44, 0, 0, 20, 0, 0, 2, 9, 'x', 'y'};
    static const uint8_t fmt2[] = {0x84, 0, 0, 30, 'x', 'y'};
    static const uint8_t again[] = {0xc4, 'x', 'y'};

    (void)state;
    rtmp_dechunker_init(&d);
    assert_int_equal(feed(first, sizeof first, 100), 1);
    assert_int_equal(m.timestamp, 1000);
    assert_int_equal(m.stream_id, 1);
    assert_int_equal(feed(fmt3, sizeof fmt3, 100), 1);
    assert_int_equal(m.timestamp, 1000); /* no delta yet */
    assert_int_equal(feed(fmt1, sizeof fmt1, 100), 1);
    assert_int_equal(m.timestamp, 1020);
    assert_int_equal(m.type, 9);
    assert_int_equal(feed(fmt2, sizeof fmt2, 100), 1);
    assert_int_equal(m.timestamp, 1050);
    assert_int_equal(feed(again, sizeof again, 100), 1);
    assert_int_equal(m.timestamp, 1080);
    rtmp_dechunker_release(&d);
}

/* §5.3.1.3, as most senders read it and as some do. */
static void test_extended_timestamp_in_both_habits(void **state)
{
    uint8_t body[300];

    (void)state;
    rtmp_dechunker_init(&d);
    memset(body, 'z', sizeof body);
    for (int repeats = 0; repeats < 2; repeats++) {
        struct builder b;
        builder_init(&b, 4096);
        for (int round = 0; round < 2; round++) {
            uint32_t at = 0x01000000u + (uint32_t)round * 40;
            builder_u8(&b, 0x06);
            builder_u24(&b, 0xffffff);
            builder_u24(&b, sizeof body);
            builder_u8(&b, 9);
            builder_le32(&b, 1);
            builder_u32(&b, at);
            for (size_t i = 0; i < sizeof body; i += 128) {
                size_t n = sizeof body - i < 128 ? sizeof body - i : 128;
                if (i) builder_u8(&b, 0xc6);
                if (i && repeats) builder_u32(&b, at);
                builder_bytes(&b, body + i, n);
            }
        }
        if (b.err) return;
        for (size_t step = 1; step < 40; step++) {
            rtmp_dechunker_init(&d);
            assert_int_equal(feed(builder_data(&b), b.len, step), 2);
            assert_int_equal(m.timestamp, 0x01000028);
            assert_int_equal(d.partial_bytes, 0);
            rtmp_dechunker_release(&d);
        }
        builder_release(&b);
    }
}

/* A sender that does not repeat, whose body begins like the timestamp. */
static void test_body_that_resembles_the_timestamp(void **state)
{
    struct builder b;

    (void)state;
    rtmp_dechunker_init(&d);
    for (size_t alike = 1; alike < 4; alike++) {
        for (size_t tail = alike + 1; tail < 6; tail++) {
            uint8_t body[134] = {0};
            memset(body, 'q', sizeof body);
            memcpy(body + 128, "\x01\x02\x03\x04", alike);
            builder_init(&b, 4096);
            for (int round = 0; round < 2; round++) {
                builder_u8(&b, 0x06);
                builder_u24(&b, 0xffffff);
                builder_u24(&b, (uint32_t)(128 + tail));
                builder_u8(&b, 9);
                builder_le32(&b, 1);
                builder_u32(&b, 0x01020304);
                builder_bytes(&b, body, 128);
                builder_u8(&b, 0xc6);
                builder_bytes(&b, body + 128, tail);
            }
            if (b.err) return;
            for (size_t step = 1; step < 9; step++) {
                rtmp_dechunker_init(&d);
                assert_int_equal(feed(builder_data(&b), b.len, step), 2);
                rtmp_dechunker_release(&d);
            }
            builder_release(&b);
        }
    }
}

static void test_interleaved_messages(void **state)
{
    uint8_t video[200], audio[20];
    struct builder b;
    const uint8_t *at;

    (void)state;
    rtmp_dechunker_init(&d);
    memset(video, 'v', sizeof video);
    memset(audio, 'a', sizeof audio);
    builder_init(&b, 4096);
    builder_bytes(&b, "\x06\0\0\x10\0\0\xc8\x09\x01\0\0\0", 12);
    builder_bytes(&b, video, 128);
    builder_bytes(&b, "\x04\0\0\x11\0\0\x14\x08\x01\0\0\0", 12);
    builder_bytes(&b, audio, sizeof audio);
    builder_u8(&b, 0xc6);
    builder_bytes(&b, video, 72);
    if (b.err) return;
    at = builder_data(&b);
    const uint8_t *end = at + b.len;
    if (rtmp_dechunk(&d, &at, end, &m)) return;
    assert_int_equal(m.type, RTMP_AUDIO);
    assert_memory_equal(m.body.data, audio, sizeof audio);
    slice_unref(&m.body);
    assert_true(rtmp_dechunker_is_partial(&d));
    if (rtmp_dechunk(&d, &at, end, &m)) return;
    assert_int_equal(m.type, RTMP_VIDEO);
    assert_memory_equal(m.body.data, video, sizeof video);
    slice_unref(&m.body);
    assert_false(rtmp_dechunker_is_partial(&d));
    builder_release(&b);
    rtmp_dechunker_release(&d);
}

static void test_chunk_size_limits(void **state)
{
    (void)state;
    rtmp_dechunker_init(&d);
    assert_int_equal(rtmp_dechunker_set_size(&d, 0), ERR_RANGE);
    assert_int_equal(rtmp_dechunker_set_size(&d, 0x80000000u), ERR_RANGE);
    assert_int_equal(rtmp_dechunker_set_size(&d, 0x7fffffff), 0);
    assert_int_equal(d.chunk_size, RTMP_CHUNK_SIZE_MAX);
    assert_int_equal(rtmp_dechunker_set_size(&d, 1), 0);
}

/* A header that announces 8 MB costs nothing until the bytes come. */
static void test_memory_follows_the_bytes(void **state)
{
    static const uint8_t head[] = {0x06, 0, 0, 0, 0x7f, 0xff,
                                   0xff, 9, 1, 0, 0,    0};
    size_t before = buf_total_bytes();
    uint8_t some[1000] = {0};

    (void)state;
    rtmp_dechunker_init(&d);
    rtmp_dechunker_set_size(&d, 0x7fffffff);
    assert_int_equal(feed(head, sizeof head, 100), 0);
    assert_in_range(buf_total_bytes() - before, 0, 256);
    int err = feed(some, sizeof some, 100);
    if (err) return;
    assert_in_range(buf_total_bytes() - before, 1000, 2100);
    rtmp_dechunker_release(&d);
    assert_int_equal(buf_total_bytes(), before);
}

static void test_oversized_messages_are_refused_at_the_header(void **state)
{
    static const uint8_t video[] = {0x06, 0, 0, 0, 0xff, 0xff,
                                    0xff, 9, 1, 0, 0,    0};
    static const uint8_t command[] = {0x03, 0,  0, 0, 0x10, 0,
                                      0,    20, 0, 0, 0,    0};

    (void)state;
    rtmp_dechunker_init(&d);
    int err = feed(video, sizeof video, 100);
    assert_true(err == ERR_LIMIT || err == ERR_NOMEM);
    rtmp_dechunker_release(&d);
    err = feed(command, sizeof command, 100);
    assert_true(err == ERR_LIMIT || err == ERR_NOMEM);
    rtmp_dechunker_release(&d);
}

static void test_chunk_streams_are_counted_not_numbered(void **state)
{
    int err = 0, i;

    (void)state;
    rtmp_dechunker_init(&d);
    for (i = 0; i < 100 && !err; i++) {
        uint8_t head[] = {0x01, (uint8_t)i, 200, 0, 0, 0, 0,  0,
                          1,    9,          1,   0, 0, 0, 'x'};
        int n = feed(head, sizeof head, 100);
        if (n < 0) err = n;
    }
    if (err == ERR_NOMEM) return;
    assert_int_equal(err, ERR_LIMIT);
    assert_int_equal(i, RTMP_CHUNK_STREAMS_MAX + 1);
    rtmp_dechunker_release(&d);
}

static void test_unfinished_messages_share_one_limit(void **state)
{
    static uint8_t bulk[1 << 20];
    int err = 0;

    (void)state;
    rtmp_dechunker_init(&d);
    rtmp_dechunker_set_size(&d, 0x7fffffff);
    for (int i = 0; i < 5 && !err; i++) {
        uint8_t head[] = {
            (uint8_t)(10 + i), 0, 0, 0, 0x7f, 0xff, 0xff, 9, 1, 0, 0, 0};
        /* one chunk each, and the last byte never comes: the next header
         * cannot begin inside a chunk, so chunks of 7 MB */
        rtmp_dechunker_set_size(&d, 7 << 20);
        err = feed(head, sizeof head, 100);
        for (int k = 0; k < 7 && !err; k++)
            err = feed(bulk, sizeof bulk, sizeof bulk);
    }
    assert_true(err == ERR_LIMIT || err == ERR_NOMEM);
    rtmp_dechunker_release(&d);
}

static void test_abort_and_restart_forget_what_came(void **state)
{
    uint8_t bytes[12 + 128] = {0x06, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0};

    (void)state;
    rtmp_dechunker_init(&d);
    if (feed(bytes, sizeof bytes, 1000)) return;
    assert_true(rtmp_dechunker_is_partial(&d));
    rtmp_dechunker_abort(&d, 99);
    rtmp_dechunker_abort(&d, 6);
    assert_false(rtmp_dechunker_is_partial(&d));
    assert_int_equal(d.partial_bytes, 0);
    if (feed(bytes, sizeof bytes, 1000)) return;
    if (feed(bytes, sizeof bytes, 1000)) return;
    assert_int_equal(d.restarts, 1);
    assert_int_equal(d.partial_bytes, 128);
    rtmp_dechunker_release(&d);
}

static void test_first_header_must_say_what_it_is(void **state)
{
    static const uint8_t fmt2[] = {0x84, 0, 0, 1, 'x'};
    static const uint8_t fmt3[] = {0xc4, 'x'};

    (void)state;
    rtmp_dechunker_init(&d);
    assert_int_equal(feed(fmt2, sizeof fmt2, 100), ERR_SYNTAX);
    rtmp_dechunker_release(&d);
    assert_int_equal(feed(fmt3, sizeof fmt3, 100), ERR_SYNTAX);
    rtmp_dechunker_release(&d);
}

static void test_what_is_written_is_read(void **state)
{
    static uint8_t body[70000];
    struct builder b;

    (void)state;
    rtmp_dechunker_init(&d);
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 13);
    for (int i = 0; i < 2; i++) {
        struct rtmp_message in = {
            RTMP_VIDEO, i ? 0xfffffffe : 77, 1, {NULL, body, sizeof body}};
        builder_init(&b, 1 << 20);
        rtmp_chunk_write(&b, 4096, 6, &in);
        if (b.err) return;
        rtmp_dechunker_init(&d);
        rtmp_dechunker_set_size(&d, 4096);
        const uint8_t *at = builder_data(&b);
        if (rtmp_dechunk(&d, &at, at + b.len, &m)) return;
        assert_int_equal(m.timestamp, in.timestamp);
        assert_int_equal(m.body.len, sizeof body);
        assert_memory_equal(m.body.data, body, sizeof body);
        slice_unref(&m.body);
        rtmp_dechunker_release(&d);
        builder_release(&b);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_all_basic_header_forms),
    cmocka_unit_test(test_timestamps_of_each_format),
    cmocka_unit_test(test_extended_timestamp_in_both_habits),
    cmocka_unit_test(test_body_that_resembles_the_timestamp),
    cmocka_unit_test(test_interleaved_messages),
    cmocka_unit_test(test_chunk_size_limits),
    cmocka_unit_test(test_memory_follows_the_bytes),
    cmocka_unit_test(test_oversized_messages_are_refused_at_the_header),
    cmocka_unit_test(test_chunk_streams_are_counted_not_numbered),
    cmocka_unit_test(test_unfinished_messages_share_one_limit),
    cmocka_unit_test(test_abort_and_restart_forget_what_came),
    cmocka_unit_test(test_first_header_must_say_what_it_is),
    cmocka_unit_test(test_what_is_written_is_read),
};
HARNESS_MAIN(tests)
