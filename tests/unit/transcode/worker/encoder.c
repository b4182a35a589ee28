#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "tests/job_rig.h"

/* A viewer's decoder that waited for reordering would add a frame or more. */
static void test_the_config_says_nothing_is_reordered(void **state)
{
    struct h264_params p;
    struct h264_sps sps;

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    give_frame(0, 0);
    finish();
    const struct wire_record *t = track_of(67);
    assert_non_null(t);
    assert_int_equal(h264_avcc_parse(&p, t->payload.data, t->payload.len), 0);
    assert_int_equal(h264_sps_parse(&sps, p.sps[0].data, p.sps[0].len), 0);
    assert_int_equal(sps.reorder_frames, 0);
    clean_up();
}

static void test_payloads_are_length_prefixed_idrs(void **state)
{
    struct h264_unit u;

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    for (int i = 0; i < 40; i++)
        give_frame(i, 0);
    finish();
    int frames = 0;
    for (int i = 0; i < rig.count; i++) {
        const struct wire_record *r = &rig.got[i];
        if (r->type != WIRE_FRAME) continue;
        assert_int_equal(h264_scan(&u, 4, r->payload.data, r->payload.len), 0);
        assert_int_equal(u.idr, frames == 0);
        assert_int_equal(u.slices, 1);
        assert_int_equal(u.params.sps_count, 0);
        frames++;
    }
    assert_int_equal(frames, 40);
    clean_up();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_config_says_nothing_is_reordered),
    cmocka_unit_test(test_payloads_are_length_prefixed_idrs),
};
HARNESS_MAIN(tests)
