#include "tests/harness.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/rtc/ice.h"

enum { LOOP = 37, SECOND = 1000000 };

static const struct rtc_credentials REMOTE = {"them", "their-password"};

/* What a client may do: check from some port, with some of our credentials. */
struct check {
    struct rtc_credentials with;
    uint16_t port;
    bool nominate;
    const char *pwd; /* NULL: the right one */
};

static struct net_path path_of(uint16_t port)
{
    struct net_path p;

    memset(&p, 0, sizeof p);
    memcpy(p.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
    p.port = port;
    return p;
}

static struct ice_result send_check(struct ice *i, struct check c, int64_t now)
{
    char name[600];
    struct stun_request r = {.username = name,
                             .pwd = c.pwd ? c.pwd : c.with.pwd,
                             .use_candidate = c.nominate};
    uint8_t d[STUN_REQUEST_MAX];
    struct net_path from = path_of(c.port);
    struct ice_result out;

    snprintf(name, sizeof name, "%s:them", c.with.ufrag);
    ice_input(i, d, stun_write_request(d, &r), &from, now, &out);
    return out;
}

static struct ice_result check_from(struct ice *i, uint16_t port, bool nominate,
                                    int64_t now)
{
    return send_check(i, (struct check){i->local, port, nominate, NULL}, now);
}

static void start(struct ice *i)
{
    assert_int_equal(ice_init(i, LOOP, &REMOTE, 0), 0);
}

static void assert_selected(const struct ice *i, uint16_t port)
{
    assert_non_null(ice_selected(i));
    assert_int_equal(ice_selected(i)->port, port);
}

static void test_credentials_name_the_loop(void **state)
{
    struct ice a, b;

    (void)state;
    for (unsigned loop = 0; loop < ICE_LOOPS_MAX; loop += 31) {
        assert_int_equal(ice_init(&a, loop, &REMOTE, 0), 0);
        assert_int_equal(strlen(a.local.ufrag), ICE_UFRAG_BYTES);
        assert_int_equal(strlen(a.local.pwd), ICE_PWD_BYTES);
        assert_int_equal(ice_loop_of_ufrag(a.local.ufrag, ICE_UFRAG_BYTES),
                         loop);
    }
    start(&b);
    assert_string_not_equal(a.local.pwd, b.local.pwd);
    assert_int_equal(ice_loop_of_ufrag("aa", 2), -1);
    assert_int_equal(ice_loop_of_ufrag("a1bcdefghi", 10), -1);
}

static void test_valid_check_proves_and_answers(void **state)
{
    struct ice i;
    struct net_path p = path_of(1000);
    struct ice_result r;
    struct stun_message m;

    (void)state;
    start(&i);
    assert_null(ice_selected(&i));
    assert_false(ice_is_proved(&i, &p));
    r = check_from(&i, 1000, false, 1);
    assert_true(r.valid && r.added && r.selected_changed);
    assert_int_equal(stun_parse(&m, r.reply, r.reply_len), 0);
    assert_int_equal(m.type, STUN_SUCCESS);
    assert_int_equal(m.port, 1000);
    assert_true(stun_is_signed_by(&m, i.local.pwd));
    assert_true(ice_is_proved(&i, &p));
    assert_selected(&i, 1000);
    r = check_from(&i, 1000, true, 2);
    assert_true(r.valid && !r.added && !r.selected_changed);
    p.local[15] = 1; /* another way to the same place is not proved */
    assert_false(ice_is_proved(&i, &p));
}

static void test_strangers_leave_no_trace(void **state)
{
    struct ice i, before;
    struct ice_result r;
    struct net_path p = path_of(1);
    uint8_t junk[64] = {0};

    (void)state;
    start(&i);
    before = i;
    r = send_check(&i, (struct check){i.local, 1, true, "wrong"}, 1);
    assert_false(r.valid || r.reply_len);
    r = send_check(&i, (struct check){REMOTE, 1, true, i.local.pwd}, 1);
    assert_false(r.valid || r.reply_len);
    r = send_check(&i, (struct check){{"", ""}, 1, true, "x"}, 1);
    assert_false(r.valid || r.reply_len);
    ice_input(&i, junk, sizeof junk, &p, 1, &r);
    assert_false(r.valid || r.reply_len);
    assert_memory_equal(&i, &before, sizeof i);
}

static void test_latest_nomination_is_selected(void **state)
{
    struct ice i;

    (void)state;
    start(&i);
    check_from(&i, 1, false, 1);
    check_from(&i, 2, false, 2);
    assert_selected(&i, 1); /* the first, until one is nominated */
    assert_true(check_from(&i, 2, true, 3).selected_changed);
    assert_selected(&i, 2);
    check_from(&i, 1, false, 4);
    assert_selected(&i, 2);
    /* A NAT gives it another port: the next check moves media there. */
    assert_true(check_from(&i, 3, true, 5).selected_changed);
    assert_selected(&i, 3);
    check_from(&i, 1, true, 6);
    assert_selected(&i, 1);
}

static void test_paths_are_bounded(void **state)
{
    struct ice i;
    struct ice_result r;
    struct net_path kept = path_of(1), gone = path_of(2);

    (void)state;
    start(&i);
    check_from(&i, 1, true, 1);
    for (uint16_t port = 2; port <= ICE_PATHS_MAX; port++)
        assert_false(check_from(&i, port, false, port).dropped);
    r = check_from(&i, 100, false, 100);
    assert_true(r.added && r.dropped);
    assert_int_equal(r.dropped_path.port, 2);
    assert_false(ice_is_proved(&i, &gone));
    assert_true(ice_is_proved(&i, &kept));
    assert_selected(&i, 1); /* the oldest of all, but selected */
    for (uint16_t port = 200; port < 300; port++)
        check_from(&i, port, false, port);
    assert_selected(&i, 1);
    assert_int_equal(i.path_count, ICE_PATHS_MAX);
}

static void test_a_broken_path_gives_way(void **state)
{
    struct ice i;
    struct net_path one = path_of(1), two = path_of(2), three = path_of(3);

    (void)state;
    start(&i);
    check_from(&i, 3, false, 1);
    check_from(&i, 1, true, 2);
    check_from(&i, 2, false, 3);
    assert_false(ice_forget(&i, &three));
    assert_selected(&i, 1);
    assert_true(ice_forget(&i, &one));
    assert_selected(&i, 2);
    assert_true(ice_forget(&i, &two));
    assert_null(ice_selected(&i));
    assert_false(ice_forget(&i, &two));
    check_from(&i, 1, false, 9);
    assert_selected(&i, 1);
}

static void test_consent_runs_out(void **state)
{
    struct ice i;

    (void)state;
    start(&i);
    assert_int_equal(ice_deadline(&i), ICE_FIRST_CHECK_US);
    assert_false(ice_is_dead(&i, ICE_FIRST_CHECK_US - 1));
    assert_true(ice_is_dead(&i, ICE_FIRST_CHECK_US));
    check_from(&i, 1, true, 5 * SECOND);
    assert_int_equal(ice_deadline(&i), 5 * SECOND + ICE_CONSENT_US);
    check_from(&i, 2, false, 6 * SECOND);
    assert_int_equal(ice_deadline(&i), 6 * SECOND + ICE_CONSENT_US);
}

static void test_restart_keeps_old_credentials_until_new_ones(void **state)
{
    struct ice i;
    struct rtc_credentials old;
    struct ice_result r;
    char dropped[ICE_UFRAG_BYTES + 1];

    (void)state;
    start(&i);
    check_from(&i, 1, true, 1);
    old = i.local;
    assert_int_equal(ice_restart(&i, &REMOTE, dropped), 0);
    assert_string_equal(dropped, "");
    assert_string_not_equal(old.ufrag, i.local.ufrag);
    assert_int_equal(ice_loop_of_ufrag(i.local.ufrag, ICE_UFRAG_BYTES), LOOP);
    assert_selected(&i, 1);
    r = send_check(&i, (struct check){old, 1, true, NULL}, 2);
    assert_true(r.valid && !r.ended_restart);
    r = check_from(&i, 2, false, 3);
    assert_true(r.valid && r.ended_restart);
    assert_string_equal(r.ended_ufrag, old.ufrag);
    assert_selected(&i, 1); /* until the new way is nominated */
    assert_false(send_check(&i, (struct check){old, 1, true, NULL}, 4).valid);
    check_from(&i, 2, true, 5);
    assert_selected(&i, 2);
    assert_false(check_from(&i, 2, true, 6).ended_restart);
}

static void test_a_second_restart_drops_the_unused_one(void **state)
{
    struct ice i;
    struct rtc_credentials first, second;
    char dropped[ICE_UFRAG_BYTES + 1];

    (void)state;
    start(&i);
    check_from(&i, 1, true, 1);
    first = i.local;
    ice_restart(&i, &REMOTE, dropped);
    second = i.local;
    ice_restart(&i, &REMOTE, dropped);
    assert_string_equal(dropped, second.ufrag);
    assert_false(send_check(&i, (struct check){second, 1, 1, NULL}, 2).valid);
    assert_true(send_check(&i, (struct check){first, 1, 1, NULL}, 3).valid);
    assert_true(check_from(&i, 1, true, 4).ended_restart);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_credentials_name_the_loop),
    cmocka_unit_test(test_valid_check_proves_and_answers),
    cmocka_unit_test(test_strangers_leave_no_trace),
    cmocka_unit_test(test_latest_nomination_is_selected),
    cmocka_unit_test(test_paths_are_bounded),
    cmocka_unit_test(test_a_broken_path_gives_way),
    cmocka_unit_test(test_consent_runs_out),
    cmocka_unit_test(test_restart_keeps_old_credentials_until_new_ones),
    cmocka_unit_test(test_a_second_restart_drops_the_unused_one),
};

HARNESS_MAIN(tests)
