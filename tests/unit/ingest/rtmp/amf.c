#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/rtmp/amf.h"

static struct amf_reader r;
static struct amf_token t;

static void begin(const struct builder *b)
{
    amf_reader_init(&r, builder_data(b), b->len);
}

static void test_what_is_written_is_read(void **state)
{
    struct builder b;

    (void)state;
    builder_init(&b, 4096);
    amf_write_string(&b, "connect");
    amf_write_number(&b, 1.5);
    amf_write_object(&b);
    amf_write_key(&b, "app");
    amf_write_string(&b, "live");
    amf_write_key(&b, "inner");
    amf_write_object(&b);
    amf_write_key(&b, "ok");
    amf_write_bool(&b, true);
    amf_write_end(&b);
    amf_write_end(&b);
    amf_write_null(&b);
    amf_write_undefined(&b);
    if (b.err) return;
    begin(&b);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_true(amf_text_is(t.text, "connect"));
    assert_int_equal(amf_next(&r, &t), 0);
    assert_true(t.type == AMF_NUMBER && t.number == 1.5);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_int_equal(t.type, AMF_OBJECT);
    assert_int_equal(t.depth, 0);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_true(amf_text_is(t.key, "app") && amf_text_is(t.text, "live"));
    assert_int_equal(t.depth, 1);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_int_equal(t.type, AMF_OBJECT);
    assert_int_equal(amf_skip(&r, &t), 0);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_int_equal(t.type, AMF_END);
    assert_int_equal(t.depth, 0);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_int_equal(t.type, AMF_NULL);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_int_equal(t.type, AMF_NULL);
    assert_int_equal(amf_next(&r, &t), ERR_AGAIN);
    builder_release(&b);
}

static void test_every_amf0_type(void **state)
{
    static const uint8_t bytes[] = {
        8, 0,   0,   0,   99,  0, 1,   'd', 11,  0x42, 0, 0, 0,   0,  0,
        0, 0,   0,   0, /* date */
        0, 1,   'l', 12,  0,   0, 0,   2,   'h', 'i',  0, 1, 'x', 15, 0,
        0, 0,   1,   '<', 0,   1, 'r', 7,   0,   1,    0, 1, 'u', 13, 0,
        1, 'a', 10,  0,   0,   0, 2,   1,   1,   5,    0, 1, 't', 16, 0,
        1, 'C', 0,   1,   'm', 6, 0,   0,   9,   0,    0, 9};
    static const enum amf_type want[] = {
        AMF_OBJECT, AMF_DATE,  AMF_STRING, AMF_STRING, AMF_NULL,
        AMF_NULL,   AMF_ARRAY, AMF_BOOL,   AMF_NULL,   AMF_END,
        AMF_OBJECT, AMF_NULL,  AMF_END,    AMF_END};

    (void)state;
    amf_reader_init(&r, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(amf_next(&r, &t), 0);
        assert_int_equal(t.type, want[i]);
    }
    assert_int_equal(amf_next(&r, &t), ERR_AGAIN);
    for (size_t cut = 0; cut < sizeof bytes; cut++) {
        int err = 0;
        amf_reader_init(&r, bytes, cut);
        while (!err)
            err = amf_next(&r, &t);
        assert_true(err == ERR_SYNTAX || (err == ERR_AGAIN && !cut));
    }
}

static void test_amf3_scalars_behind_the_switch(void **state)
{
    static const uint8_t bytes[] = {17,   6,    7,  'a', 'b', 'c', 17, 4,
                                    0x81, 0x00, 17, 3,   17,  1,   17, 10};

    (void)state;
    amf_reader_init(&r, bytes, sizeof bytes);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_true(amf_text_is(t.text, "abc"));
    assert_int_equal(amf_next(&r, &t), 0);
    assert_true(t.number == 128);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_true(t.type == AMF_BOOL && t.number == 1);
    assert_int_equal(amf_next(&r, &t), 0);
    assert_int_equal(t.type, AMF_NULL);
    assert_int_equal(amf_next(&r, &t), ERR_UNSUPPORTED);
}

static int drain(const struct builder *b)
{
    int err = 0;

    begin(b);
    while (!err)
        err = amf_next(&r, &t);
    return err;
}

static void test_depth_and_count_have_limits(void **state)
{
    struct builder b;

    (void)state;
    builder_init(&b, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        amf_write_object(&b);
        amf_write_key(&b, "a");
    }
    if (b.err) return;
    assert_int_equal(drain(&b), ERR_LIMIT);
    builder_release(&b);

    builder_init(&b, 1 << 20);
    amf_write_object(&b);
    for (int i = 0; i < 5000; i++) {
        amf_write_key(&b, "k");
        amf_write_null(&b);
    }
    if (b.err) return;
    assert_int_equal(drain(&b), ERR_LIMIT);
    builder_release(&b);

    /* strict arrays of strict arrays, each of four thousand million */
    builder_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        builder_bytes(&b, "\x0a\xff\xff\xff\xff", 5);
    if (b.err) return;
    assert_int_equal(drain(&b), ERR_LIMIT);
    builder_release(&b);

    builder_init(&b, 1 << 20);
    builder_bytes(&b, "\x0c\x7f\xff\xff\xff", 5);
    if (b.err) return;
    assert_int_equal(drain(&b), ERR_LIMIT);
    builder_release(&b);
}

static void test_text_copy_cuts(void **state)
{
    char out[4];

    (void)state;
    amf_text_copy(out, sizeof out, (struct amf_text){"abcdef", 6});
    assert_string_equal(out, "abc");
    amf_text_copy(out, sizeof out, (struct amf_text){NULL, 0});
    assert_string_equal(out, "");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_is_written_is_read),
    cmocka_unit_test(test_every_amf0_type),
    cmocka_unit_test(test_amf3_scalars_behind_the_switch),
    cmocka_unit_test(test_depth_and_count_have_limits),
    cmocka_unit_test(test_text_copy_cuts),
};
HARNESS_MAIN(tests)
