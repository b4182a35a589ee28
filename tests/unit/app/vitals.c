#include "tests/harness.h"

#include <jansson.h>

#include "app/vitals.h"
#include "core/base/buf.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "ingest/publisher.h"

static const char odd[] = "\"odd\\\n\x01 — ø\"";

static struct health_figures lecture(void)
{
    return (struct health_figures){.uptime_us = 61500000,
                                   .video_bps = 2500000,
                                   .audio_bps = 128000,
                                   .fps = 29.5,
                                   .announced_fps = 30,
                                   .keyframe_s = 4.5,
                                   .jitter_s = 0.0125,
                                   .missing = 7,
                                   .late = 3,
                                   .b_frames = true,
                                   .video = CODEC_H264,
                                   .audio = CODEC_AAC,
                                   .width = 1280,
                                   .height = 720,
                                   .sample_rate = 48000,
                                   .channels = 2,
                                   .warnings = 1u << HEALTH_KEYFRAMES |
                                               1u << HEALTH_B_FRAMES};
}

struct world {
    struct loop *loop;
    struct publisher *publisher;
    struct metrics *metrics;
    struct vitals vitals;
};

static const struct ingest_door door;
static const struct publisher_events events;

static void begin(struct world *w, const char *peer)
{
    *w = (struct world){0};
    assert_int_equal(loop_create(&w->loop, 0), 0);
    int err =
        publisher_create(&w->publisher, &door, w->loop, "rtmp", peer, &events);
    if (!err) err = metrics_create(&w->metrics);
    assert_int_equal(err, 0);
}

static void end(struct world *w)
{
    vitals_forget(&w->vitals, w->metrics);
    metrics_free(&w->metrics);
    publisher_close(&w->publisher, "");
    loop_free(&w->loop);
}

/* What the endpoint says, read as a client reads it. */
static json_t *said(const char *channel, const struct vitals *v,
                    const struct publisher *p)
{
    struct buf *b = vitals_json(channel, v, p);

    assert_non_null(b);
    struct slice s = slice_take(&b);
    json_t *o = s.len ? json_loadb((const char *)s.data, s.len, 0, NULL) : NULL;

    slice_unref(&s);
    assert_non_null(o);
    return o;
}

static void is_text(const json_t *o, const char *key, const char *want)
{
    const char *is = json_string_value(json_object_get(o, key));

    assert_non_null(is);
    assert_string_equal(is, want);
}

static void is_number(const json_t *o, const char *key, double want)
{
    const json_t *is = json_object_get(o, key);

    assert_true(json_is_number(is));
    assert_true(json_number_value(is) > want - 1e-6 &&
                json_number_value(is) < want + 1e-6);
}

static void test_every_field_is_told(void **state)
{
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    begin(&w, "192.0.2.7:4711");
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    json_t *o = said("demo", &w.vitals, w.publisher);
    is_text(o, "channel", "demo");
    is_text(o, "state", "live");
    is_text(o, "protocol", "rtmp");
    is_text(o, "peer", "192.0.2.7:4711");
    const json_t *source = json_object_get(o, "source");
    is_number(source, "uptime_s", 61.5);
    is_number(source, "missing_frames", 7);
    is_number(source, "late_frames", 3);
    const json_t *video = json_object_get(source, "video");
    is_text(video, "codec", "h264");
    is_number(video, "width", 1280);
    is_number(video, "height", 720);
    is_number(video, "bps", 2500000);
    is_number(video, "fps", 29.5);
    is_number(video, "announced_fps", 30);
    is_number(video, "keyframe_interval_s", 4.5);
    is_number(video, "jitter_s", 0.0125);
    assert_true(json_is_true(json_object_get(video, "b_frames")));
    const json_t *audio = json_object_get(source, "audio");
    is_text(audio, "codec", "aac");
    is_number(audio, "sample_rate", 48000);
    is_number(audio, "channels", 2);
    is_number(audio, "bps", 128000);
    const json_t *warnings = json_object_get(source, "warnings");
    assert_int_equal(json_array_size(warnings), 2);
    is_text(json_array_get(warnings, 0), "warning", "keyframes");
    is_text(json_array_get(warnings, 0), "advice",
            "keyframe interval is 4.5 s: set it to 2 s in OBS → Output");
    is_text(json_array_get(warnings, 1), "warning", "b_frames");
    assert_null(json_object_get(source, "line"));
    json_decref(o);
    end(&w);
}

static void test_the_line_is_told_where_it_is_known(void **state)
{
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    f.line = (struct health_line){.known = true,
                                  .rtt_s = 0.12,
                                  .latency_s = 0.48,
                                  .buffer_s = 0.47,
                                  .bps = 2700000,
                                  .packets = 5000000000,
                                  .lost = 240,
                                  .resent = 239,
                                  .late = 2,
                                  .undecrypted = 1,
                                  .lost_share = 0.015,
                                  .late_share = 0.001};
    begin(&w, "peer");
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    json_t *o = said("demo", &w.vitals, w.publisher);
    const json_t *line = json_object_get(json_object_get(o, "source"), "line");
    is_number(line, "rtt_s", 0.12);
    is_number(line, "latency_s", 0.48);
    is_number(line, "buffer_s", 0.47);
    is_number(line, "bps", 2700000);
    is_number(line, "packets", 5000000000);
    is_number(line, "lost_packets", 240);
    is_number(line, "resent_packets", 239);
    is_number(line, "late_packets", 2);
    is_number(line, "undecrypted_packets", 1);
    is_number(line, "lost_share", 0.015);
    is_number(line, "late_share", 0.001);
    json_decref(o);
    end(&w);
}

static void test_content_is_told_where_it_is_known(void **state)
{
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    begin(&w, "peer");
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    json_t *o = said("demo", &w.vitals, w.publisher);
    const json_t *source = json_object_get(o, "source");
    assert_null(json_object_get(json_object_get(source, "audio"), "rms_dbfs"));
    assert_null(json_object_get(json_object_get(source, "video"), "still_s"));
    json_decref(o);
    f.heard = f.seen = true;
    f.rms_dbfs = -23.5;
    f.peak_dbfs = -6.25;
    f.silent_s = 2;
    f.brightness = 0.5;
    f.black_s = 3;
    f.still_s = 42;
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    o = said("demo", &w.vitals, w.publisher);
    source = json_object_get(o, "source");
    const json_t *audio = json_object_get(source, "audio");
    is_number(audio, "rms_dbfs", -23.5);
    is_number(audio, "peak_dbfs", -6.25);
    is_number(audio, "silent_s", 2);
    const json_t *video = json_object_get(source, "video");
    is_number(video, "brightness", 0.5);
    is_number(video, "black_s", 3);
    is_number(video, "still_s", 42);
    json_decref(o);
    end(&w);
}

static void test_each_warning_has_a_name_and_words(void **state)
{
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    begin(&w, "peer");
    f.warnings = (1u << HEALTH_WARNINGS) - 1;
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    json_t *o = said("demo", &w.vitals, w.publisher);
    const json_t *all =
        json_object_get(json_object_get(o, "source"), "warnings");
    assert_int_equal(json_array_size(all), HEALTH_WARNINGS);
    for (size_t i = 0; i < HEALTH_WARNINGS; i++) {
        const json_t *one = json_array_get(all, i);
        is_text(one, "warning", health_name((enum health_warning)i));
        const char *advice = json_string_value(json_object_get(one, "advice"));
        assert_non_null(advice);
        assert_in_range(strlen(advice), 20, HEALTH_TEXT_SIZE - 2);
    }
    json_decref(o);
    end(&w);
}

static void test_who_is_not_there_is_not_guessed(void **state)
{
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    begin(&w, "peer");
    json_t *o = said("demo", NULL, NULL);
    is_text(o, "state", "offline");
    assert_int_equal(json_object_size(o), 2);
    json_decref(o);
    o = said("demo", &w.vitals, NULL);
    is_text(o, "state", "reconnecting");
    assert_int_equal(json_object_size(o), 2);
    json_decref(o);
    o = said("demo", &w.vitals, w.publisher); /* its first second */
    is_text(o, "state", "live");
    assert_null(json_object_get(o, "source"));
    json_decref(o);
    f.video = f.audio = CODEC_NONE;
    f.warnings = 0;
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    o = said("demo", &w.vitals, w.publisher);
    const json_t *source = json_object_get(o, "source");
    assert_non_null(source);
    assert_null(json_object_get(source, "video"));
    assert_null(json_object_get(source, "audio"));
    assert_int_equal(json_array_size(json_object_get(source, "warnings")), 0);
    json_decref(o);
    end(&w);
}

static void test_text_from_outside_is_escaped(void **state)
{
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    begin(&w, odd);
    vitals_take(&w.vitals, w.metrics, odd, &f);
    json_t *o = said(odd, &w.vitals, w.publisher);
    is_text(o, "channel", odd);
    is_text(o, "peer", odd);
    json_decref(o);
    end(&w);
}

/* --- gauges --------------------------------------------------------------- */

static void shows(struct world *w, const char *line, bool is)
{
    struct builder b;
    struct buf *text = NULL;

    builder_init(&b, 64 << 10);
    metrics_render(w->metrics, &b);
    builder_bytes(&b, "\0", 1);
    assert_int_equal(builder_seal(&b, &text), 0);
    struct slice s = slice_take(&text);
    bool found = strstr((const char *)s.data, line) != NULL;
    slice_unref(&s);
    assert_int_equal(found, is);
}

static void test_gauges_come_change_and_go(void **state)
{
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    begin(&w, "peer");
    shows(&w, "lectern_source_", false);
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    shows(&w, "lectern_source_video_bps{channel=\"demo\"} 2500000\n", true);
    shows(&w, "lectern_source_audio_bps{channel=\"demo\"} 128000\n", true);
    shows(&w, "lectern_source_fps{channel=\"demo\"} 29.5\n", true);
    shows(&w,
          "lectern_source_keyframe_interval_seconds{channel=\"demo\"} 4.5\n",
          true);
    shows(&w, "lectern_source_jitter_seconds{channel=\"demo\"} 0.0125\n", true);
    shows(&w, "lectern_source_missing_frames{channel=\"demo\"} 7\n", true);
    shows(&w,
          "lectern_source_warning{channel=\"demo\",warning=\"keyframes\"} 1\n",
          true);
    shows(&w, "lectern_source_warning{channel=\"demo\",warning=\"uneven\"} 0\n",
          true);
    f.warnings = 1u << HEALTH_UNEVEN;
    f.fps = 25;
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    shows(&w, "lectern_source_fps{channel=\"demo\"} 25\n", true);
    shows(&w,
          "lectern_source_warning{channel=\"demo\",warning=\"keyframes\"} 0\n",
          true);
    shows(&w, "lectern_source_warning{channel=\"demo\",warning=\"uneven\"} 1\n",
          true);
    vitals_forget(&w.vitals, w.metrics);
    assert_false(w.vitals.known);
    shows(&w, "lectern_source_", false);
    vitals_forget(&w.vitals, w.metrics); /* who never spoke, too */
    end(&w);
}

/* 0 would be an answer. */
static void test_what_is_not_known_has_no_gauge(void **state)
{
    static const char *const lines[] = {
        "lectern_source_audio_rms_dbfs{channel=\"demo\"} -23.5\n",
        "lectern_source_audio_peak_dbfs{channel=\"demo\"} -6.25\n",
        "lectern_source_silent_seconds{channel=\"demo\"} 2\n",
        "lectern_source_brightness{channel=\"demo\"} 0.5\n",
        "lectern_source_still_seconds{channel=\"demo\"} 42\n",
    };
    struct health_figures f = lecture();
    struct world w;

    (void)state;
    begin(&w, "peer");
    f.rms_dbfs = -23.5;
    f.peak_dbfs = -6.25;
    f.silent_s = 2;
    f.brightness = 0.5;
    f.still_s = 42;
    for (int round = 0; round < 4; round++) {
        f.heard = f.seen = round % 2;
        vitals_take(&w.vitals, w.metrics, "demo", &f);
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
            shows(&w, lines[i], f.heard);
            if (!f.heard) shows(&w, "lectern_source_still", false);
        }
    }
    vitals_forget(&w.vitals, w.metrics);
    shows(&w, "lectern_source_", false);
    end(&w);
}

static void test_channels_do_not_mix(void **state)
{
    struct health_figures f = lecture();
    struct vitals other = {0};
    struct world w;

    (void)state;
    begin(&w, "peer");
    vitals_take(&w.vitals, w.metrics, "demo", &f);
    f.fps = 25;
    vitals_take(&other, w.metrics, "a\"b\\c", &f);
    shows(&w, "lectern_source_fps{channel=\"demo\"} 29.5\n", true);
    shows(&w, "lectern_source_fps{channel=\"a\\\"b\\\\c\"} 25\n", true);
    vitals_forget(&w.vitals, w.metrics);
    shows(&w, "channel=\"demo\"", false);
    shows(&w, "lectern_source_fps{channel=\"a\\\"b\\\\c\"} 25\n", true);
    vitals_forget(&other, w.metrics);
    shows(&w, "lectern_source_", false);
    end(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_field_is_told),
    cmocka_unit_test(test_the_line_is_told_where_it_is_known),
    cmocka_unit_test(test_content_is_told_where_it_is_known),
    cmocka_unit_test(test_each_warning_has_a_name_and_words),
    cmocka_unit_test(test_who_is_not_there_is_not_guessed),
    cmocka_unit_test(test_text_from_outside_is_escaped),
    cmocka_unit_test(test_gauges_come_change_and_go),
    cmocka_unit_test(test_what_is_not_known_has_no_gauge),
    cmocka_unit_test(test_channels_do_not_mix),
};
HARNESS_MAIN(tests)
