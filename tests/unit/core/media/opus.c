#include "core/media/opus.h"

#include "core/base/err.h"
#include "tests/harness.h"

static const uint8_t head[OPUS_HEAD_BYTES] = {
    'O',  'p', 'u',  's',  'H', 'e', 'a', 'd', 1, 1,
    0x38, 1,   0x80, 0xbb, 0,   0,   2,   1,   0};

static void test_little_to_big_endian(void **state)
{
    static const uint8_t want[OPUS_DOPS_BYTES] = {0,    1,    1, 0x38, 0, 0,
                                                  0xbb, 0x80, 1, 2,    0};
    uint8_t dops[OPUS_DOPS_BYTES];

    (void)state;
    assert_int_equal(opus_dops_from_head(dops, head, sizeof head), 0);
    assert_memory_equal(dops, want, sizeof want);
    opus_dops_default(dops);
    assert_int_equal(dops[1], 2);
}

static void test_what_is_refused(void **state)
{
    uint8_t dops[OPUS_DOPS_BYTES], h[OPUS_HEAD_BYTES];

    (void)state;
    for (size_t cut = 0; cut < sizeof head; cut++)
        assert_int_equal(opus_dops_from_head(dops, head, cut), ERR_SYNTAX);
    memcpy(h, head, sizeof h);
    h[9] = 0;
    assert_int_equal(opus_dops_from_head(dops, h, sizeof h), ERR_SYNTAX);
    h[9] = 6;
    assert_int_equal(opus_dops_from_head(dops, h, sizeof h), ERR_UNSUPPORTED);
    h[9] = 2;
    h[8] = 16;
    assert_int_equal(opus_dops_from_head(dops, h, sizeof h), ERR_UNSUPPORTED);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_little_to_big_endian),
    cmocka_unit_test(test_what_is_refused),
};
HARNESS_MAIN(tests)
