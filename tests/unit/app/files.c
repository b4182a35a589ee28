#include "app/files.h"

#include <stdio.h>
#include <string.h>

#include "app/assets.h"
#include "core/base/err.h"
#include "core/net/server.h"
#include "core/net/server_priv.h"
#include "tests/harness.h"

#define ASSET(name, text)                                                      \
    {                                                                          \
        name, (const unsigned char *)(text),                                   \
            (const unsigned char *)(text) + sizeof(text) - 1                   \
    }

static const struct asset site[] = {
    ASSET("/js/watch.js", "import './dom.js';\n"),
    ASSET("/vendor/hls.min.mjs", "export default 1;\n"),
    ASSET("/watch.html", "<script src=\"/assets/js/watch.js\"></script>"
                         "<link href=\"/assets/css/base.css\">"),
    ASSET("/dot.png", "png"),
    {0, 0, 0}};

static const char *head_of(struct response *r)
{
    static char text[2048];
    const struct buf *head;

    assert_non_null(r);
    head = response_http1_head(r);
    assert_non_null(head);
    assert_true(buf_len(head) < sizeof text);
    memcpy(text, buf_data(head), buf_len(head));
    text[buf_len(head)] = 0;
    return text;
}

static struct response *find(const struct files *f, const char *version,
                             const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "/%s%s", version, name);
    return files_find(f, path, false);
}

static void test_a_versioned_file_is_kept(void **state)
{
    struct files *f;

    (void)state;
    assert_int_equal(files_create(&f, site), 0);
    assert_int_equal(strlen(files_version(f)), FILES_VERSION_LEN);
    struct response *kept = find(f, files_version(f), "/js/watch.js");
    assert_non_null(strstr(head_of(kept), "max-age=31536000, immutable"));
    assert_ptr_equal(kept, find(f, files_version(f), "/js/watch.js"));
    assert_non_null(strstr(head_of(files_find(f, "/js/watch.js", false)),
                           "cache-control: no-cache\r\n"));
    assert_non_null(strstr(head_of(files_find(f, "/vendor/hls.min.mjs", false)),
                           "max-age=86400"));
    files_free(&f);
}

/* While nodes are replaced one after the other. */
static void test_another_release_gets_what_there_is(void **state)
{
    struct files *f;

    (void)state;
    assert_int_equal(files_create(&f, site), 0);
    struct response *r = find(f, "0123456789abcdef", "/js/watch.js");
    assert_non_null(strstr(head_of(r), "cache-control: no-cache\r\n"));
    assert_null(find(f, "0123456789abcdef", "/js/none.js"));
    assert_null(find(f, "0123456789abcde", "/js/watch.js"));
    assert_null(find(f, "0123456789ABCDEF", "/js/watch.js"));
    assert_null(find(f, files_version(f), ""));
    assert_null(files_find(f, "", false));
    assert_null(files_find(f, "/", false));
    files_free(&f);
}

static void test_a_page_names_the_version(void **state)
{
    char want[64];
    struct files *f;

    (void)state;
    assert_int_equal(files_create(&f, site), 0);
    snprintf(want, sizeof want, "content-length: %zu\r\n",
             strlen((const char *)site[2].data) + 2 * (FILES_VERSION_LEN + 1));
    assert_non_null(strstr(head_of(files_find(f, "/watch.html", false)), want));
    files_free(&f);
}

static void test_any_change_is_another_version(void **state)
{
    struct asset other[sizeof site / sizeof *site];
    struct files *a, *b;

    (void)state;
    memcpy(other, site, sizeof site);
    assert_int_equal(files_create(&a, site), 0);
    for (int i = 0; i < 2; i++) {
        if (i) other[0].name = "/js/watcher.js";
        other[3].end = other[3].data + 2 + i;
        assert_int_equal(files_create(&b, other), 0);
        assert_string_not_equal(files_version(a), files_version(b));
        files_free(&b);
    }
    files_free(&a);
}

static void test_what_does_not_pay_is_not_packed(void **state)
{
    struct files *f;

    (void)state;
    assert_int_equal(files_create(&f, site), 0);
    assert_ptr_equal(files_find(f, "/dot.png", true),
                     files_find(f, "/dot.png", false));
    assert_non_null(strstr(head_of(files_find(f, "/js/watch.js", true)),
                           "content-encoding: gzip"));
    files_free(&f);
}

static void test_too_many_files(void **state)
{
    static struct asset many[130];
    struct files *f;

    (void)state;
    for (int i = 0; i < 129; i++)
        many[i] = site[3];
    assert_int_equal(files_create(&f, many), ERR_LIMIT);
    many[128].name = NULL;
    assert_int_equal(files_create(&f, many), 0);
    files_free(&f);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_versioned_file_is_kept),
    cmocka_unit_test(test_another_release_gets_what_there_is),
    cmocka_unit_test(test_a_page_names_the_version),
    cmocka_unit_test(test_any_change_is_another_version),
    cmocka_unit_test(test_what_does_not_pay_is_not_packed),
    cmocka_unit_test(test_too_many_files),
};
HARNESS_MAIN(tests)
