#include "tests/harness.h"

#include "core/media/x264.h"

/* A payload of an SEI with text, and a slice behind it. */
struct unit {
    uint8_t bytes[1024];
    size_t len;
};

static void put(struct unit *u, const void *data, size_t len)
{
    memcpy(u->bytes + u->len, data, len);
    u->len += len;
}

static struct unit sei(const char *text)
{
    static const uint8_t uuid[] = {0xdc, 0x45, 0xe9, 0xbd, 0xe6, 0xd9,
                                   0x48, 0xb7, 0x96, 0x2c, 0xd8, 0x20,
                                   0xd9, 0x23, 0xee, 0xef};
    static const uint8_t other[] = {1, 4, 0, 0, 0, 0}; /* pic_timing */
    static const uint8_t slice[] = {0, 0, 0, 3, 0x65, 0x88, 0x80};
    size_t size = sizeof uuid + strlen(text);
    struct unit u = {.len = 4};

    put(&u, (uint8_t[]){0x06}, 1);
    put(&u, other, sizeof other);
    put(&u, (uint8_t[]){5}, 1);
    for (; size >= 255; size -= 255)
        put(&u, (uint8_t[]){255}, 1);
    put(&u, (uint8_t[]){(uint8_t)size}, 1);
    put(&u, uuid, sizeof uuid);
    put(&u, text, strlen(text));
    put(&u, (uint8_t[]){0x80}, 1);
    u.bytes[2] = (uint8_t)((u.len - 4) >> 8);
    u.bytes[3] = (uint8_t)(u.len - 4);
    put(&u, slice, sizeof slice);
    return u;
}

static uint32_t keyint_of(const char *text)
{
    struct unit u = sei(text);

    return x264_keyint(u.bytes, u.len);
}

static void test_the_interval_is_found(void **state)
{
    (void)state;
    assert_int_equal(
        keyint_of("x264 - core 164 r3095 baee400 - H.264/MPEG-4 AVC codec - "
                  "Copyleft 2003-2022 - http://www.videolan.org/x264.html - "
                  "options: cabac=1 ref=3 deblock=1:0:0 analyse=0x3:0x113 "
                  "me=hex subme=7 psy=1 psy_rd=1.00:0.00 mixed_ref=1 "
                  "me_range=16 chroma_me=1 trellis=1 8x8dct=1 bframes=3 "
                  "weightp=2 keyint=250 keyint_min=25 scenecut=40"),
        250);
    assert_int_equal(keyint_of("x264 - options: keyint=48"), 48);
    assert_int_equal(keyint_of("x264 - options: keyint=infinite rc=crf"), 0);
    assert_int_equal(keyint_of("x264 - options: keyint=4294967298 rc=crf"), 0);
    assert_int_equal(keyint_of("x264 - options: keyint_min=25"), 0);
    assert_int_equal(keyint_of("x264"), 0);
}

/* Cut anywhere it is found or not, and nothing beyond is read. */
static void test_cut_short(void **state)
{
    struct unit u = sei("x264 - options: keyint=250 keyint_min=25");

    (void)state;
    for (size_t len = 0; len <= u.len; len++) {
        uint8_t *copy = malloc(len ? len : 1);
        if (!copy) return;
        memcpy(copy, u.bytes, len);
        uint32_t found = x264_keyint(copy, len);
        assert_true(!found || found == 250);
        free(copy);
    }
}

static void test_others_say_nothing(void **state)
{
    struct unit u = sei("x264 - options: keyint=250");
    static const uint8_t slice[] = {0, 0, 0, 3, 0x65, 0x88, 0x80};

    (void)state;
    u.bytes[4 + 1 + 6 + 2]++; /* another UUID */
    assert_int_equal(x264_keyint(u.bytes, u.len), 0);
    assert_int_equal(x264_keyint(slice, sizeof slice), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_interval_is_found),
    cmocka_unit_test(test_cut_short),
    cmocka_unit_test(test_others_say_nothing),
};
HARNESS_MAIN(tests)
