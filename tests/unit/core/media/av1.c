#include "core/media/av1.h"

#include <string.h>

#include "core/base/err.h"
#include "tests/harness.h"

/* SVT-AV1, 320x180 */
static const uint8_t av1c[] = {0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b,
                               0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe,
                               0xcc, 0x02, 0xf8, 0x00, 0x40};
/* delimiter, sequence header, a frame that begins so */
static const uint8_t unit[] = {0x12, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00,
                               0x04, 0x3c, 0xfe, 0xcc, 0xfb, 0xf9, 0x00,
                               0x40, 0x32, 0x04, 0x14, 0x00, 0xa4, 0x78};

static void test_what_a_record_says(void **state)
{
    struct av1_sequence s;
    struct av1_obu o;

    (void)state;
    assert_int_equal(av1_record_parse(&o, av1c, sizeof av1c), 0);
    assert_int_equal(av1_sequence_parse(&s, o.data, o.len), 0);
    assert_int_equal(s.profile, 0);
    assert_int_equal(s.level, 0);
    assert_int_equal(s.width, 320);
    assert_int_equal(s.height, 180);
    assert_int_equal(av1_record_parse(&o, av1c, 4), ERR_NOTFOUND);
    for (size_t cut = 0; cut < sizeof av1c; cut++)
        if (cut != 4)
            assert_int_equal(av1_record_parse(&o, av1c, cut), ERR_SYNTAX);
}

static void test_units(void **state)
{
    struct av1_unit u;
    struct builder b;
    uint8_t other[sizeof unit];

    (void)state;
    assert_int_equal(av1_scan(&u, unit, sizeof unit), 0);
    assert_true(u.key);
    assert_true(u.has_sequence);
    assert_int_equal(u.frames, 1);
    assert_false(u.clean);
    builder_init(&b, 4096);
    av1_repack(&b, unit, sizeof unit);
    if (!b.err) {
        assert_int_equal(b.len, sizeof unit - 2);
        assert_memory_equal(builder_data(&b), unit + 2, sizeof unit - 2);
    }
    builder_release(&b);
    /* its header is in the config only: no decoder could begin here */
    assert_int_equal(av1_scan(&u, unit + 15, sizeof unit - 15), 0);
    assert_false(u.key);
    assert_true(u.clean);
    memcpy(other, unit, sizeof unit);
    other[17] = 0x34; /* an inter frame */
    assert_int_equal(av1_scan(&u, other, sizeof other), 0);
    assert_false(u.key);
    assert_int_equal(av1_scan(&u, unit, sizeof unit - 1), ERR_SYNTAX);
}

static void test_sizes_of_obus(void **state)
{
    static const uint8_t rest[] = {0x30, 0x10, 1, 2};
    static const uint8_t endless[] = {0x32, 0x80, 0x80, 0x80, 0x80,
                                      0x80, 0x80, 0x80, 0x80, 0x01};
    static const uint8_t huge[] = {0x32, 0xff, 0xff, 0xff, 0xff, 0x7f};
    static const uint8_t forbidden[] = {0xb2, 0x01, 0x10};
    struct av1_unit u;

    (void)state;
    assert_int_equal(av1_scan(&u, rest, sizeof rest), 0);
    assert_int_equal(u.frames, 1);
    assert_int_equal(av1_scan(&u, endless, sizeof endless), ERR_SYNTAX);
    assert_int_equal(av1_scan(&u, huge, sizeof huge), ERR_SYNTAX);
    assert_int_equal(av1_scan(&u, forbidden, sizeof forbidden), ERR_SYNTAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_a_record_says),
    cmocka_unit_test(test_units),
    cmocka_unit_test(test_sizes_of_obus),
};
HARNESS_MAIN(tests)
