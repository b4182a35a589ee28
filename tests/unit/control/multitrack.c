/* What OBS sends (tests/data/multitrack) and what it is told. */
#include "tests/harness.h"

#include <jansson.h>
#include <stdio.h>

#include "control/multitrack.h"
#include "core/base/err.h"

static char body[MULTITRACK_BODY_MAX + 2], why[MULTITRACK_WHY_SIZE];
static struct multitrack_request q;
static struct multitrack_plan plan;

static const struct multitrack_conf plain = {.policy = "ALLOW",
                                             .source_kbps = 50000,
                                             .source_pixels = 8294400,
                                             .host = "lectern.example",
                                             .rtmp_port = 1935,
                                             .rtmps_port = 1936,
                                             .config_id = "c0ffee"};

static int load(const char *name)
{
    char path[128];
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "tests/data/multitrack/%s.json", name);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(body, 1, sizeof body - 1, f);
    fclose(f);
    body[n] = '\0';
    return multitrack_read(&q, body, n, why);
}

static int read_text(const char *text)
{
    return multitrack_read(&q, text, strlen(text), why);
}

/* The answer, checked by a parser that is not ours; NULL without memory. */
static json_t *answer(const struct multitrack_conf *conf)
{
    char *text;
    json_t *o;

    multitrack_plan(&plan, &q, conf);
    text = multitrack_write(&plan, &q, conf);
    if (!text) return NULL;
    o = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(o);
    return o;
}

static const char *text_at(const json_t *o, const char *a, const char *b)
{
    return json_string_value(json_object_get(json_object_get(o, a), b));
}

static void same_ladder(const char *want)
{
    char got[256] = "";
    size_t n = 0;

    for (int i = 0; i < plan.count; i++) {
        const struct multitrack_rung *r = &plan.rungs[i];
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%ux%u@%u/%u:%u",
                              i ? " " : "", r->width, r->height, r->fps_num,
                              r->fps_den, r->kbps);
    }
    assert_string_equal(got, want);
}

static void test_a_common_lecturer(void **state)
{
    json_t *o, *first, *settings, *ends;

    (void)state;
    assert_int_equal(load("obs-31-windows-nvidia"), 0);
    assert_string_equal(q.key, "sk_lecturer");
    assert_string_equal(q.client, "obs-studio 31.1.2");
    o = answer(&plain);
    if (!o) return;
    same_ladder("1920x1080@60/1:7500 1280x720@60/1:4200 854x480@60/2:1200 "
                "640x360@60/2:700 284x160@60/2:250");
    assert_string_equal(text_at(o, "status", "result"), "success");
    assert_string_equal(text_at(o, "meta", "service"), "IVS");
    assert_string_equal(text_at(o, "meta", "config_id"), "c0ffee");
    first = json_array_get(json_object_get(o, "encoder_configurations"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "type")),
                        "obs_nvenc_h264_tex");
    settings = json_object_get(first, "settings");
    assert_int_equal(
        json_integer_value(json_object_get(settings, "keyint_sec")), 2);
    assert_true(json_is_integer(json_object_get(settings, "bf")));
    assert_int_equal(json_integer_value(json_object_get(settings, "bf")), 0);
    assert_int_equal(json_integer_value(json_object_get(settings, "bitrate")),
                     7500);
    assert_string_equal(
        json_string_value(json_object_get(settings, "rate_control")), "CBR");
    /* Nobody trusts a certificate that is self-signed. */
    ends = json_object_get(o, "ingest_endpoints");
    assert_int_equal(json_array_size(ends), 1);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(ends, 0), "url_template")),
                        "rtmp://lectern.example:1935/live/{stream_key}");
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(o, "audio_configurations"), "live")),
                     1);
    json_decref(o);
}

static void test_a_trusted_certificate_comes_first(void **state)
{
    struct multitrack_conf conf = plain;
    json_t *o, *ends;

    (void)state;
    assert_int_equal(load("obs-31-windows-nvidia"), 0);
    conf.rtmps_trusted = true;
    o = answer(&conf);
    if (!o) return;
    ends = json_object_get(o, "ingest_endpoints");
    assert_int_equal(json_array_size(ends), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(ends, 0), "protocol")),
        "RTMPS");
    json_decref(o);
}

static void test_no_hardware(void **state)
{
    json_t *o;
    const char *html;

    (void)state;
    assert_int_equal(load("obs-32-linux-amd"), 0);
    o = answer(&plain);
    if (!o) return;
    assert_int_equal(plan.outcome, MULTITRACK_SINGLE);
    assert_string_equal(text_at(o, "status", "result"), "warning");
    html = text_at(o, "status", "html_en_us");
    assert_non_null(strstr(html, "Radeon &lt;RX&gt; &amp; &quot;580&quot;"));
    assert_non_null(strstr(html, "4 processor cores are too few"));
    assert_null(strchr(html, '<'));
    assert_int_equal(
        json_array_size(json_object_get(o, "encoder_configurations")), 0);
    json_decref(o);

    struct multitrack_conf strict = plain;
    strict.policy = "REQUIRE";
    o = answer(&strict);
    if (!o) return;
    assert_int_equal(plan.outcome, MULTITRACK_REFUSED);
    assert_string_equal(text_at(o, "status", "result"), "error");
    json_decref(o);
}

/* Eight cores encode two pictures, portrait ones here; the recording's sound
 * is a second track, which the upstream has to hold, too. */
static void test_in_software(void **state)
{
    json_t *o;

    (void)state;
    assert_int_equal(load("obs-32-linux-amd"), 0);
    q.cores = 8;
    o = answer(&plain);
    if (!o) return;
    assert_string_equal(plan.encoder, "obs_x264");
    same_ladder("720x1280@30000/1001:2800 360x640@30000/1001:700");
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(o, "audio_configurations"), "vod")),
                     1);
    json_decref(o);
    q.cores = 64; /* but OBS allows three tracks */
    o = answer(&plain);
    if (!o) return;
    same_ladder("720x1280@30000/1001:2800 480x854@30000/1001:1200 "
                "360x640@30000/1001:700");
    json_decref(o);
}

static void test_what_the_upstream_holds(void **state)
{
    static const struct {
        uint32_t kbps;
        const char *ladder;
    } cases[] = {
        {20000, "1920x1080@30/1:5000 1280x720@30/1:2800 854x480@30/1:1200 "
                "640x360@30/1:700 284x160@30/1:250"},
        {9000, "1920x1080@30/1:4442 1280x720@30/1:2487 854x480@30/1:1066 "
               "640x360@30/1:621 284x160@30/1:222"},
        {6000, "1920x1080@30/1:4083 854x480@30/1:980 640x360@30/1:571 "
               "284x160@30/1:204"},
        {4000, "1280x720@30/1:2172 854x480@30/1:930 640x360@30/1:543 "
               "284x160@30/1:193"},
        {1000, "640x360@30/1:618 284x160@30/1:221"},
        {500, ""},
    };

    (void)state;
    assert_int_equal(load("obs-31-windows-nvidia"), 0);
    q.fps_num = 30;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        q.kbps = cases[i].kbps;
        multitrack_plan(&plan, &q, &plain);
        same_ladder(cases[i].ladder);
    }
    assert_non_null(strstr(plan.why, "340 kbit/s"));
    /* The server's own limit leaves a tenth for what rates overshoot. */
    struct multitrack_conf narrow = plain;
    narrow.source_kbps = 5000;
    q.kbps = 0;
    multitrack_plan(&plan, &q, &narrow);
    uint32_t sum = plan.audio_kbps;
    for (int i = 0; i < plan.count; i++)
        sum += plan.rungs[i].kbps;
    assert_in_range(sum, 3000, 4500);
}

static void test_sizes(void **state)
{
    struct multitrack_conf narrow = plain;

    (void)state;
    assert_int_equal(load("obs-31-windows-nvidia"), 0);
    q.fps_num = 30;
    q.width = q.canvas_width = 3840;
    q.height = q.canvas_height = 2160;
    multitrack_plan(&plan, &q, &plain);
    same_ladder("3840x2160@30/1:16000 1920x1080@30/1:5000 1280x720@30/1:2800 "
                "854x480@30/1:1200 640x360@30/1:700");
    narrow.source_pixels = 1920 * 1080;
    multitrack_plan(&plan, &q, &narrow);
    assert_int_equal(plan.rungs[0].height, 1080);
    /* Never larger than what is drawn, however it is stretched. */
    q.canvas_width = 1280;
    q.canvas_height = 720;
    multitrack_plan(&plan, &q, &plain);
    assert_int_equal(plan.rungs[0].height, 720);
    /* Odd sizes become even ones, not larger. */
    q.width = q.canvas_width = 1367;
    q.height = q.canvas_height = 769;
    multitrack_plan(&plan, &q, &plain);
    assert_int_equal(plan.rungs[0].width, 1366);
    assert_int_equal(plan.rungs[0].height, 768);
    /* Nothing is smaller. */
    q.width = q.canvas_width = 256;
    q.height = q.canvas_height = 144;
    multitrack_plan(&plan, &q, &plain);
    assert_int_equal(plan.outcome, MULTITRACK_SINGLE);
}

static void test_which_card(void **state)
{
    (void)state;
    assert_int_equal(load("obs-31-windows-nvidia"), 0);
    q.gpus[1] = q.gpus[0];
    q.gpus[0].vendor = 0x8086;
    q.gpu_count = 2;
    multitrack_plan(&plan, &q, &plain);
    assert_string_equal(plan.encoder, "obs_qsv11_v2"); /* it draws */
    q.composing = 1;
    multitrack_plan(&plan, &q, &plain);
    assert_string_equal(plan.encoder, "obs_nvenc_h264_tex");
    q.lists_encoders = true;
    q.encoders = MULTITRACK_QSV;
    multitrack_plan(&plan, &q, &plain);
    assert_string_equal(plan.encoder, "obs_qsv11_v2");
    q.gpus[0].vendor = 0x1002;
    q.encoders = MULTITRACK_AMF;
    multitrack_plan(&plan, &q, &plain);
    assert_string_equal(plan.encoder, "h264_texture_amf");
    assert_int_equal(plan.count, 4);
    q.composing = 9; /* there is none */
    multitrack_plan(&plan, &q, &plain);
    assert_string_equal(plan.encoder, "h264_texture_amf");
    q.has_h264 = false;
    multitrack_plan(&plan, &q, &plain);
    assert_int_equal(plan.outcome, MULTITRACK_SINGLE);
}

static void test_who_gets_none(void **state)
{
    struct multitrack_conf conf = plain;

    (void)state;
    assert_int_equal(load("obs-30-old"), 0);
    assert_true(q.is_old);
    multitrack_plan(&plan, &q, &plain);
    assert_int_equal(plan.outcome, MULTITRACK_SINGLE);
    assert_non_null(strstr(plan.why, "obs-studio 30.2.3) is too old"));
    assert_int_equal(load("obs-31-windows-nvidia"), 0);
    q.tracks = 1;
    multitrack_plan(&plan, &q, &plain);
    assert_non_null(strstr(plan.why, "Only 1 video track"));
    q.tracks = 0;
    conf.policy = "OFF";
    multitrack_plan(&plan, &q, &conf);
    assert_int_equal(plan.outcome, MULTITRACK_SINGLE);
    assert_non_null(strstr(plan.why, "off for this channel"));
    conf = plain;
    conf.rtmp_port = conf.rtmps_port = 0;
    multitrack_plan(&plan, &q, &conf);
    assert_non_null(strstr(plan.why, "takes no RTMP"));
}

#define HEAD   "{\"authentication\":\"k\",\"schema_version\":\"2025-01-25\","
#define CLIENT "\"client\":{},\"capabilities\":{\"cpu\":{}},"
#define CANVAS(w, h, n, d)                                                     \
    HEAD CLIENT "\"preferences\":{\"canvases\":[{\"width\":" w                 \
                ",\"height\":" h ",\"framerate\":{\"numerator\":" n            \
                ",\"denominator\":" d "}}]}}"

static void test_bad_requests_are_named(void **state)
{
    static const struct {
        const char *text;
        int err;
        const char *why;
    } cases[] = {
        {"", ERR_SYNTAX, "the body: malformed JSON at line 1"},
        {"[]", ERR_SYNTAX, "the body: must be a JSON object"},
        {"{}", ERR_RANGE, "authentication: must be the stream key, 1 to 256"},
        {"{\"authentication\":\"?a=b\"}", ERR_RANGE, "authentication: "},
        {"{\"authentication\":\"k\"}", ERR_SYNTAX, "schema_version: "},
        {"{\"authentication\":\"k\",\"schema_version\":\"2025-1-5\"}",
         ERR_SYNTAX, "schema_version: "},
        {HEAD "\"client\":[]}", ERR_SYNTAX, "client: must be an object"},
        {HEAD "\"client\":{\"name\":5}}", ERR_SYNTAX, "client.name: "},
        {HEAD "\"client\":{}}", ERR_SYNTAX, "capabilities: "},
        {HEAD "\"client\":{},\"capabilities\":{\"cpu\":{\"physical_cores\":-1}}"
              "}",
         ERR_RANGE, "physical_cores: must be a whole number from 0 to 4096"},
        {HEAD CLIENT "\"preferences\":{\"canvases\":[]}}", ERR_SYNTAX,
         "preferences.canvases: must be 1 to 8"},
        {CANVAS("0", "1", "30", "1"), ERR_RANGE,
         "preferences.canvases[0].width: must be a whole number from 16 to "
         "16384"},
        {CANVAS("1920", "1080.5", "30", "1"), ERR_RANGE, "[0].height: "},
        {CANVAS("1920", "1080", "30", "0"), ERR_RANGE, "denominator: "},
        {CANVAS("1920", "1080", "1", "30"), ERR_RANGE,
         "framerate: must be from 1 to 240"},
        {CANVAS("1920", "1080", "241", "1"), ERR_RANGE, "framerate: "},
        {"{\"a\":1,\"a\":2}", ERR_SYNTAX, "malformed"},
        {"[[[[[[[[[[[[[[[[[", ERR_LIMIT, "nested more than 16 deep"},
        {CANVAS("1920", "1080", "30", "1"), 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        why[0] = '\0';
        int err = read_text(cases[i].text);
        if (err != cases[i].err || !strstr(why, cases[i].why))
            fail_msg("%s: %s, %s", cases[i].text, err_name(err), why);
    }
    assert_int_equal(multitrack_read(&q, body, MULTITRACK_BODY_MAX + 1, why),
                     ERR_LIMIT);
}

static void test_lists_have_bounds(void **state)
{
    char text[4096] = HEAD CLIENT;
    size_t n;

    (void)state;
    n = (size_t)snprintf(text, sizeof text, "%s",
                         HEAD "\"client\":{},\"capabilities\":{\"cpu\":{},"
                              "\"gpu\":[");
    for (int i = 0; i <= MULTITRACK_GPUS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{}", i ? "," : "");
    snprintf(text + n, sizeof text - n, "]}}");
    assert_int_equal(read_text(text), ERR_LIMIT);
    assert_string_equal(why, "capabilities.gpu: more than 16");
}

static void test_hosts(void **state)
{
    static const struct {
        const char *header, *host;
    } cases[] = {
        {"lectern.example", "lectern.example"},
        {"lectern.example:8080", "lectern.example"},
        {"127.0.0.1:8080", "127.0.0.1"},
        {"[::1]:8443", "[::1]"},
        {"[::1]", "[::1]"},
        {"", NULL},
        {":80", NULL},
        {"a b", NULL},
        {"a/b", NULL},
        {"a:80/x", NULL},
        {"[::1", NULL},
        {"[]", NULL},
        {"[::1]x", NULL},
        {"\"><script>", NULL},
    };
    char out[MULTITRACK_HOST_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int err = multitrack_host(out, cases[i].header);
        if ((err != 0) != (cases[i].host == NULL) ||
            (!err && strcmp(out, cases[i].host)))
            fail_msg("%s: %s", cases[i].header, err ? "refused" : out);
    }
}

static void test_an_error_by_itself(void **state)
{
    char *text = multitrack_write_error("a <b> \xff");
    json_t *o;

    (void)state;
    if (!text) return;
    o = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(o);
    assert_string_equal(text_at(o, "status", "html_en_us"), "a &lt;b&gt; ?");
    json_decref(o);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_common_lecturer),
    cmocka_unit_test(test_a_trusted_certificate_comes_first),
    cmocka_unit_test(test_no_hardware),
    cmocka_unit_test(test_in_software),
    cmocka_unit_test(test_what_the_upstream_holds),
    cmocka_unit_test(test_sizes),
    cmocka_unit_test(test_which_card),
    cmocka_unit_test(test_who_gets_none),
    cmocka_unit_test(test_bad_requests_are_named),
    cmocka_unit_test(test_lists_have_bounds),
    cmocka_unit_test(test_hosts),
    cmocka_unit_test(test_an_error_by_itself),
};
HARNESS_MAIN(tests)
