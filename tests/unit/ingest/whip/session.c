/* Publishers over a line in simulated time, from RTP to frames. */
#include "tests/harness.h"

#include <stdio.h>

#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "ingest/whip/session.h"
#include "tests/rtp_sender.h"

enum { MS = 1000, SECOND = 1000000, STEP = MS, FRAME_US = 40 * MS };

#define WALL ((int64_t)1700000000 * SECOND)

/* A publisher, a line each way and the session, with what came of it. */
struct scene {
    struct sender sender;
    struct line up, down;
    struct whip_session *session;
    struct rtc_negotiated negotiated;
    int64_t now, began;
    bool audio, reports;
    int64_t audio_late_us; /* behind video on the line */
    /* seen */
    int video_tracks, audio_tracks, keys, video, opus, spoilt;
    uint32_t width;
    int64_t number, gaps;
    int64_t video_us, audio_us, last_dts;
    int64_t longest_us, frame_at; /* between frames */
};

static void on_track(int slot, const struct track_info *info,
                     struct slice config, void *arg)
{
    struct scene *c = arg;
    struct h264_params p;
    struct h264_sps sps;

    if (slot == WHIP_SLOT_AUDIO) {
        assert_int_equal(info->codec, CODEC_OPUS);
        c->audio_tracks++;
        return;
    }
    assert_int_equal(h264_avcc_parse(&p, config.data, config.len), 0);
    assert_int_equal(h264_sps_parse(&sps, p.sps[0].data, p.sps[0].len), 0);
    c->width = sps.width;
    c->video_tracks++;
}

static void on_frame(const struct publisher_frame *f, void *arg)
{
    struct scene *c = arg;
    int64_t number;

    if (f->slot == WHIP_SLOT_AUDIO) {
        assert_int_equal(c->audio_tracks, 1);
        c->opus++;
        c->audio_us = f->pts_us - c->now;
        return;
    }
    assert_true(c->video_tracks > 0);
    if (c->video) {
        assert_true(f->dts_us > c->last_dts);
        if (c->now - c->frame_at > c->longest_us)
            c->longest_us = c->now - c->frame_at;
    } else {
        assert_true(f->key);
    }
    c->frame_at = c->now;
    c->last_dts = f->dts_us;
    number = sender_check(f->payload.data, f->payload.len, f->key);
    if (number < 0) c->spoilt++;
    /* after a hole comes a keyframe */
    if (!f->key && c->video && number != c->number + 1) c->spoilt++;
    if (c->video && number != c->number + 1) c->gaps++;
    c->number = number;
    c->video++;
    c->keys += f->key;
    c->video_us = f->pts_us - c->now;
}

static void on_rtcp(const uint8_t *data, size_t len, void *arg)
{
    struct scene *c = arg;

    line_put(&c->down, c->now, data, len);
}

static void agree(struct scene *c)
{
    struct rtc_negotiated *n = &c->negotiated;

    *n = (struct rtc_negotiated){0};
    n->video.used = n->video.nack = n->video.pli = true;
    n->video.h264[0] = (struct rtc_h264){VIDEO_PT, RTX_PT, 66, 0xc0};
    n->video.h264_count = 1;
    n->audio.used = true;
    n->audio.opus_payload_type = OPUS_PT;
}

static void agree_on_rids(struct scene *c)
{
    c->sender.rids = true;
    c->sender.layer_count = 3;
    c->negotiated.video.rid_count = 3;
    for (int i = 0; i < 3; i++)
        snprintf(c->negotiated.video.rids[i], 32, "%c", 'a' + i);
    c->negotiated.video.extensions.rid = RID_ID;
    c->negotiated.video.extensions.repaired_rid = REPAIRED_ID;
}

static struct scene *scene(void)
{
    static struct scene c;

    memset(&c, 0, sizeof c);
    sender_init(&c.sender, &c.up);
    c.up.delay_us = c.down.delay_us = 5 * MS;
    c.up.seed = 5;
    c.down.seed = 9;
    c.began = c.now = 1000 * (int64_t)SECOND;
    agree(&c);
    return &c;
}

static int start(struct scene *c, const char *sprop)
{
    struct whip_session_conf conf = {
        .negotiated = &c->negotiated,
        .sprop = {sprop, sprop ? strlen(sprop) : 0},
        .ssrc = 99,
        .events = {on_track, on_frame, on_rtcp, c},
    };
    int err = whip_session_create(&c->session, &conf);

    if (!err) whip_session_start(c->session, c->now);
    return err;
}

static void arrive(uint8_t *data, size_t len, int64_t now, void *arg)
{
    struct scene *c = arg;

    if (rtp_classify(data, len) == RTP_CONTROL)
        whip_session_rtcp(c->session, data, len, now);
    else
        whip_session_rtp(c->session, data, len, now);
}

static void arrive_back(uint8_t *data, size_t len, int64_t now, void *arg)
{
    struct scene *c = arg;

    sender_feedback(&c->sender, data, len, now);
}

/* Time goes on; the session ticks when it said it would. */
static void step(struct scene *c)
{
    line_take(&c->up, c->now, arrive, c);
    if (whip_session_due_at(c->session, c->now) <= c->now)
        whip_session_tick(c->session, c->now);
    line_take(&c->down, c->now, arrive_back, c);
    c->now += STEP;
}

static void play(struct scene *c, int64_t span_us)
{
    for (int64_t end = c->now + span_us; c->now < end;) {
        int64_t at = c->now - c->began;
        if (at % FRAME_US == 0)
            for (int i = 0; i < c->sender.layer_count; i++)
                sender_frame(&c->sender, i, at, c->now);
        if (c->audio && at % (20 * MS) == 0)
            sender_audio(&c->sender, at, c->now + c->audio_late_us);
        if (c->reports && at % SECOND == 500 * MS)
            sender_reports(&c->sender, at, WALL + at, c->now);
        step(c);
    }
}

static void run_dry(struct scene *c)
{
    for (int i = 0; i < 400; i++)
        step(c);
}

static struct whip_session_counts counts(const struct scene *c)
{
    struct whip_session_counts n;

    whip_session_counts(c->session, &n);
    return n;
}

static void test_all_is_well(void **state)
{
    struct scene *c = scene();

    (void)state;
    c->audio = c->reports = true;
    c->audio_late_us = 60 * MS;
    c->sender.twcc = true;
    c->negotiated.video.transport_cc = true;
    c->negotiated.video.extensions.transport_cc = TWCC_ID;
    if (start(c, NULL)) return;
    play(c, 8 * SECOND);
    run_dry(c);
    if (c->video_tracks && c->opus && c->spoilt == 0) {
        assert_int_equal(c->video, 200);
        assert_int_equal(c->keys, 1);
        assert_int_equal(c->opus, 400);
        assert_int_equal(c->video_tracks, 1);
        assert_int_equal(c->width, 320);
        assert_true(c->sender.reports >= 7);
        assert_true(c->sender.feedback >= 8 * 9);
        assert_int_equal(c->sender.remb, 0);
        assert_int_equal(counts(c).plis, 0);
        assert_int_equal(counts(c).unknown, 0);
        /* audio that comes 60 ms late belongs beside its picture */
        int64_t apart = c->video_us - (c->audio_us + 60 * MS);
        assert_true(apart > -6 * MS && apart < 6 * MS);
    }
    whip_session_free(&c->session);
}

/* 5 % loss, 40 ms each way, some out of order; repair on the same SSRC. */
static void test_lossy_line(void **state)
{
    struct scene *c = scene();

    (void)state;
    c->reports = true;
    c->up.delay_us = c->down.delay_us = 40 * MS;
    c->up.loss_percent = c->down.loss_percent = 5;
    c->up.reorder_us = 3 * MS;
    c->negotiated.video.remb = true;
    if (start(c, NULL)) return;
    play(c, 60 * SECOND);
    run_dry(c);
    if (c->video) {
        struct whip_session_counts n = counts(c);
        int64_t rtt_us;
        double jitter_s;
        int layer;
        whip_session_line(c->session, &jitter_s, &rtt_us, &layer);
        assert_int_equal(c->spoilt, 0);
        assert_true(c->video > 1450); /* of 1500 */
        assert_true(n.nacked > 250);
        assert_true(n.recovered > n.lost * 20);
        assert_true(n.plis < 30);
        assert_true(rtt_us > 80 * MS && rtt_us < 130 * MS);
        assert_true(jitter_s > 0.0001 && jitter_s < 0.003);
        assert_true(c->sender.remb > 50);
        assert_int_equal(whip_session_end(c->session), NULL);
    }
    whip_session_free(&c->session);
}

static void test_lossy_line_with_rtx(void **state)
{
    struct scene *c = scene();

    (void)state;
    c->sender.rtx = true;
    c->up.delay_us = c->down.delay_us = 40 * MS;
    c->up.loss_percent = c->down.loss_percent = 5;
    if (start(c, NULL)) return;
    play(c, 30 * SECOND);
    run_dry(c);
    if (c->video) {
        assert_int_equal(c->spoilt, 0);
        assert_true(c->video > 720); /* of 750 */
        assert_true(counts(c).recovered > counts(c).lost * 20);
        assert_int_equal(counts(c).unknown, 0);
    }
    whip_session_free(&c->session);
}

/* Without repair, a picture that lacks a part stops all up to the keyframe
 * that was asked for: half a second and two ways at most, or a second more if
 * that request was lost. */
static void test_loss_without_nack(void **state)
{
    struct scene *c = scene();

    (void)state;
    c->negotiated.video.nack = false;
    c->up.loss_percent = 1;
    if (start(c, NULL)) return;
    play(c, 30 * SECOND);
    if (c->video) {
        struct whip_session_counts n = counts(c);
        assert_int_equal(c->spoilt, 0);
        assert_int_equal(n.nacked, 0);
        assert_true(n.lost > 10 && n.plis > 10);
        assert_true(c->keys > 8);
        assert_true(c->longest_us < 4 * SECOND);
    }
    whip_session_free(&c->session);
}

/* Wishes are coalesced; the first after a quiet time goes at once. */
static void test_wishes(void **state)
{
    struct scene *c = scene();

    (void)state;
    if (start(c, NULL)) return;
    play(c, 2 * SECOND);
    if (c->video) {
        for (int i = 0; i < 20; i++) {
            whip_session_want_key(c->session, c->now);
            play(c, 100 * MS);
            if (i == 0) assert_int_equal(c->sender.layers[0].plis, 1);
        }
        assert_true(c->sender.layers[0].plis >= 3);
        assert_true(c->sender.layers[0].plis <= 5);
    }
    whip_session_free(&c->session);
}

static void test_layers(void **state)
{
    struct scene *c = scene();

    (void)state;
    agree_on_rids(c);
    if (start(c, NULL)) return;
    play(c, 4 * SECOND);
    if (c->width == 0 || c->spoilt) goto out;
    assert_int_equal(c->width, 1280);
    assert_true(counts(c).switches <= 2);
    int tracks = c->video_tracks;
    c->sender.layers[2].on = false;
    play(c, 3 * SECOND);
    assert_int_equal(c->width, 640);
    assert_int_equal(c->video_tracks, tracks + 1);
    assert_true(c->longest_us < 2 * SECOND);
    c->sender.layers[2].on = true; /* back: trusted after two seconds */
    play(c, SECOND);
    assert_int_equal(c->width, 640);
    play(c, 2 * SECOND);
    assert_int_equal(c->width, 1280);
    assert_int_equal(whip_session_end(c->session), NULL);
out:
    whip_session_free(&c->session);
}

/* Older simulcast: layers without a name, known by their SSRCs. */
static void test_layers_by_ssrc(void **state)
{
    struct scene *c = scene();

    (void)state;
    c->sender.layer_count = 3;
    if (start(c, NULL)) return;
    play(c, 4 * SECOND);
    if (c->width && !c->spoilt) assert_int_equal(c->width, 1280);
    whip_session_free(&c->session);
}

/* An encoder that says its sets in the offer only. */
static void test_sets_of_the_offer(void **state)
{
    struct scene *c = scene();

    (void)state;
    c->sender.sets_in_band = false;
    if (start(c, "Z0LAH/QKCsg=,aM44gA==")) return;
    play(c, SECOND);
    if (c->video) {
        assert_true(c->video >= 24);
        assert_int_equal(c->video_tracks, 1);
    }
    whip_session_free(&c->session);
    c = scene();
    c->sender.sets_in_band = false;
    if (start(c, ",,Z0L!,====,aM44gA==,AAAA")) return;
    play(c, SECOND);
    assert_int_equal(c->video, 0);
    whip_session_free(&c->session);
}

/* I P B, as an encoder sends that was not told to leave B-frames out. */
static void test_reordered_frames(void **state)
{
    static const int order[] = {2, 1};
    struct scene *c = scene();

    (void)state;
    if (start(c, NULL)) return;
    sender_frame(&c->sender, 0, 0, c->now);
    for (int i = 0; i < 100; i++) {
        int64_t shown = (i / 2 * 2 + order[i % 2]) * FRAME_US;
        for (int64_t end = c->now + FRAME_US; c->now < end;)
            step(c);
        sender_frame(&c->sender, 0, shown, c->now);
    }
    run_dry(c);
    if (c->video) {
        assert_int_equal(c->video, 101);
        assert_int_equal(counts(c).deeper, 1);
    }
    whip_session_free(&c->session);
}

static void test_ends(void **state)
{
    struct scene *c = scene();
    struct builder b;

    (void)state;
    if (start(c, NULL)) return;
    for (int i = 0; i < 9990; i++)
        step(c);
    assert_int_equal(whip_session_end(c->session), NULL);
    run_dry(c);
    assert_string_equal(whip_session_end(c->session), "no media within 10 s");
    whip_session_free(&c->session);

    c = scene();
    if (start(c, NULL)) return;
    play(c, SECOND);
    for (int i = 0; i < 29000; i++)
        step(c);
    assert_int_equal(whip_session_end(c->session), NULL);
    for (int i = 0; i < 1500; i++)
        step(c);
    assert_string_equal(whip_session_end(c->session), "silent for 30 s");
    whip_session_free(&c->session);

    c = scene();
    c->audio = true;
    if (start(c, NULL)) return;
    play(c, SECOND);
    run_dry(c);
    for (int i = 0; i < 2; i++) { /* one has left: not yet; both: over */
        builder_init(&b, RTCP_MAX);
        rtcp_write_bye(&b, i ? c->sender.layers[0].ssrc : c->sender.audio_ssrc);
        if (!b.err)
            whip_session_rtcp(c->session, builder_data(&b), b.len, c->now);
        bool sent = !b.err;
        builder_release(&b);
        for (int k = 0; k < 1500; k++)
            step(c);
        if (!sent || !c->video || !c->opus) break;
        if (i)
            assert_string_equal(whip_session_end(c->session), "RTCP BYE");
        else
            assert_int_equal(whip_session_end(c->session), NULL);
    }
    whip_session_free(&c->session);
}

/* Formats nobody agreed on, and what is no RTP. */
static void test_strangers(void **state)
{
    struct scene *c = scene();
    uint8_t packet[64];

    (void)state;
    if (start(c, NULL)) return;
    size_t n = sender_header(&c->sender, packet, 63, false, 1, 2, 3, 0, 0);
    whip_session_rtp(c->session, packet, n + 4, c->now);
    whip_session_rtp(c->session, packet, 7, c->now);
    n = sender_header(&c->sender, packet, RTX_PT, false, 1, 2, 3, 0, 0);
    whip_session_rtp(c->session, packet, n + 4, c->now);
    assert_int_equal(counts(c).unknown, 3);
    assert_false(whip_session_has_media(c->session));
    for (int i = 0; i < 11000; i++)
        step(c);
    assert_string_equal(whip_session_end(c->session),
                        "no media of the agreed formats within 10 s");
    whip_session_free(&c->session);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_all_is_well),
    cmocka_unit_test(test_lossy_line),
    cmocka_unit_test(test_lossy_line_with_rtx),
    cmocka_unit_test(test_loss_without_nack),
    cmocka_unit_test(test_wishes),
    cmocka_unit_test(test_layers),
    cmocka_unit_test(test_layers_by_ssrc),
    cmocka_unit_test(test_sets_of_the_offer),
    cmocka_unit_test(test_reordered_frames),
    cmocka_unit_test(test_ends),
    cmocka_unit_test(test_strangers),
};
HARNESS_MAIN(tests)
