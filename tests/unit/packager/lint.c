/* That the checker sees what is wrong: a sound list, then one mistake each. */
#include "packager/lint.h"

#include <stdio.h>

#include "core/base/err.h"
#include "tests/harness.h"

static const char sound[] =
    "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n"
    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6,"
    "HOLD-BACK=6.0,CAN-SKIP-UNTIL=12.0\n#EXT-X-PART-INF:PART-TARGET=0.2\n"
    "#EXT-X-MEDIA-SEQUENCE:41\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
    "#EXT-X-MAP:URI=\"i.mp4\"\n"
    "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.000Z\n"
    "#EXT-X-PART:DURATION=0.2,URI=\"41.0\",INDEPENDENT=YES\n"
    "#EXT-X-PART:DURATION=0.1,URI=\"41.1\"\n#EXTINF:0.30000,\n41\n"
    "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.300Z\n"
    "#EXT-X-PART:DURATION=0.2,URI=\"42.0\",INDEPENDENT=YES\n"
    "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"42.1\"\n"
    "#EXT-X-RENDITION-REPORT:URI=\"a\",LAST-MSN=42,LAST-PART=0\n";

struct heard {
    char rule[64];
    int count;
};

static void hear(const char *rule, const char *section, bool must,
                 const char *detail, void *arg)
{
    struct heard *h = arg;

    (void)section;
    (void)must;
    (void)detail;
    snprintf(h->rule, sizeof h->rule, "%s", rule);
    h->count++;
}

static struct m3u8 *parse(const char *text)
{
    struct m3u8 *p = NULL;

    assert_int_equal(m3u8_parse(&p, text, strlen(text)), 0);
    return p;
}

/* sound with `from` replaced by `to`. */
static struct m3u8 *parse_with(const char *from, const char *to)
{
    char text[4096];
    const char *at = strstr(sound, from);

    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - sound), sound, to,
             at + strlen(from));
    return parse(text);
}

static void test_reads_what_is_there(void **state)
{
    struct m3u8 *p = parse(sound);

    (void)state;
    assert_int_equal(p->segment_count, 2);
    assert_int_equal(p->segments[0].msn, 41);
    assert_int_equal(p->segments[0].duration_us, 300000);
    assert_int_equal(p->segments[0].part_count, 2);
    assert_int_equal(p->segments[0].pdt_us, 1795341600000000);
    assert_null(p->segments[1].uri);
    assert_string_equal(p->parts[2].uri, "42.0");
    assert_int_equal(p->reports[0].last_msn, 42);
    assert_int_equal(p->can_skip_us, 12000000);
    assert_true(p->can_block);
    m3u8_free(&p);
}

static void test_each_mistake_is_found(void **state)
{
    static const struct {
        const char *from, *to, *rule;
    } rows[] = {
        {"#EXTM3U", "#EXTM3V", "EXTM3U"},
        {"VERSION:6", "VERSION:5", "VERSION"},
        {"#EXT-X-TARGETDURATION:2\n", "", "TARGETDURATION"},
        {"PART-HOLD-BACK=0.6", "PART-HOLD-BACK=0.3", "PART_HOLD_BACK"},
        {"PART-HOLD-BACK=0.6,", "", "PART_HOLD_BACK"},
        {"HOLD-BACK=6.0", "HOLD-BACK=5.0", "HOLD_BACK"},
        {"UNTIL=12.0", "UNTIL=11.0", "CAN_SKIP_UNTIL"},
        {"CAN-BLOCK-RELOAD=YES,", "", "CAN_BLOCK_RELOAD"},
        {"#EXT-X-PART-INF:PART-TARGET=0.2\n",
         "#EXT-X-PART-INF:PART-TARGET=0.2\n#EXT-X-PART-INF:PART-TARGET=0.2\n",
         "PART_INF"},
        {"#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.300Z\n",
         "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:01.300Z\n", "DATE"},
        {"#EXT-X-PART:DURATION=0.2,URI=\"41.0\",INDEPENDENT=YES\n",
         "#EXT-X-PART:DURATION=0.1,URI=\"41.0\"\n", "PART_SUM"},
        {"#EXTINF:0.30000", "#EXTINF:0.40000", "PART_SUM"},
        {"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"42.1\"\n", "", "PRELOAD_HINT"},
        {"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"42.1\"\n",
         "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"42.1\"\n#EXT-X-ENDLIST\n",
         "PRELOAD_HINT"},
        {"DURATION=0.2,URI=\"42.0\"", "DURATION=0.25,URI=\"42.0\"",
         "PART_DURATION"},
        {"DURATION=0.2,URI=\"42.0\",INDEPENDENT=YES",
         "DURATION=0.16,URI=\"42.0\"", "PART_DURATION"},
        {"#EXT-X-MEDIA-SEQUENCE:41\n", "#EXT-X-MEDIA-SEQUENCE:x\n", "SYNTAX"},
    };
    (void)state;
    struct heard h = {{0}, 0};
    struct lint l = {.found = hear, .arg = &h};
    struct m3u8 *p = parse(sound);

    lint_media(&l, p);
    m3u8_free(&p);
    assert_int_equal(h.count, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        p = parse_with(rows[i].from, rows[i].to);
        h.count = 0;
        lint_media(&l, p);
        m3u8_free(&p);
        if (!h.count) print_message("missed: %s\n", rows[i].rule);
        assert_true(h.count >= 1);
        assert_string_equal(h.rule, rows[i].rule);
    }
}

static void test_history_is_held_against_the_list(void **state)
{
    static const struct {
        const char *from, *to, *rule;
    } rows[] = {
        {"SEQUENCE:41", "SEQUENCE:40", "MEDIA_SEQUENCE"},
        {"TARGETDURATION:2", "TARGETDURATION:3", "TARGETDURATION"},
        {"PART-TARGET=0.2", "PART-TARGET=0.3", "PART_INF"},
        {"\n41\n", "\nforty\n", "IMMUTABLE"},
        {"0.1,URI=\"41.1\"", "0.1,URI=\"x\"", "IMMUTABLE"},
        {"10:00:00.300Z", "10:00:00.310Z", "IMMUTABLE"},
        {"DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1",
         "DISCONTINUITY_SEQUENCE"},
    };
    struct heard h = {{0}, 0};
    struct lint l = {.found = hear, .arg = &h};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct m3u8 *a = parse(sound);
        struct m3u8 *b = parse_with(rows[i].from, rows[i].to);

        h.count = 0;
        lint_successor(&l, a, a);
        assert_int_equal(h.count, 0);
        memset(h.rule, 0, sizeof h.rule);
        lint_successor(&l, a, b);
        m3u8_free(&a);
        m3u8_free(&b);
        assert_true(h.count >= 1);
        if (i) assert_string_equal(h.rule, rows[i].rule);
    }
}

/* A list of one variant, and of these sounds in its group. */
static struct m3u8 *parse_group(const char *sounds)
{
    char text[1024];

    snprintf(text, sizeof text,
             "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n%s"
             "#EXT-X-STREAM-INF:BANDWIDTH=10,AVERAGE-BANDWIDTH=9,"
             "CODECS=\"avc1.1,mp4a.40.2\",RESOLUTION=1x1,FRAME-RATE=30.000,"
             "AUDIO=\"a\"\nv.m3u8\n",
             sounds);
    return parse(text);
}

static void test_multivariant(void **state)
{
    struct heard h = {{0}, 0};
    struct lint l = {.found = hear, .arg = &h};
    struct m3u8 *p =
        parse_group("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"m\","
                    "LANGUAGE=\"und\",URI=\"a.m3u8\"\n");

    (void)state;
    assert_true(p->multivariant);
    assert_int_equal(p->variant_count, 1);
    assert_string_equal(p->variants[0].codecs, "avc1.1,mp4a.40.2");
    lint_multivariant(&l, p);
    assert_int_equal(h.count, 0);
    p->variants[0].audio = "b";
    lint_multivariant(&l, p);
    m3u8_free(&p);
    assert_string_equal(h.rule, "AUDIO");
}

static void test_a_group_has_one_of_each_name(void **state)
{
    struct heard h = {{0}, 0};
    struct lint l = {.found = hear, .arg = &h};
    struct m3u8 *p = parse_group(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"m\",LANGUAGE=\"de\","
        "DEFAULT=YES,URI=\"a.m3u8\"\n"
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",LANGUAGE=\"en\","
        "DEFAULT=NO,URI=\"b.m3u8\"\n");

    (void)state;
    lint_multivariant(&l, p);
    assert_int_equal(h.count, 0);
    p->media[1].name = "m";
    lint_multivariant(&l, p);
    assert_string_equal(h.rule, "MEDIA_NAME");
    p->media[1].name = "n";
    p->media[1].is_default = true;
    lint_multivariant(&l, p);
    assert_string_equal(h.rule, "MEDIA_DEFAULT");
    p->media[1].group = "b";
    h.count = 0;
    lint_multivariant(&l, p);
    assert_int_equal(h.count, 0);
    m3u8_free(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reads_what_is_there),
    cmocka_unit_test(test_each_mistake_is_found),
    cmocka_unit_test(test_history_is_held_against_the_list),
    cmocka_unit_test(test_multivariant),
    cmocka_unit_test(test_a_group_has_one_of_each_name),
};
HARNESS_MAIN(tests)
