#include "tests/rtmp_live.h"

static void check_key(const char *app, const char *name, const char *want)
{
    struct builder b;

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_to_publish(&b, app, name);
    if (!recorder_take(&r, &b, 0)) assert_string_equal(r.key, want);
    recorder_release(&r);
}

static void test_where_the_key_may_be(void **state)
{
    char longest[300];

    (void)state;
    check_key("live", "k-1", "k-1");
    check_key("live/inst", "k-1?user=a&token=b", "k-1");
    check_key("live?vhost=x", "/k-1/", "k-1");
    check_key("live/k-1", "", "k-1");
    check_key("live/k-1/?x=y", NULL, "k-1");
    check_key("live", "", "");
    check_key("live", "a%2Fb%zz%", "a/b%zz%");
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    check_key("live", longest, "");
}

static void check_priority(const char *app, const char *name, int32_t want)
{
    struct builder b;

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_to_publish(&b, app, name);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_string_equal(r.key, "k-1");
    assert_int_equal(rtmp_session_priority(r.session), want);
out:
    recorder_release(&r);
}

static void test_priorities(void **state)
{
    struct builder b;

    (void)state;
    check_priority("live", "k-1", 0);
    check_priority("live", "k-1?priority=2", 2);
    check_priority("live", "k-1?clientConfigId=x&priority=2147483647",
                   2147483647);
    check_priority("live/k-1?priority=3", "", 3);
    check_priority("live?priority=3", "k-1", 0); /* not the key's */

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "k-1?priority=first");
    if (recorder_take(&r, &b, 0)) goto out;
    assert_string_equal(r.key, "");
    assert_int_equal(rtmp_session_state(r.session), RTMP_CLOSING);
    assert_true(recorder_said(&r, "NetStream.Publish.BadName"));
    assert_true(recorder_said(&r, "from 0 to 2147483647"));
out:
    recorder_release(&r);
}

static void test_start_waits_for_the_answer(void **state)
{
    struct builder b;

    (void)state;
    if (recorder_init(&r, false)) goto out;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "demo-key");
    /* an impatient client: media in the same packet */
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, test_idr);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(rtmp_session_state(r.session), RTMP_ASKED);
    assert_false(rtmp_session_wants_read(r.session));
    assert_false(recorder_said(&r, "Publish.Start"));
    assert_int_equal(r.frames[0], 0);
    if (rtmp_session_accept(r.session, SECOND)) goto out;
    recorder_pull(&r);
    assert_true(recorder_said(&r, "Publish.Start") || r.out.err);
    assert_int_equal(r.tracks, 1);
    assert_int_equal(r.frames[0], 1);
    assert_true(rtmp_session_wants_read(r.session));
out:
    recorder_release(&r);
}

static void test_wrong_key(void **state)
{
    struct builder b;
    int64_t next;

    (void)state;
    if (recorder_init(&r, false)) goto out;
    r.refuse = true;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "nope");
    put_video(&b, 0, test_avcc);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(rtmp_session_state(r.session), RTMP_CLOSING);
    assert_true(recorder_said(&r, "NetStream.Publish.BadName"));
    assert_false(recorder_said(&r, "Publish.Start"));
    assert_int_equal(r.tracks, 0);
    assert_int_equal(rtmp_session_error(r.session), ERR_DENIED);
    assert_int_equal(rtmp_session_tick(r.session, 3 * SECOND, &next),
                     ERR_TIMEOUT);
out:
    recorder_release(&r);
}

static void test_unknown_calls_are_answered(void **state)
{
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    size_t before = r.out.len;
    builder_init(&b, 65536);
    put_call(&b, 0, "fancyThing", 9, "x");
    if (recorder_take(&r, &b, 0)) goto out;
    assert_true(recorder_said(&r, "NetConnection.Call.Failed"));
    before = r.out.len;
    builder_init(&b, 65536);
    put_call(&b, 0, "notify", 0, "x");
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.out.len, before);
out:
    recorder_release(&r);
}

static void test_unpublish_and_publish_again(void **state)
{
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_video(&b, 100, test_avcc);
    put_video(&b, 100, test_idr);
    put_call(&b, 0, "FCUnpublish", 6, "demo-key");
    put_call(&b, 0, "deleteStream", 7, NULL);
    put_video(&b, 133, test_delta); /* a straggler */
    put_call(&b, 1, "publish", 8, "other-key");
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, test_idr);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.unpublished, 1);
    assert_string_equal(r.key, "other-key");
    assert_int_equal(r.tracks, 2);
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(rtmp_session_state(r.session), RTMP_LIVE);
out:
    recorder_release(&r);
}

static void test_commands_before_connect_fail(void **state)
{
    struct builder b;

    (void)state;
    if (recorder_init(&r, true)) goto out;
    builder_init(&b, 65536);
    put_handshake(&b);
    put_call(&b, 1, "publish", 5, "demo-key");
    int err = recorder_take(&r, &b, 0);
    assert_true(err == ERR_ORDER || err == ERR_NOMEM);
    assert_int_equal(rtmp_session_state(r.session), RTMP_FAILED);
    assert_string_equal(r.key, "");
out:
    recorder_release(&r);
}

/* 1: it knows the request; another bit, none, or nonsense: it does not. */
static void check_ask_away(double caps, bool asked)
{
    struct builder b;

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_handshake(&b);
    put_connect_caps(&b, "live", caps);
    put_call(&b, 1, "publish", 5, "demo-key");
    if (recorder_take(&r, &b, 0)) goto out;
    rtmp_session_ask_away(r.session, "the server is shutting down");
    recorder_pull(&r);
    assert_int_equal(rtmp_session_state(r.session), RTMP_LIVE);
    if (r.out.err) goto out;
    assert_int_equal(recorder_said(&r, "Connect.ReconnectRequest"), asked);
    rtmp_session_close(r.session, "the server is shutting down");
    recorder_pull(&r);
    assert_int_equal(rtmp_session_state(r.session), RTMP_CLOSING);
out:
    recorder_release(&r);
}

static void test_who_can_is_asked_to_reconnect(void **state)
{
    (void)state;
    check_ask_away(1, true);
    check_ask_away(15, true);
    check_ask_away(14, false);
    check_ask_away(-1, false);
    check_ask_away(1e300, false);
    check_ask_away(NAN, false);
}

static void test_who_does_not_publish_is_not_asked(void **state)
{
    struct builder b;

    (void)state;
    if (recorder_init(&r, true)) goto out;
    builder_init(&b, 65536);
    put_handshake(&b);
    put_connect_caps(&b, "live", 1);
    if (recorder_take(&r, &b, 0)) goto out;
    rtmp_session_ask_away(r.session, "the server is shutting down");
    recorder_pull(&r);
    assert_false(recorder_said(&r, "ReconnectRequest"));
out:
    recorder_release(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_who_can_is_asked_to_reconnect),
    cmocka_unit_test(test_who_does_not_publish_is_not_asked),
    cmocka_unit_test(test_where_the_key_may_be),
    cmocka_unit_test(test_priorities),
    cmocka_unit_test(test_start_waits_for_the_answer),
    cmocka_unit_test(test_wrong_key),
    cmocka_unit_test(test_unknown_calls_are_answered),
    cmocka_unit_test(test_unpublish_and_publish_again),
    cmocka_unit_test(test_commands_before_connect_fail),
};
HARNESS_MAIN(tests)
