/* tests/protocol/day_ts.c — 24 hours of a transport stream whose clock is 100
 * ppm too slow, over the wrap of its 33 bits. */
#include "tests/day.h"

#include "tests/ts_bytes.h"

static struct day day;
static struct demux *demux;
static struct ts_writer writer;

static void on_unsupported(uint16_t pid, enum content c, void *arg)
{
    (void)pid;
    (void)c;
    (void)arg;
    fail();
}

static void flush(void)
{
    assert_int_equal(writer.out.err, 0);
    assert_int_equal(
        demux_feed(demux, builder_data(&writer.out), writer.out.len), 0);
    builder_release(&writer.out);
    builder_init(&writer.out, 1 << 20);
}

/* Half of the day before the wrap. */
static int64_t stamp(int64_t truth_us)
{
    return (truth_us * 9 / 100 - 12 * 3600LL * 90000) & ((1LL << 33) - 1);
}

static void send_one(struct day *d, bool video, int64_t n, int64_t truth_us)
{
    int64_t at = stamp(truth_us);

    (void)d;
    if (!video)
        put_pes(&writer, PID_AUDIO, 0, at, at, true, test_adts,
                sizeof test_adts);
    else if (n % DAY_GOP)
        put_pes(&writer, PID_VIDEO, 0, at, at, true, test_delta,
                sizeof test_delta);
    else
        put_pes(&writer, PID_VIDEO, PUT_RANDOM_ACCESS, at, at, true, test_key,
                sizeof test_key);
    flush();
}

static void test_a_day(void **state)
{
    struct demux_events events = {.on_track = day_track,
                                  .on_frame = day_frame,
                                  .on_unsupported = on_unsupported,
                                  .arg = &day};

    (void)state;
    day_begin(&day, -100);
    writer_init(&writer);
    assert_int_equal(demux_create(&demux, &events), 0);
    put_tables(&writer);
    flush();
    day_live(&day, send_one);
    demux_free(&demux);
    builder_release(&writer.out);
    day_end(&day);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_day)};
HARNESS_MAIN(tests)
