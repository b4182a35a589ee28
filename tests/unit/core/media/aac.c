#include "tests/harness.h"

#include "core/base/err.h"
#include "core/media/aac.h"

static void check(const char *bytes, size_t len, uint32_t rate,
                  uint32_t channels, uint32_t output_rate, const char *text)
{
    struct aac_config c;
    char out[AAC_CODEC_TEXT];

    assert_int_equal(aac_config_parse(&c, bytes, len), 0);
    assert_int_equal(c.sample_rate, rate);
    assert_int_equal(c.channels, channels);
    assert_int_equal(c.output_rate, output_rate);
    aac_codec_text(out, &c);
    assert_string_equal(out, text);
}

static void test_configs(void **state)
{
    (void)state;
    check("\x12\x10", 2, 44100, 2, 44100, "mp4a.40.2");
    check("\x11\x90", 2, 48000, 2, 48000, "mp4a.40.2");
    /* FFmpeg's encoder adds an extension that says: no SBR */
    check("\x11\x90\x56\xe5\x00", 5, 48000, 2, 48000, "mp4a.40.2");
    /* backward-compatible SBR: 24 kHz core, 48 kHz out */
    check("\x13\x10\x56\xe5\x98", 5, 24000, 2, 48000, "mp4a.40.5");
    /* explicit SBR and PS */
    check("\x2b\x11\x88\x00", 4, 24000, 2, 48000, "mp4a.40.5");
    check("\xeb\x09\x88\x00", 4, 24000, 1, 48000, "mp4a.40.29");
    /* 24-bit rate: 44100 spelled out */
    check("\x17\x80\x56\x22\x10", 5, 44100, 2, 44100, "mp4a.40.2");
}

static void test_configs_refused(void **state)
{
    struct aac_config c;

    (void)state;
    assert_int_equal(aac_config_parse(&c, "", 0), ERR_SYNTAX);
    assert_int_equal(aac_config_parse(&c, "\x12", 1), ERR_SYNTAX);
    assert_int_equal(aac_config_parse(&c, "\xb9\x90\x00", 3), ERR_UNSUPPORTED);
    assert_int_equal(aac_config_parse(&c, "\x17\x00\x00\x00\x00\x00", 6),
                     ERR_RANGE);
    assert_int_equal(aac_config_parse(&c, "\x16\x90", 2), ERR_RANGE);
}

static void test_config_there_and_back(void **state)
{
    static const uint32_t some[] = {8000, 24000, 44100, 48000, 50000};

    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        for (int sbr = 0; sbr < 2; sbr++) {
            struct aac_config c = {.object_type = AAC_LC,
                                   .sample_rate = some[i],
                                   .output_rate = some[i],
                                   .channels = 2,
                                   .samples_per_frame = 1024,
                                   .sbr = sbr};
            struct aac_config d;
            uint8_t bytes[AAC_CONFIG_MAX];
            size_t n = aac_config_write(bytes, &c);
            assert_true(n >= 2);
            assert_int_equal(aac_config_parse(&d, bytes, n), 0);
            assert_memory_equal(&c, &d, sizeof c);
        }
    }
}

static void test_adts(void **state)
{
    static const uint8_t header[] = {0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc};
    struct adts_header h;

    (void)state;
    assert_int_equal(adts_parse(&h, header, sizeof header), 0);
    assert_int_equal(h.header_len, 7);
    assert_int_equal(h.frame_len, 16);
    assert_int_equal(h.config.sample_rate, 44100);
    assert_int_equal(h.config.channels, 2);
    assert_int_equal(h.config.object_type, AAC_LC);
    assert_int_equal(adts_parse(&h, header, 6), ERR_AGAIN);
    assert_int_equal(adts_parse(&h, "\xff\xe1\x50\x80\x02\x1f\xfc", 7),
                     ERR_SYNTAX);
    assert_int_equal(adts_parse(&h, "\xff\xf1\x50\x80\x00\x1f\xfc", 7),
                     ERR_SYNTAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_configs),
    cmocka_unit_test(test_configs_refused),
    cmocka_unit_test(test_config_there_and_back),
    cmocka_unit_test(test_adts),
};
HARNESS_MAIN(tests)
