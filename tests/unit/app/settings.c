#include "tests/harness.h"

#include <stdio.h>
#include <unistd.h>

#include "app/options.h"
#include "app/settings.h"
#include "core/base/err.h"

static struct settings s;
static char why[CONF_WHY_MAX];

static int load_text(const char *yaml)
{
    memset(&s, 0, sizeof s);
    conf_defaults(settings_table(), &s);
    return conf_yaml(settings_table(), &s, yaml, strlen(yaml), "l.yaml", why);
}

static void test_the_example_of_the_manual_loads(void **state)
{
    (void)state;
    assert_int_equal(
        load_text(
            "role: origin\ndata_dir: ./lectern-data\n"
            "http:   { listen: 0.0.0.0:8080 }\n"
            "https:  { listen: 0.0.0.0:8443, cert: auto, key: auto }\n"
            "rtmp:   { listen: 0.0.0.0:1935 }\n"
            "rtmps:  { listen: 0.0.0.0:1936 }\n"
            "srt:    { listen: 0.0.0.0:8890 }\n"
            "webrtc: { listen: 0.0.0.0:8189, public_addresses: [] }\n"
            "channels:\n"
            "  - { name: demo, stream_key: demo-key, type: STANDARD,"
            " latency: LOW, srt_passphrase: \"\" }\n"
            "limits: { connections_per_address: 256,"
            " half_open_per_address: 32,"
            " webrtc_pending_per_address: 16, ingest_per_address: 64 }\n"),
        0);
    assert_string_equal(s.rtmp_listen, "0.0.0.0:1935");
    assert_int_equal(s.channel_count, 1);
    assert_string_equal(s.channels[0].stream_key, "demo-key");
    assert_string_equal(s.channels[0].multitrack, "ALLOW");
}

static void test_set_wins_over_environment_and_defaults(void **state)
{
    const char *sets[] = {"http.listen=127.0.0.1:1"};

    (void)state;
    setenv("LECTERN_HTTP_LISTEN", "127.0.0.1:2", 1);
    setenv("LECTERN_RTMP_LISTEN", "127.0.0.1:3", 1);
    int err = settings_load(&s, NULL, sets, 1, why);
    unsetenv("LECTERN_HTTP_LISTEN");
    unsetenv("LECTERN_RTMP_LISTEN");
    assert_int_equal(err, 0);
    assert_string_equal(s.http_listen, "127.0.0.1:1");
    assert_string_equal(s.rtmp_listen, "127.0.0.1:3");
    assert_string_equal(s.https_listen, "0.0.0.0:8443");
}

static void test_a_short_passphrase_is_named(void **state)
{
    char dir[HARNESS_DIR_MAX], path[HARNESS_DIR_MAX + 16];
    static const char yaml[] =
        "channels:\n  - { name: a, stream_key: abcd, srt_passphrase: short }\n";
    FILE *f;

    (void)state;
    assert_true(harness_dir(dir));
    snprintf(path, sizeof path, "%s/lectern.yaml", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fputs(yaml, f) < 0, 0);
    assert_int_equal(fclose(f), 0);
    int err = settings_load(&s, path, NULL, 0, why);
    harness_remove(dir);
    assert_int_equal(err, ERR_USAGE);
    assert_non_null(strstr(why, "channels[0].srt_passphrase"));
}

static void test_a_missing_file_is_named(void **state)
{
    (void)state;
    assert_int_equal(settings_load(&s, "nowhere.yaml", NULL, 0, why),
                     ERR_USAGE);
    assert_string_equal(why, "nowhere.yaml: config: No such file or directory");
}

static void test_every_default_is_within_its_own_bounds(void **state)
{
    const struct conf_table *t = settings_table();

    (void)state;
    for (int i = 0; i < t->row_count; i++) {
        char assignment[256];
        snprintf(assignment, sizeof assignment, "%s=%s", t->rows[i].key,
                 t->rows[i].fallback);
        if (conf_assign(t, &s, assignment, why)) fail_msg("%s", why);
    }
}

static int parse(struct options *o, enum options_for what, int n, char **words)
{
    return options_parse(o, n, words, what, why);
}

static void test_options(void **state)
{
    struct options o;
    char *serve[] = {"serve", "--config", "x", "--set", "a=b", "--demo"};
    char *lacking[] = {"serve", "--config"};
    char *unknown[] = {"serve", "--frob"};
    char *create[] = {"channel", "create", "math", "--type", "BASIC", "--json"};

    (void)state;
    assert_int_equal(parse(&o, OPTIONS_SERVE, 6, serve), 0);
    assert_string_equal(o.config, "x");
    assert_int_equal(o.set_count, 1);
    assert_true(o.demo);
    assert_int_equal(parse(&o, OPTIONS_SERVE, 2, lacking), ERR_USAGE);
    assert_string_equal(why, "--config wants a value");
    assert_int_equal(parse(&o, OPTIONS_SERVE, 2, unknown), ERR_USAGE);
    assert_string_equal(why, "unknown option --frob");
    assert_int_equal(parse(&o, OPTIONS_CHANNEL, 6, create), 0);
    assert_string_equal(o.verb, "create");
    assert_string_equal(o.name, "math");
    assert_string_equal(o.type, "BASIC");
    assert_true(o.json);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_example_of_the_manual_loads),
    cmocka_unit_test(test_set_wins_over_environment_and_defaults),
    cmocka_unit_test(test_a_short_passphrase_is_named),
    cmocka_unit_test(test_a_missing_file_is_named),
    cmocka_unit_test(test_every_default_is_within_its_own_bounds),
    cmocka_unit_test(test_options),
};
HARNESS_MAIN(tests)
