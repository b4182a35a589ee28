#include "tests/harness.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "control/store.h"
#include "core/base/err.h"

static char dir[HARNESS_DIR_MAX];

static int make_dir(void **state)
{
    (void)state;
    return harness_dir(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    harness_remove(dir);
    return 0;
}

static struct channel sample(const char *name)
{
    struct channel c = {
        .type = "STANDARD", .latency = "LOW", .multitrack = "ALLOW"};

    snprintf(c.name, sizeof c.name, "%s", name);
    key_hash(c.key_hash, name);
    return c;
}

static void collect(const struct channel *c, void *arg)
{
    strcat(arg, c->name);
    strcat(arg, " ");
}

static void test_channels_survive_reopening(void **state)
{
    struct store_db *db = NULL;
    char why[256] = "", names[256] = "";
    struct channel b = sample("b"), a = sample("a");

    (void)state;
    assert_int_equal(store_db_open(&db, dir, why), 0);
    int first = store_db_add(db, &b), second = store_db_add(db, &a),
        again = store_db_add(db, &a);
    store_db_close(&db);
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
    assert_int_equal(again, ERR_EXISTS);
    assert_int_equal(store_db_open(&db, dir, why), 0);
    int err = store_db_each(db, collect, names);
    int removed = store_db_remove(db, "a"), gone = store_db_remove(db, "a");
    store_db_close(&db);
    assert_int_equal(err, 0);
    assert_string_equal(names, "a b ");
    assert_int_equal(removed, 0);
    assert_int_equal(gone, ERR_NOTFOUND);
}

static void test_another_handle_is_noticed(void **state)
{
    struct store_db *one = NULL, *two = NULL;
    char why[256] = "";
    struct channel c = sample("seen");

    (void)state;
    assert_int_equal(store_db_open(&one, dir, why), 0);
    if (store_db_open(&two, dir, why)) {
        store_db_close(&one);
        fail();
    }
    int64_t before = store_db_version(one);
    store_db_add(two, &c);
    int64_t after = store_db_version(one);
    store_db_close(&one);
    store_db_close(&two);
    assert_int_not_equal(before, after);
}

static void test_a_key_is_replaced_and_revoked(void **state)
{
    static const uint8_t none[KEY_HASH_BYTES];
    struct channel c = sample("a"), found = {0}, missing = {0};
    uint8_t fresh[KEY_HASH_BYTES];
    struct store_db *db = NULL;
    char why[256] = "";

    (void)state;
    key_hash(fresh, "another");
    assert_int_equal(store_db_open(&db, dir, why), 0);
    int added = store_db_add(db, &c), set = store_db_set_key(db, "a", fresh);
    int seen = store_db_find(db, "a", &found);
    bool replaced = key_hash_equal(found.key_hash, fresh);
    int revoked = store_db_set_key(db, "a", none);
    int again = store_db_find(db, "a", &found);
    int unknown = store_db_set_key(db, "b", fresh);
    int absent = store_db_find(db, "b", &missing);
    store_db_close(&db);
    assert_int_equal(added | set | seen | revoked | again, 0);
    assert_true(replaced);
    assert_true(key_hash_is_none(found.key_hash));
    assert_string_equal(found.type, "STANDARD");
    assert_int_equal(unknown, ERR_NOTFOUND);
    assert_int_equal(absent, ERR_NOTFOUND);
    assert_string_equal(missing.name, "");
}

static void test_names_are_checked(void **state)
{
    (void)state;
    assert_int_equal(channel_check_name("math-101_b"), 0);
    assert_int_equal(channel_check_name(""), ERR_RANGE);
    assert_int_equal(channel_check_name("../x"), ERR_RANGE);
    assert_int_equal(channel_check_name("Math"), ERR_RANGE);
    assert_int_equal(
        channel_check_name("0123456789012345678901234567890123456789"
                           "0123456789012345678901234"),
        ERR_RANGE);
}

static void keep(const struct channel *c, void *arg)
{
    *(struct channel *)arg = *c;
}

/* A database as the first version left it, with a channel in it. */
static void test_an_older_schema_is_brought_up(void **state)
{
    static const char old[] =
        "CREATE TABLE channel ("
        " name TEXT PRIMARY KEY, type TEXT NOT NULL, latency TEXT NOT NULL,"
        " key_hash BLOB NOT NULL, created_at INTEGER NOT NULL"
        " DEFAULT (unixepoch())) STRICT;"
        "INSERT INTO channel (name, type, latency, key_hash) VALUES"
        " ('old', 'BASIC', 'LOW', zeroblob(32)); PRAGMA user_version = 1";
    struct channel found = {0}, more = sample("z");
    struct store_db *db = NULL;
    char path[HARNESS_DIR_MAX + 16], why[256] = "";
    sqlite3 *raw;

    (void)state;
    snprintf(path, sizeof path, "%s/lectern.db", dir);
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    int made = sqlite3_exec(raw, old, NULL, NULL, NULL);
    sqlite3_close(raw);
    assert_int_equal(made, SQLITE_OK);
    if (store_db_open(&db, dir, why)) return;
    store_db_each(db, keep, &found);
    snprintf(more.multitrack, sizeof more.multitrack, "REQUIRE");
    snprintf(more.passphrase, sizeof more.passphrase, "correct horse");
    int added = store_db_add(db, &more);
    assert_string_equal(found.name, "old");
    assert_string_equal(found.passphrase, "");
    assert_string_equal(found.multitrack, "ALLOW");
    store_db_each(db, keep, &found);
    store_db_close(&db);
    assert_int_equal(added, 0);
    assert_string_equal(found.multitrack, "REQUIRE");
    assert_string_equal(found.passphrase, "correct horse");
}

static void test_policies_are_checked(void **state)
{
    (void)state;
    assert_int_equal(channel_check_multitrack("OFF"), 0);
    assert_int_equal(channel_check_multitrack("ALLOW"), 0);
    assert_int_equal(channel_check_multitrack("REQUIRE"), 0);
    assert_int_equal(channel_check_multitrack(""), ERR_RANGE);
    assert_int_equal(channel_check_multitrack("allow"), ERR_RANGE);
}

static void test_passphrases_are_checked(void **state)
{
    char text[CHANNEL_PASSPHRASE_SIZE + 1];

    (void)state;
    memset(text, 'x', sizeof text);
    text[80] = '\0';
    assert_int_equal(channel_check_passphrase(""), 0);
    assert_int_equal(channel_check_passphrase("too short"), ERR_RANGE);
    assert_int_equal(channel_check_passphrase("ten enough"), 0);
    assert_int_equal(channel_check_passphrase(text), ERR_RANGE);
    assert_int_equal(channel_check_passphrase(text + 1), 0);
}

static void test_a_missing_folder_is_a_sentence(void **state)
{
    struct store_db *db = NULL;
    char why[256] = "";

    (void)state;
    assert_int_equal(store_db_open(&db, "/nonexistent/here", why), ERR_IO);
    assert_non_null(strstr(why, "/nonexistent/here/lectern.db: "));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
static const struct CMUnitTest tests[] = {
    CASE(test_channels_survive_reopening),
    CASE(test_another_handle_is_noticed),
    CASE(test_a_key_is_replaced_and_revoked),
    CASE(test_an_older_schema_is_brought_up),
    cmocka_unit_test(test_names_are_checked),
    cmocka_unit_test(test_policies_are_checked),
    cmocka_unit_test(test_passphrases_are_checked),
    cmocka_unit_test(test_a_missing_folder_is_a_sentence),
};
HARNESS_MAIN(tests)
