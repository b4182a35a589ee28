#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/mpegts/latm.h"

struct bit_writer {
    uint8_t bytes[64];
    size_t at;
};

static void put(struct bit_writer *w, uint32_t v, unsigned n)
{
    for (; n--; w->at++)
        w->bytes[w->at / 8] |= (uint8_t)((v >> n & 1) << (7 - w->at % 8));
}

/* StreamMuxConfig of version 0 for AAC-LC, 48 kHz, two channels. */
static void put_config(struct bit_writer *w, unsigned frames)
{
    put(w, 0, 1); /* useSameStreamMux */
    put(w, 0, 1); /* audioMuxVersion */
    put(w, 1, 1);
    put(w, frames - 1, 6);
    put(w, 0, 4 + 3);
    put(w, 0x1190, 16); /* AudioSpecificConfig */
    put(w, 0, 3);
    put(w, 0xff, 8);
    put(w, 0, 2);
}

static void test_element(void **state)
{
    struct bit_writer w = {0};
    struct latm l = {0};
    struct aac_config aac = {0};
    uint8_t frame[LATM_FRAME_MAX];
    size_t len = 0;

    (void)state;
    put_config(&w, 2);
    put(&w, 2, 8);
    put(&w, 0xabcd, 16);
    put(&w, 1, 8);
    put(&w, 0xef, 8);
    struct bits b = bits_of(w.bytes, (w.at + 7) / 8);
    assert_int_equal(latm_open(&l, &aac, &b), 0);
    assert_int_equal(l.frames, 2);
    assert_int_equal(aac.sample_rate, 48000);
    assert_int_equal(aac.channels, 2);
    assert_int_equal(latm_frame(&b, frame, &len), 0);
    assert_int_equal(len, 2);
    assert_memory_equal(frame, "\xab\xcd", 2);
    assert_int_equal(latm_frame(&b, frame, &len), 0);
    assert_int_equal(frame[0], 0xef);
    for (size_t cut = 0; cut < 6; cut++) {
        struct latm none = {0};
        b = bits_of(w.bytes, cut);
        assert_int_not_equal(latm_open(&none, &aac, &b), 0);
        assert_false(none.known);
    }
    b = bits_of(w.bytes, 7); /* the frame is cut */
    assert_int_equal(latm_open(&l, &aac, &b), 0);
    assert_int_equal(latm_frame(&b, frame, &len), ERR_SYNTAX);
}

static void test_version_1(void **state)
{
    struct bit_writer w = {0};
    struct latm l = {0};
    struct aac_config aac = {0};

    (void)state;
    put(&w, 0, 1);
    put(&w, 1, 1); /* audioMuxVersion */
    put(&w, 0, 1); /* A */
    put(&w, 0, 2 + 8);
    put(&w, 1, 1);
    put(&w, 0, 6 + 4 + 3);
    put(&w, 0, 2);
    put(&w, 21, 8); /* bits of what follows: five more than we know */
    put(&w, 0x1190, 16);
    put(&w, 0x1f, 5);
    put(&w, 0, 3);
    put(&w, 0xff, 8);
    put(&w, 0, 2);
    struct bits b = bits_of(w.bytes, sizeof w.bytes);
    assert_int_equal(latm_open(&l, &aac, &b), 0);
    assert_int_equal(b.at, w.at);
    assert_int_equal(aac.sample_rate, 48000);
}

static void test_what_is_refused(void **state)
{
    struct bit_writer same = {0}, layers = {0}, a = {0};
    struct latm l = {0};
    struct aac_config aac = {0};

    (void)state;
    put(&same, 1, 1);
    struct bits b = bits_of(same.bytes, 8);
    assert_int_equal(latm_open(&l, &aac, &b), ERR_AGAIN); /* none came yet */
    put(&layers, 1, 3);
    put(&layers, 0, 6 + 4);
    put(&layers, 1, 3);
    b = bits_of(layers.bytes, 8);
    assert_int_equal(latm_open(&l, &aac, &b), ERR_UNSUPPORTED);
    put(&a, 3, 3); /* audioMuxVersionA */
    b = bits_of(a.bytes, 8);
    assert_int_equal(latm_open(&l, &aac, &b), ERR_UNSUPPORTED);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_element),
    cmocka_unit_test(test_version_1),
    cmocka_unit_test(test_what_is_refused),
};
HARNESS_MAIN(tests)
