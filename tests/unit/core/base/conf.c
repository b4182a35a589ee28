#include "tests/harness.h"

#include "core/base/conf.h"
#include "core/base/err.h"

struct item {
    char name[16], kind[8];
};
struct sample {
    char listen[32], names[64];
    int64_t most;
    bool on;
    struct item items[2];
    int item_count;
};

#define AT(field)                                                              \
    offsetof(struct sample, field), sizeof((struct sample *)0)->field
static const struct conf_row rows[] = {
    {"http.listen", CONF_TEXT, AT(listen), 0, 0, NULL, ":80", NULL, "where"},
    {"http.names", CONF_TEXTS, AT(names), 0, 0, NULL, "", NULL, "who"},
    {"limits.most", CONF_INT, AT(most), 1, 100, NULL, "7", "bytes", "how many"},
    {"on", CONF_BOOL, AT(on), 0, 0, NULL, "false", NULL, "whether"},
};
static const struct conf_row item_rows[] = {
    {"name", CONF_TEXT, offsetof(struct item, name), 16, 0, 0, NULL, NULL, NULL,
     "a name"},
    {"kind", CONF_CHOICE, offsetof(struct item, kind), 8, 0, 0, "A|BB", "A",
     NULL, "a kind"},
};
static const struct conf_list lists[] = {
    {"items", item_rows, 2, offsetof(struct sample, items), sizeof(struct item),
     offsetof(struct sample, item_count), 2},
};
static const struct conf_table table = {rows, 4, lists, 1, "SAMPLE_"};

static int load(struct sample *s, const char *yaml, char *why)
{
    memset(s, 0, sizeof *s);
    conf_defaults(&table, s);
    return conf_yaml(&table, s, yaml, strlen(yaml), "x.yaml", why);
}

static void test_yaml_fills_the_struct(void **state)
{
    struct sample s;
    char why[CONF_WHY_MAX] = "";

    (void)state;
    assert_int_equal(load(&s,
                          "http: { listen: 'localhost:1', names: [a, b] }\n"
                          "limits:\n  most: 100\non: yes\n"
                          "items:\n  - { name: x, kind: BB }\n  - name: y\n",
                          why),
                     0);
    assert_string_equal(s.listen, "localhost:1");
    assert_string_equal(s.names, "a,b");
    assert_int_equal(s.most, 100);
    assert_true(s.on);
    assert_int_equal(s.item_count, 2);
    assert_string_equal(s.items[0].kind, "BB");
    assert_string_equal(s.items[1].name, "y");
    assert_string_equal(s.items[1].kind, "A");
}

static void test_mistakes_name_key_line_and_bounds(void **state)
{
    static const struct {
        const char *yaml, *why;
    } cases[] = {
        {"on: true\nhttp:\n  lissten: x\n",
         "x.yaml:3: http.lissten: no such setting"},
        {"limits: { most: 101 }",
         "x.yaml:1: limits.most: '101' is not a whole number from 1 to 100 "
         "bytes"},
        {"limits: { most: 1x }",
         "x.yaml:1: limits.most: '1x' is not a whole number from 1 to 100 "
         "bytes"},
        {"\non: maybe", "x.yaml:2: on: 'maybe' is not true or false"},
        {"items: [ { kind: C } ]", "x.yaml:1: kind: 'C' is none of A|BB"},
        {"items: [ {}, {}, {} ]", "x.yaml:1: items: more than 2 items"},
        {"items: [ { nmae: x } ]", "x.yaml:1: items[].nmae: no such setting"},
        {"http: 5", "x.yaml:1: http: wants settings below it, such as { "
                    "listen: … }"},
        {"http: { listen: [a] }",
         "x.yaml:1: http.listen: wants one plain value"},
        {"http: { listen: 0123456789012345678901234567890123456789 }",
         "x.yaml:1: http.listen: longer than 31 characters"},
        {"just text", "x.yaml:1: file: wants settings of the form key: value"},
    };
    struct sample s;
    char why[CONF_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        why[0] = 0;
        assert_int_equal(load(&s, cases[i].yaml, why), ERR_USAGE);
        assert_string_equal(why, cases[i].why);
    }
    assert_int_equal(load(&s, "a: [", why), ERR_USAGE);
}

static void test_assignments_and_environment(void **state)
{
    struct sample s;
    char why[CONF_WHY_MAX];

    (void)state;
    assert_int_equal(load(&s, "", why), 0);
    assert_int_equal(s.most, 7);
    assert_int_equal(conf_assign(&table, &s, "limits.most=9", why), 0);
    assert_int_equal(s.most, 9);
    assert_int_equal(conf_assign(&table, &s, "limits.most=0", why), ERR_USAGE);
    assert_string_equal(why, "--set: limits.most: '0' is not a whole number "
                             "from 1 to 100 bytes");
    assert_int_equal(conf_assign(&table, &s, "nothing", why), ERR_USAGE);
    setenv("SAMPLE_HTTP_LISTEN", "env:1", 1);
    assert_int_equal(conf_env(&table, &s, why), 0);
    unsetenv("SAMPLE_HTTP_LISTEN");
    assert_string_equal(s.listen, "env:1");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_yaml_fills_the_struct),
    cmocka_unit_test(test_mistakes_name_key_line_and_bounds),
    cmocka_unit_test(test_assignments_and_environment),
};
HARNESS_MAIN(tests)
