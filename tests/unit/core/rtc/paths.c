#include "tests/harness.h"

#include "core/rtc/paths.h"

enum { PATHS = 300, STEPS = 200000 };

static struct net_path path_of(int n)
{
    struct net_path p;

    memset(&p, 0, sizeof p);
    p.port = (uint16_t)(40000 + n);
    p.ip[15] = (uint8_t)(n % 7);
    p.transport = n % 2 ? NET_TCP : NET_UDP;
    return p;
}

/* Beside a plain array that says what ought to be there. */
static void test_sets_and_removes_like_an_array(void **state)
{
    static int peers[5];
    void *want[PATHS] = {NULL};
    struct paths paths;
    size_t count = 0;

    (void)state;
    srand(7);
    paths_init(&paths);
    for (int step = 0; step < STEPS; step++) {
        int n = rand() % PATHS;
        struct net_path p = path_of(n);
        void *peer = &peers[rand() % 5];
        if (rand() % 2) {
            if (paths_set(&paths, &p, peer)) continue;
            count += !want[n];
            want[n] = peer;
        } else {
            paths_remove(&paths, &p, peer); /* only its own */
            count -= want[n] == peer;
            if (want[n] == peer) want[n] = NULL;
        }
        n = rand() % PATHS;
        p = path_of(n);
        assert_ptr_equal(paths_get(&paths, &p), want[n]);
        assert_int_equal(paths.count, count);
    }
    for (int n = 0; n < PATHS; n++) {
        struct net_path p = path_of(n);
        assert_ptr_equal(paths_get(&paths, &p), want[n]);
    }
    paths_release(&paths);
}

static void test_an_empty_one(void **state)
{
    struct net_path p = path_of(1);
    struct paths paths;

    (void)state;
    paths_init(&paths);
    assert_null(paths_get(&paths, &p));
    paths_remove(&paths, &p, &paths);
    assert_int_equal(paths.slot_count, 0);
    paths_release(&paths);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sets_and_removes_like_an_array),
    cmocka_unit_test(test_an_empty_one),
};

HARNESS_MAIN(tests)
