#include "tests/rtmp_live.h"

static void test_dialogue_to_live(void **state)
{
    (void)state;
    if (!go_live()) goto out;
    assert_string_equal(r.app, "live");
    assert_string_equal(r.key, "demo-key");
    assert_true(recorder_said(&r, "NetConnection.Connect.Success"));
    assert_true(recorder_said(&r, "NetStream.Publish.Start"));
    assert_string_equal(rtmp_session_reason(r.session), "");
out:
    recorder_release(&r);
}

static void test_ping_is_answered_and_sent(void **state)
{
    static const uint8_t ping[] = {0, 6, 1, 2, 3, 4};
    static const char pong[] = "\x00\x07\x01\x02\x03\x04";
    struct builder b;
    int64_t next;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_message(&b, 128, 2, RTMP_USER_CONTROL, 0, 0, ping, sizeof ping);
    if (recorder_take(&r, &b, 9 * SECOND)) goto out;
    assert_true(r.out.err ||
                memmem(builder_data(&r.out), r.out.len, pong, 6) != NULL);
    size_t before = r.out.len;
    assert_int_equal(rtmp_session_tick(r.session, 10 * SECOND, &next), 0);
    recorder_pull(&r);
    assert_true(r.out.len > before || r.out.err);
out:
    recorder_release(&r);
}

static void test_deadlines(void **state)
{
    struct builder b;
    int64_t next = 0;

    (void)state;
    if (recorder_init(&r, true)) goto out;
    assert_int_equal(rtmp_session_tick(r.session, 0, &next), 0);
    assert_int_equal(next, 5 * SECOND);
    builder_init(&b, 65536);
    put_handshake(&b);
    if (recorder_take(&r, &b, SECOND)) goto out;
    assert_int_equal(rtmp_session_tick(r.session, SECOND, &next), 0);
    assert_int_equal(next, 10 * SECOND);
    assert_int_equal(rtmp_session_tick(r.session, 10 * SECOND, &next),
                     ERR_TIMEOUT);
    assert_string_equal(rtmp_session_reason(r.session), "no publish in time");
    recorder_release(&r);

    if (!go_live()) goto out;
    assert_int_equal(rtmp_session_tick(r.session, SECOND, &next), 0);
    assert_int_equal(rtmp_session_tick(r.session, 39 * SECOND, &next), 0);
    assert_int_equal(rtmp_session_tick(r.session, 40 * SECOND, &next),
                     ERR_TIMEOUT);
    assert_string_equal(rtmp_session_reason(r.session), "no data");
out:
    recorder_release(&r);
}

static void test_acknowledges_at_the_asked_window(void **state)
{
    static const uint8_t window[] = {0, 0, 0x10, 0};
    static const uint8_t junk[3000] = {0};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_message(&b, 128, 2, RTMP_WINDOW_ACK, 0, 0, window, sizeof window);
    put_message(&b, 128, 4, RTMP_AUDIO, 0, 1, junk, sizeof junk);
    if (recorder_take(&r, &b, 0)) goto out;
    static const char ack[] = "\x02\x00\x00\x00\x00\x00\x04\x03";
    assert_true(r.out.err ||
                memmem(builder_data(&r.out), r.out.len, ack, 8) != NULL);
out:
    recorder_release(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_dialogue_to_live),
    cmocka_unit_test(test_ping_is_answered_and_sent),
    cmocka_unit_test(test_deadlines),
    cmocka_unit_test(test_acknowledges_at_the_asked_window),
};
HARNESS_MAIN(tests)
