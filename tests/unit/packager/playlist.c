#include "packager/playlist.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/err.h"
#include "tests/harness.h"

/* A window as the packager would tell it: segments 10 .. 13 of 2 s with ten
 * parts each, then 14 open with `open` parts. */
static struct store *make(int open)
{
    struct store *s = NULL;
    struct store_change change;
    struct store_event *e = NULL;

    assert_int_equal(store_create(&s, "demo", 5, NULL, NULL), 0);
    assert_int_equal(store_event_create(&e, STORE_PLAN, 0, 0), 0);
    e->v.plan = (struct store_plan){2, 200000, 40000000, 1700000000000000};
    store_apply(s, e, &change);
    store_event_unref(&e);
    assert_int_equal(store_event_create(&e, STORE_RENDITION, 0, 0), 0);
    strcpy(e->v.description.name, "v");
    strcpy(e->v.description.codec, "avc1.4d401f");
    e->v.description.video = true;
    store_apply(s, e, &change);
    store_event_unref(&e);
    for (int i = 0; i < 40 + open; i++) {
        int err = store_event_create(&e, STORE_PART, 0, 0);
        assert_int_equal(err, 0);
        e->msn = 10 + (uint64_t)(i / 10);
        e->v.part.index = i % 10;
        e->v.part.duration_us = 200000;
        e->v.part.head.pts_us = e->v.part.head.date_us = i / 10 * 2000000;
        e->v.part.head.init = 1;
        e->v.part.independent = i % 10 == 0;
        e->v.part.closes = i % 10 == 9;
        assert_int_equal(store_apply(s, e, &change), 0);
        assert_int_equal(change.rendition, 0);
        store_event_unref(&e);
    }
    return s;
}

static enum directives_verdict ask(struct store *s, const char *query,
                                   struct playlist_key *key)
{
    struct directives d;

    if (directives_parse(&d, query)) return DIRECTIVES_BAD;
    return playlist_decide(s, &s->renditions[0], &d, key);
}

static void test_parse(void **state)
{
    struct directives d;

    (void)state;
    assert_int_equal(directives_parse(&d, ""), 0);
    assert_false(d.has_msn || d.has_part || d.skip);
    assert_int_equal(
        directives_parse(&d, "token=a%20b&_HLS_part=3&_HLS_skip=v2&_HLS_msn=7"),
        0);
    assert_true(d.has_msn && d.has_part);
    assert_int_equal(d.msn, 7);
    assert_int_equal(d.part, 3);
    assert_int_equal(d.skip, PLAYLIST_SKIP_V2);
    assert_int_equal(directives_parse(&d, "_HLS_skip=YES"), 0);
    assert_int_equal(d.skip, PLAYLIST_SKIP_YES);
    assert_int_equal(directives_parse(&d, "_HLS_other=1&&x"), 0);
    static const char *const bad[] = {"_HLS_part=1",
                                      "_HLS_msn=",
                                      "_HLS_msn=-1",
                                      "_HLS_msn=1.5",
                                      "_HLS_msn=0x1",
                                      "_HLS_msn=99999999999999999999",
                                      "_HLS_msn=1&_HLS_part=x",
                                      "_HLS_msn"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(directives_parse(&d, bad[i]), ERR_SYNTAX);
}

/* RFC 8216bis §6.2.5.2, sentence by sentence. Last whole segment 13, 14 open
 * with parts 0 .. 2; the advance part limit is ceil(3 / 0.2) = 15. */
static void test_decide(void **state)
{
    static const struct {
        const char *query;
        enum directives_verdict verdict;
        uint64_t msn, part;
    } rows[] = {
        {"", DIRECTIVES_SERVE, 0, 0},
        {"_HLS_msn=3", DIRECTIVES_SERVE, 0, 0}, /* older than the list */
        {"_HLS_msn=13", DIRECTIVES_SERVE, 0, 0},
        {"_HLS_msn=14", DIRECTIVES_WAIT, 14, PLAYLIST_WHOLE},
        {"_HLS_msn=15", DIRECTIVES_WAIT, 15, PLAYLIST_WHOLE},
        {"_HLS_msn=16", DIRECTIVES_BAD, 0, 0}, /* over 13 + 2 */
        {"_HLS_msn=14&_HLS_part=2", DIRECTIVES_SERVE, 0, 0},
        {"_HLS_msn=14&_HLS_part=3", DIRECTIVES_WAIT, 14, 3},
        {"_HLS_msn=14&_HLS_part=17", DIRECTIVES_WAIT, 14, 17}, /* 2 + 15 */
        {"_HLS_msn=14&_HLS_part=18", DIRECTIVES_BAD, 0, 0},
        {"_HLS_msn=15&_HLS_part=0", DIRECTIVES_WAIT, 15, 0},
        {"_HLS_msn=15&_HLS_part=14", DIRECTIVES_WAIT, 15, 14},
        {"_HLS_msn=15&_HLS_part=15", DIRECTIVES_BAD, 0, 0},
        {"_HLS_msn=16&_HLS_part=0", DIRECTIVES_BAD, 0, 0},
        {"_HLS_msn=13&_HLS_part=9", DIRECTIVES_SERVE, 0, 0},
        {"_HLS_msn=13&_HLS_part=10", DIRECTIVES_SERVE, 0, 0}, /* = 14.0 */
        {"_HLS_msn=12&_HLS_part=99", DIRECTIVES_SERVE, 0, 0}, /* = 13.0 */
    };
    struct store *s = make(3);
    struct playlist_key key;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ask(s, rows[i].query, &key), rows[i].verdict);
        if (rows[i].verdict != DIRECTIVES_WAIT) continue;
        assert_int_equal(key.msn, rows[i].msn);
        assert_int_equal(key.part, rows[i].part);
    }
    s->state = STORE_ENDED; /* directives mean nothing any more */
    assert_int_equal(ask(s, "_HLS_msn=99", &key), DIRECTIVES_SERVE);
    store_free(&s);
}

static void test_part_past_the_end_is_the_next_segments_first(void **state)
{
    struct store *s = make(0); /* 13 is whole, 14 has no part yet */
    struct playlist_key key;

    (void)state;
    assert_int_equal(ask(s, "_HLS_msn=13&_HLS_part=10", &key), DIRECTIVES_WAIT);
    assert_false(playlist_has(s, &s->renditions[0], &key));
    store_free(&s);
    s = make(1);
    assert_true(playlist_has(s, &s->renditions[0], &key));
    store_free(&s);
}

static void test_hints(void **state)
{
    struct store *s = make(3);
    struct store_rendition *r = &s->renditions[0];

    (void)state;
    assert_true(playlist_is_hinted(s, r, 14, 3));
    assert_true(playlist_is_hinted(s, r, 15, 0));
    assert_false(playlist_is_hinted(s, r, 14, 4));
    assert_false(playlist_is_hinted(s, r, 14, 2));
    assert_false(playlist_is_hinted(s, r, 15, 1));
    assert_false(playlist_is_hinted(s, r, 16, 0));
    store_free(&s);
    s = make(0);
    r = &s->renditions[0];
    assert_true(playlist_is_hinted(s, r, 14, 0));
    assert_false(playlist_is_hinted(s, r, 15, 0));
    assert_false(playlist_is_hinted(s, r, 13, 10)); /* its segment ended */
    store_free(&s);
}

static void render(struct store *s, bool delta, char *out, size_t size)
{
    struct builder b;

    builder_init(&b, size - 1);
    playlist_media(&b, s, &s->renditions[0], delta);
    assert_int_equal(b.err, 0);
    memcpy(out, builder_data(&b), b.len);
    out[b.len] = '\0';
    builder_release(&b);
}

static void test_text(void **state)
{
    static char text[65536];
    struct store *s = make(2);

    (void)state;
    render(s, false, text, sizeof text);
    assert_non_null(strstr(
        text, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n"
              "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK="
              "0.600000,HOLD-BACK=6.0,CAN-SKIP-UNTIL=12.0\n"
              "#EXT-X-PART-INF:PART-TARGET=0.200000\n"
              "#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
              "#EXT-X-MAP:URI=\"init-1.mp4\"\n"
              "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z\n"));
    assert_non_null(strstr(text,
                           "#EXT-X-PART:DURATION=0.200000,URI=\"14.0.m4s\","
                           "INDEPENDENT=YES\n"
                           "#EXT-X-PART:DURATION=0.200000,URI=\"14.1.m4s\"\n"
                           "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"14.2.m4s\"\n"));
    assert_non_null(strstr(text, "#EXTINF:2.000000,\n13.m4s\n"));
    assert_null(strstr(text, "10.0.m4s")); /* over 3 targets from the end */
    s->state = STORE_ENDED;
    s->renditions[0].segments[4].closed = true;
    render(s, false, text, sizeof text);
    assert_null(strstr(text, "PRELOAD"));
    assert_non_null(strstr(text, "14.m4s\n#EXT-X-ENDLIST\n"));
    store_free(&s);
}

static void test_old_segments_leave(void **state)
{
    struct store *s = make(3);
    struct store_rendition *r = &s->renditions[0];
    struct store_change change;
    struct store_event *e = NULL;

    (void)state;
    for (uint64_t msn = 15; msn < 200; msn++) {
        assert_int_equal(store_event_create(&e, STORE_GAP, 0, 0), 0);
        e->msn = msn;
        e->v.gap.duration_us = 2000000;
        e->v.gap.head.init = 1;
        store_apply(s, e, &change);
        store_event_unref(&e);
    }
    assert_int_equal(r->segments[r->first_listed].msn, 180);
    /* Listed 40 s, then kept as long again. */
    assert_in_range(r->first_listed, 20, 23);
    assert_null(store_find_segment(r, 100));
    assert_non_null(store_find_segment(r, 165));
    store_free(&s);
}

static void test_lost_events_leave_no_wrong_list(void **state)
{
    struct store *s = make(3);
    struct store_rendition *r = &s->renditions[0];
    struct store_change change;
    struct store_event *e = NULL;

    (void)state;
    assert_int_equal(store_event_create(&e, STORE_PART, 0, 0), 0);
    e->msn = 14;
    e->v.part.index = 5; /* 3 and 4 never came */
    e->v.part.duration_us = 200000;
    assert_int_equal(store_apply(s, e, &change), ERR_ORDER);
    store_event_unref(&e);
    assert_true(r->segments[r->count - 1].missing);
    assert_int_equal(store_event_create(&e, STORE_PART, 0, 0), 0);
    e->msn = 15; /* nor did the end of 14 */
    e->v.part.duration_us = 200000;
    assert_int_equal(store_apply(s, e, &change), 0);
    store_event_unref(&e);
    assert_true(r->segments[r->count - 2].closed);
    assert_int_equal(store_open_msn(r), 15);
    store_free(&s);
}

/* --- languages ------------------------------------------------------------ */

static void add_sound(struct store *s, int at, const char *language,
                      const char *codec)
{
    struct store_change change;
    struct store_event *e = NULL;

    assert_int_equal(store_event_create(&e, STORE_RENDITION, at, 0), 0);
    snprintf(e->v.description.name, TRACK_NAME_MAX, "audio-%d", at);
    snprintf(e->v.description.codec, STORE_CODEC_MAX, "%s", codec);
    snprintf(e->v.description.language, TRACK_LANGUAGE_MAX, "%s", language);
    e->v.description.channels = 2;
    e->v.description.nominal_bps = 128000u * (unsigned)at;
    store_apply(s, e, &change);
    store_event_unref(&e);
}

static const char *multivariant(struct store *s, uint32_t listed)
{
    static char text[8192];
    struct builder b;
    struct buf *made = NULL;

    s->listed = listed;
    builder_init(&b, sizeof text);
    playlist_multivariant(&b, s);
    if (builder_seal(&b, &made)) return "";
    memcpy(text, buf_data(made), buf_len(made));
    text[buf_len(made)] = 0;
    buf_unref(&made);
    return text;
}

static void test_every_sound_has_a_name_of_its_own(void **state)
{
    static const char *const names[] = {
        "NAME=\"English\",DEFAULT=YES,AUTOSELECT=YES,LANGUAGE=\"en\"",
        "NAME=\"Deutsch\",DEFAULT=NO,AUTOSELECT=YES,LANGUAGE=\"de\"",
        "NAME=\"Deutsch 2\",DEFAULT=NO,",
        "NAME=\"Português (BR)\",DEFAULT=NO,AUTOSELECT=YES,LANGUAGE=\"pt-BR\"",
        "NAME=\"gsw\",",
        "NAME=\"Audio\",DEFAULT=NO,AUTOSELECT=YES,LANGUAGE=\"und\"",
        "CHANNELS=\"2\",URI=\"5/audio-3/index.m3u8\"",
        "CODECS=\"avc1.4d401f,mp4a.40.2,mp4a.40.29\"",
    };
    static const char *const spoken[] = {"en",    "de",  "de",
                                         "pt-BR", "gsw", "und"};
    struct store *s = make(3);

    (void)state;
    for (int i = 0; i < 6; i++)
        add_sound(s, i + 1, spoken[i], i == 3 ? "mp4a.40.29" : "mp4a.40.2");
    const char *text = multivariant(s, 0x7f);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strstr(text, names[i])) fail_msg("no %s in\n%s", names[i], text);
    /* Names stay when others go; somebody is always the default. */
    text = multivariant(s, 0x0d);
    assert_non_null(strstr(text, "NAME=\"Deutsch\",DEFAULT=YES"));
    assert_non_null(strstr(text, "NAME=\"Deutsch 2\",DEFAULT=NO"));
    assert_null(strstr(text, "English"));
    store_free(&s);
}

/* Sound alone: one stream, of which a player may choose another language. */
static void test_sound_alone_is_one_variant(void **state)
{
    struct store *s = make(3);
    const char *text, *variant;

    (void)state;
    add_sound(s, 1, "en", "mp4a.40.2");
    add_sound(s, 2, "de", "mp4a.40.2");
    text = multivariant(s, 0x02);
    assert_null(strstr(text, "#EXT-X-MEDIA"));
    assert_null(strstr(text, "AUDIO="));
    text = multivariant(s, 0x06);
    variant = strstr(text, "#EXT-X-STREAM-INF:");
    assert_non_null(variant);
    assert_non_null(strstr(variant, ",CODECS=\"mp4a.40.2\",AUDIO=\"audio\"\n"
                                    "5/audio-1/index.m3u8\n"));
    assert_null(strstr(variant + 1, "#EXT-X-STREAM-INF:"));
    store_free(&s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_parse),
    cmocka_unit_test(test_decide),
    cmocka_unit_test(test_part_past_the_end_is_the_next_segments_first),
    cmocka_unit_test(test_hints),
    cmocka_unit_test(test_text),
    cmocka_unit_test(test_old_segments_leave),
    cmocka_unit_test(test_lost_events_leave_no_wrong_list),
    cmocka_unit_test(test_every_sound_has_a_name_of_its_own),
    cmocka_unit_test(test_sound_alone_is_one_variant),
};
HARNESS_MAIN(tests)
