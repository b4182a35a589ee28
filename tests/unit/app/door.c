#include "tests/harness.h"

#include "app/door.h"
#include "control/directory.h"
#include "core/base/err.h"
#include "ingest/publisher.h"

static struct channel channel_of(const char *key)
{
    struct channel c = {.name = "a"};

    if (key) key_hash(c.key_hash, key);
    return c;
}

static void test_a_grant_lasts_as_long_as_its_key(void **state)
{
    struct channel before = channel_of("old"), after = channel_of("new"),
                   revoked = channel_of(NULL);
    struct directory *d = NULL;
    struct ingest_grant grant = {0};

    (void)state;
    assert_int_equal(directory_create(&d, &before, 1), 0);
    int err = door_grant(&grant, d, NULL, "old");
    int wrong = door_grant(&(struct ingest_grant){0}, d, NULL, "new");
    directory_unref(&d);
    assert_int_equal(err, 0);
    assert_int_equal(wrong, ERR_DENIED);
    assert_string_equal(grant.channel, "a");
    assert_true(door_holds(&grant, &before));
    assert_false(door_holds(&grant, &after));
    assert_false(door_holds(&grant, &revoked));
}

static void test_no_key_opens_a_revoked_channel(void **state)
{
    struct channel c = channel_of(NULL);
    struct directory *d = NULL;
    struct ingest_grant grant = {0};

    (void)state;
    assert_int_equal(directory_create(&d, &c, 1), 0);
    int err = door_grant(&grant, d, NULL, "");
    directory_unref(&d);
    assert_int_equal(err, ERR_DENIED);
}

static void test_the_demos_key_is_its_own(void **state)
{
    struct channel c = channel_of("old"), after = channel_of("new"),
                   demo = channel_of("of the demo");
    struct directory *d = NULL;
    struct ingest_grant grant = {0};

    (void)state;
    assert_int_equal(directory_create(&d, &c, 1), 0);
    int err = door_grant(&grant, d, &demo, "of the demo");
    directory_unref(&d);
    assert_int_equal(err, 0);
    assert_true(door_holds(&grant, &after));
}

static void test_what_the_channel_requires(void **state)
{
    struct channel c = channel_of("key"), demo = channel_of("of the demo");
    struct directory *d = NULL;
    struct ingest_grant grant = {0}, of_demo = {.multitrack = true};

    (void)state;
    strcpy(c.multitrack, "REQUIRE");
    strcpy(demo.multitrack, "REQUIRE");
    assert_int_equal(directory_create(&d, &c, 1), 0);
    int err = door_grant(&grant, d, &demo, "key");
    int second = door_grant(&of_demo, d, &demo, "of the demo");
    directory_unref(&d);
    assert_int_equal(err | second, 0);
    assert_true(grant.multitrack);
    assert_false(of_demo.multitrack);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_grant_lasts_as_long_as_its_key),
    cmocka_unit_test(test_no_key_opens_a_revoked_channel),
    cmocka_unit_test(test_the_demos_key_is_its_own),
    cmocka_unit_test(test_what_the_channel_requires),
};
HARNESS_MAIN(tests)
