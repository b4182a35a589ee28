/* The HTTP side of WHIP and WHEP as clients see it: what RFC 9725 §4 and
 * draft-ietf-wish-whep §4 say of requests, one sentence a case. */
#include "tests/desk_room.h"

#define TRICKLE                                                                \
    "a=ice-ufrag:Wq7k\r\na=ice-pwd:c1vO6hGJzKd0uXgqTn5LbE\r\n"                 \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"                           \
    "a=candidate:1 1 udp 2130706431 192.0.2.9 4444 typ host\r\n"               \
    "a=end-of-candidates\r\n"
#define RESTART(ufrag)                                                         \
    "a=ice-ufrag:" ufrag "\r\na=ice-pwd:anotherpassword0123456789\r\n"

/* --- preflight, methods --------------------------------------------------- */

static void test_preflight(void **state)
{
    static const char *const paths[] = {"/whip/live", "/whip/live/0-123"};
    struct world *w = *state;

    for (int i = 0; i < 2; i++) {
        struct reply r =
            request(&w->rooms[0], "OPTIONS", paths[i],
                    "Origin: https://a.example\r\n"
                    "Access-Control-Request-Method: POST\r\n"
                    "Access-Control-Request-Headers: authorization\r\n"
                    "Access-Control-Request-Private-Network: true\r\n",
                    NULL);
        assert_int_equal(r.status, 200);
        assert_string_equal(field(&r, "accept-post"), "application/sdp");
        assert_string_equal(field(&r, "accept-patch"),
                            "application/trickle-ice-sdpfrag");
        assert_string_equal(field(&r, "access-control-allow-methods"),
                            "POST, PATCH, DELETE, OPTIONS, GET, HEAD");
        assert_string_equal(field(&r, "access-control-allow-headers"),
                            "Authorization, Content-Type, If-Match, Link");
        assert_string_equal(field(&r, "access-control-allow-private-network"),
                            "true");
        assert_string_equal(r.body, "");
    }
    struct reply r = request(&w->rooms[0], "OPTIONS", "/whip/live", NULL, NULL);
    assert_string_equal(field(&r, "access-control-allow-private-network"), "");
}

static void test_methods(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply r = request(room, "HEAD", "/whip/live", NULL, NULL);

    assert_int_equal(r.status, 200);
    assert_string_equal(field(&r, "content-type"), "application/sdp");
    r = request(room, "GET", "/whip/live", NULL, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "");
    r = request(room, "DELETE", "/whip/live", NULL, NULL);
    assert_int_equal(r.status, 405);
    assert_string_equal(field(&r, "allow"), "GET, HEAD, POST, OPTIONS");
    r = patch(room, "/whip/live", "*", TRICKLE);
    assert_int_equal(r.status, 405);
    r = request(room, "PUT", "/whip/live", NULL, NULL);
    assert_int_equal(r.status, 405);
    r = offer(room, "/whip/live/0-1", NULL);
    assert_int_equal(r.status, 405);
    assert_string_equal(field(&r, "allow"),
                        "GET, HEAD, PATCH, DELETE, OPTIONS");
    r = offer(room, "/whip/", NULL);
    assert_int_equal(r.status, 404);
    r = request(room, "GET", "/whip/live/0-1", NULL, NULL);
    assert_int_equal(r.status, 404);
}

/* --- offers --------------------------------------------------------------- */

static void test_create(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply r = offer(room, "/whip/live?x=1&token=a%20b",
                           "X-Forwarded-For: 192.0.2.1, 192.0.2.77\r\n");

    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, answer_text);
    assert_string_equal(field(&r, "content-type"), "application/sdp");
    assert_string_equal(field(&r, "accept-patch"),
                        "application/trickle-ice-sdpfrag");
    /* An absolute path, no query, 128 random bits. */
    assert_int_equal(strncmp(r.location, "/whip/live/0-", 13), 0);
    assert_int_equal(strlen(r.location), 13 + 32);
    assert_null(strchr(r.location, '?'));
    /* A strong tag. */
    assert_int_equal(r.etag[0], '"');
    assert_string_equal(room->bearer, "a b");
    assert_string_equal(room->query, "x=1&token=a%20b");
    assert_string_equal(room->address, "192.0.2.77");
    struct reply other =
        offer(room, "/whip/live", "Authorization: bearer  k\r\n");
    assert_string_equal(room->bearer, "k");
    assert_string_not_equal(other.location, r.location);
    r = request(room, "GET", r.location, NULL, NULL);
    assert_int_equal(r.status, 204);
    /* Parameters of the type do not count; odd names are escaped. */
    char text[SDP_FILE_MAX];
    sdp_file("obs_publish", text);
    r = request(room, "POST", "/whip/li%20v%65",
                "Content-Type: Application/SDP; charset=utf-8\r\n", text);
    assert_string_equal(room->channel, "li ve");
    assert_int_equal(r.status, 404);
}

static void test_bad_offers(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply r =
        request(room, "POST", "/whip/live",
                "Content-Type: application/json\r\n", "{\"sdp\":\"v=0\"}");

    assert_int_equal(r.status, 415);
    assert_string_equal(field(&r, "accept-post"), "application/sdp");
    r = request(room, "POST", "/whip/live", NULL, "v=0\r\n");
    assert_int_equal(r.status, 415);
    r = request(room, "POST", "/whip/live", SDP_TYPE, "v=9\r\n");
    assert_int_equal(r.status, 400);
    assert_string_equal(r.body, "Malformed offer, line 1: an offer begins with "
                                "v=0.\n");
    r = request(room, "POST", "/whip/live", SDP_TYPE, "");
    assert_int_equal(r.status, 400);
    char *large = malloc(SDP_BYTES_MAX + 2);
    if (!large) fail();
    memset(large, 'a', SDP_BYTES_MAX + 1);
    large[SDP_BYTES_MAX + 1] = 0;
    r = request(room, "POST", "/whip/live", SDP_TYPE, large);
    free(large);
    assert_int_equal(r.status, 413);
    assert_int_equal(room->peer_count, 0);
}

static void test_refused_by_room(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply r = offer(room, "/whip/off", NULL);

    assert_int_equal(r.status, 409);
    assert_string_equal(field(&r, "retry-after"), "3");
    assert_string_equal(r.body, "The channel is not live.\n");
    r = offer(room, "/whip/secret", "Authorization: Bearer wrong\r\n");
    assert_int_equal(r.status, 401);
    assert_string_equal(field(&r, "www-authenticate"), "Bearer");
    assert_string_equal(field(&r, "retry-after"), "");
    r = offer(room, "/whip/secret", "Authorization: Basic a2V5\r\n");
    assert_int_equal(r.status, 401);
    r = offer(room, "/whip/vp8", NULL);
    assert_int_equal(r.status, 406);
    r = offer(room, "/whip/nowhere", NULL);
    assert_int_equal(r.status, 404);
}

/* --- sessions ------------------------------------------------------------- */

static void test_trickle(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply s = offer(room, "/whip/live", NULL);
    char weak[80], list[160];

    struct reply r = patch(room, s.location, s.etag, TRICKLE);
    assert_int_equal(r.status, 204);
    assert_string_equal(r.etag, "");
    r = patch(room, s.location, s.etag, "a=end-of-candidates\r\n");
    assert_int_equal(r.status, 204);
    snprintf(list, sizeof list, "\"x\", %s", s.etag);
    assert_int_equal(patch(room, s.location, list, TRICKLE).status, 204);
    assert_int_equal(patch(room, s.location, NULL, TRICKLE).status, 428);
    assert_int_equal(patch(room, s.location, "\"x\"", TRICKLE).status, 412);
    snprintf(weak, sizeof weak, "W/%s", s.etag);
    assert_int_equal(patch(room, s.location, weak, TRICKLE).status, 412);
    r = request(room, "PATCH", s.location, SDP_TYPE "If-Match: *\r\n", TRICKLE);
    assert_int_equal(r.status, 415);
    assert_string_equal(field(&r, "accept-patch"),
                        "application/trickle-ice-sdpfrag");
    assert_int_equal(patch(room, s.location, s.etag, "hello").status, 400);
    assert_int_equal(patch(room, s.location, s.etag, "").status, 400);
    assert_int_equal(patch(room, "/whip/live/0-1", s.etag, TRICKLE).status,
                     404);
    assert_int_equal(patch(room, "/whip/live/9-1", s.etag, TRICKLE).status,
                     404);
}

static void test_restart(void **state)
{
    static const char *const any[] = {"*", "\"*\""};
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply s = offer(room, "/whip/live", NULL), r;
    char last[RTC_UFRAG_MAX + 1] = "";
    struct sdp_fragment f;
    char why[160];

    /* Without new credentials there is nothing to restart with. */
    r = patch(room, s.location, "*", "a=end-of-candidates\r\n");
    assert_int_equal(r.status, 422);
    r = patch(room, s.location, "*", "a=ice-ufrag:Nobody\r\n");
    assert_int_equal(r.status, 422);
    for (int i = 0; i < 2; i++) {
        r = patch(room, s.location, any[i],
                  i ? RESTART("new1") : RESTART("new0"));
        assert_int_equal(r.status, 200);
        assert_string_equal(field(&r, "content-type"),
                            "application/trickle-ice-sdpfrag");
        assert_string_not_equal(r.etag, s.etag);
        const struct rtc_credentials *local =
            rtc_peer_credentials(room->peers[0]);
        assert_string_not_equal(local->ufrag, last);
        snprintf(last, sizeof last, "%s", local->ufrag);
        assert_int_equal(sdp_fragment_parse(&f, r.body, strlen(r.body), why),
                         0);
        assert_true(sdp_is(f.ufrag, local->ufrag));
        assert_true(sdp_is(f.pwd, local->pwd));
        assert_int_equal(f.candidates, 2);
        assert_true(f.end_of_candidates);
        assert_non_null(strstr(r.body, "a=ice-lite\r\n"));
    }
    /* The old tag and the old generation are over. */
    assert_int_equal(patch(room, s.location, s.etag, TRICKLE).status, 412);
    assert_int_equal(
        patch(room, s.location, r.etag, "a=ice-ufrag:new1\r\n").status, 204);
    /* With the tag, new credentials say it as well. */
    r = patch(room, s.location, r.etag, RESTART("new2"));
    assert_int_equal(r.status, 200);
    assert_int_equal(
        patch(room, s.location, r.etag, "a=ice-ufrag:new2\r\n").status, 204);
}

static void test_delete(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply s = offer(room, "/whip/live", NULL);

    assert_int_equal(
        request(room, "DELETE", s.location, "If-Match: \"x\"\r\n", NULL).status,
        200);
    assert_int_equal(room->deleted, 1);
    /* Whoever did not hear that asks again. */
    assert_int_equal(request(room, "DELETE", s.location, NULL, NULL).status,
                     200);
    assert_int_equal(room->deleted, 1);
    assert_int_equal(patch(room, s.location, s.etag, TRICKLE).status, 404);
    assert_int_equal(request(room, "DELETE",
                             "/whip/live/0-0123456789abcdef0123456789abcdef",
                             NULL, NULL)
                         .status,
                     404);
    assert_int_equal(
        request(room, "DELETE", "/whip/live/nonsense", NULL, NULL).status, 404);
}

static void forget_first(struct room *r)
{
    rtc_desk_forget(r->desk, &r->peers[0]);
    rtc_desk_forget(r->desk, &r->peers[0]);
    rtc_desk_connected(r->desk, &r->peers[0]);
}

static void test_forgotten(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply s = offer(room, "/whip/live", NULL);

    on_loop(room, forget_first);
    assert_int_equal(patch(room, s.location, s.etag, TRICKLE).status, 404);
    assert_int_equal(request(room, "DELETE", s.location, NULL, NULL).status,
                     200);
    assert_int_equal(room->deleted, 0);
}

/* Who came with a token shows it again. One of the query cannot: Location has
 * none. */
static void test_token(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply s =
        offer(room, "/whip/secret", "Authorization: Bearer key\r\n");

    assert_int_equal(s.status, 201);
    struct reply r = request(room, "DELETE", s.location, NULL, NULL);
    assert_int_equal(r.status, 401);
    assert_string_equal(field(&r, "www-authenticate"), "Bearer");
    assert_int_equal(request(room, "DELETE", s.location,
                             "Authorization: Bearer other\r\n", NULL)
                         .status,
                     401);
    assert_int_equal(patch(room, s.location, s.etag, TRICKLE).status, 401);
    assert_int_equal(request(room, "OPTIONS", s.location, NULL, NULL).status,
                     200);
    assert_int_equal(room->deleted, 0);
    assert_int_equal(request(room, "DELETE", s.location,
                             "Authorization: Bearer key\r\n", NULL)
                         .status,
                     200);
    s = offer(room, "/whip/secret?token=key", NULL);
    assert_int_equal(s.status, 201);
    assert_int_equal(request(room, "DELETE", s.location, NULL, NULL).status,
                     200);
}

/* --- limits --------------------------------------------------------------- */

static void connect_all(struct room *r)
{
    for (int i = 0; i < r->peer_count; i++)
        rtc_desk_connected(r->desk, &r->peers[i]);
}

static void test_pending_per_address(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];

    for (int i = 0; i < PER_ADDRESS; i++)
        assert_int_equal(
            offer(room, "/whip/live", "X-Forwarded-For: 192.0.2.1\r\n").status,
            201);
    struct reply r =
        offer(room, "/whip/live", "X-Forwarded-For: 192.0.2.1\r\n");
    assert_int_equal(r.status, 429);
    assert_true(atoi(field(&r, "retry-after")) > 0);
    assert_int_equal(
        offer(room, "/whip/live", "X-Forwarded-For: 192.0.2.2\r\n").status,
        201);
    /* A refusal takes no place. */
    for (int i = 0; i < 2 * PER_ADDRESS; i++)
        assert_int_equal(
            offer(room, "/whip/off", "X-Forwarded-For: 192.0.2.3\r\n").status,
            409);
    /* A connected session is no longer pending. */
    on_loop(room, connect_all);
    assert_int_equal(
        offer(room, "/whip/live", "X-Forwarded-For: 192.0.2.1\r\n").status,
        201);
}

static void test_pending_in_all(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    struct reply r = {0};

    /* Loopback is not counted by address. */
    for (int i = 0; i < PENDING; i++)
        assert_int_equal((r = offer(room, "/whip/live", NULL)).status, 201);
    struct reply full = offer(room, "/whip/live", NULL);
    assert_int_equal(full.status, 503);
    assert_true(atoi(field(&full, "retry-after")) > 0);
    request(room, "DELETE", r.location, NULL, NULL);
    assert_int_equal(offer(room, "/whip/live", NULL).status, 201);
    on_loop(room, connect_all);
    for (int i = PENDING; i < ALL; i++)
        assert_int_equal(offer(room, "/whip/live", NULL).status, 201);
    assert_int_equal(offer(room, "/whip/live", NULL).status, 503);
}

/* --- answers that come later ---------------------------------------------- */

static void accept_held(struct room *r)
{
    struct rtc_ticket *t = r->held;

    r->held = NULL;
    accept_ticket(r, t);
}

static void test_later(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    char text[SDP_FILE_MAX];
    struct reply r;
    int fd = dial(room);

    sdp_file("chromium_publish", text);
    ask(fd, "POST", "/whip/later", SDP_TYPE, text);
    await(&room->holding, 1);
    on_loop(room, accept_held);
    hear(fd, false, &r);
    assert_int_equal(r.status, 201);
    close(fd);
}

static void test_abandoned(void **state)
{
    struct world *w = *state;
    struct room *room = &w->rooms[0];
    char text[SDP_FILE_MAX];

    sdp_file("chromium_publish", text);
    for (int i = 0; i < 2 * PENDING; i++) { /* places are given back */
        int fd = dial(room);
        ask(fd, "POST", "/whip/later", SDP_TYPE, text);
        await(&room->holding, i + 1);
        close(fd);
        await(&room->abandoned, i + 1);
    }
    assert_null(room->held);
}

/* --- sessions of the other loop ------------------------------------------- */

static void test_other_loop(void **state)
{
    struct world *w = *state;
    struct room *here = &w->rooms[0], *there = &w->rooms[1];
    struct reply s =
        offer(there, "/whip/secret", "Authorization: Bearer key\r\n");
    char headers[256];

    assert_int_equal(strncmp(s.location, "/whip/secret/1-", 15), 0);
    snprintf(headers, sizeof headers,
             FRAGMENT_TYPE "Authorization: Bearer key\r\nIf-Match: %s\r\n",
             s.etag);
    assert_int_equal(
        request(here, "PATCH", s.location, headers, TRICKLE).status, 204);
    assert_int_equal(patch(here, s.location, s.etag, TRICKLE).status, 401);
    struct reply r =
        request(here, "PATCH", s.location, headers, RESTART("new0"));
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "a=ice-ufrag:"));
    assert_string_not_equal(r.etag, s.etag);
    assert_int_equal(request(here, "DELETE", s.location,
                             "Authorization: Bearer key\r\n", NULL)
                         .status,
                     200);
    assert_int_equal(there->deleted, 1);
    assert_int_equal(here->deleted, 0);
    assert_int_equal(request(here, "GET", s.location, NULL, NULL).status, 404);
}

static void stand_still(void *arg)
{
    sem_wait(&((struct room *)arg)->gate);
}

static void nothing(struct room *r)
{
    (void)r;
}

/* The client goes away while the other loop is busy: what was asked for
 * happens, nobody is told. */
static void test_other_loop_abandoned(void **state)
{
    struct world *w = *state;
    struct room *here = &w->rooms[0], *there = &w->rooms[1];
    struct reply s = offer(there, "/whip/live", NULL);
    int kept = dial(here), lost = dial(here);
    struct reply r;

    assert_int_equal(loop_post(there->loop, stand_still, there), 0);
    ask(lost, "DELETE", s.location, NULL, NULL);
    close(lost);
    ask(kept, "DELETE", s.location, NULL, NULL);
    on_loop(here, nothing);
    sem_post(&there->gate);
    hear(kept, false, &r);
    assert_int_equal(r.status, 200);
    close(kept);
    await(&there->deleted, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
    CASE(test_preflight),
    CASE(test_methods),
    CASE(test_create),
    CASE(test_bad_offers),
    CASE(test_refused_by_room),
    CASE(test_trickle),
    CASE(test_restart),
    CASE(test_delete),
    CASE(test_forgotten),
    CASE(test_token),
    CASE(test_pending_per_address),
    CASE(test_pending_in_all),
    CASE(test_later),
    CASE(test_abandoned),
    CASE(test_other_loop),
    CASE(test_other_loop_abandoned),
};
HARNESS_MAIN(tests)
