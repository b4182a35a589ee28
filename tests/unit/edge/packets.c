#include "edge/packets.h"

#include "core/base/err.h"
#include "core/media/h264.h"
#include "tests/harness.h"

static const uint8_t sps[] = {0x67, 77, 0x40, 0x1f, 0xde, 0xad};
static const uint8_t pps[] = {0x68, 0xce, 0x3c, 0x80};

static struct slice take(struct builder *b)
{
    struct buf *whole = NULL;

    if (builder_seal(b, &whole)) return (struct slice){0};
    return slice_take(&whole);
}

/* An avcC with `copies` of a PPS of `pps_len` bytes. */
static struct slice avcc(int copies, size_t pps_len)
{
    struct builder b;
    struct h264_params p = {.length_size = 4, .sps_count = 1};

    p.sps[0] = (struct nal){sps, sizeof sps};
    uint8_t *big = calloc(1, pps_len);
    if (!big) return (struct slice){0};
    memcpy(big, pps, sizeof pps);
    for (p.pps_count = 0; p.pps_count < copies; p.pps_count++)
        p.pps[p.pps_count] = (struct nal){big, pps_len};
    builder_init(&b, 1 << 16);
    h264_avcc_write(&b, &p);
    free(big);
    return take(&b);
}

static void add_nal(struct builder *b, uint8_t header, size_t len)
{
    builder_u32(b, (uint32_t)len);
    builder_u8(b, header);
    for (size_t i = 1; i < len; i++)
        builder_u8(b, (unsigned)(i * 7 + i / 256));
}

/* What a receiver makes of them: NALs behind 4-byte lengths again. */
static void depack(struct builder *out, const struct packets *p)
{
    uint8_t wire[PACKETS_PAYLOAD_MAX];
    struct builder fu = {0};

    for (int i = 0; i < p->count; i++) {
        size_t len = packet_size(&p->list[i]);
        assert_in_range(len, 1, PACKETS_PAYLOAD_MAX);
        packet_write(&p->list[i], wire);
        assert_int_equal(p->list[i].marker, i == p->count - 1);
        if ((wire[0] & 0x1f) == 24) {
            for (size_t at = 1; at < len;) {
                size_t n = (size_t)wire[at] << 8 | wire[at + 1];
                builder_u32(out, (uint32_t)n);
                builder_bytes(out, wire + at + 2, n);
                at += 2 + n;
            }
        } else if ((wire[0] & 0x1f) == 28) {
            assert_false((wire[1] & 0xc0) == 0xc0);
            if (wire[1] & 0x80) {
                builder_init(&fu, 1 << 24);
                builder_u8(&fu, (wire[0] & 0xe0) | (wire[1] & 0x1f));
            }
            builder_bytes(&fu, wire + 2, len - 2);
            if (!(wire[1] & 0x40)) continue;
            builder_u32(out, (uint32_t)fu.len);
            builder_bytes(out, builder_data(&fu), fu.len);
            builder_release(&fu);
        } else {
            builder_u32(out, (uint32_t)len);
            builder_bytes(out, wire, len);
        }
    }
}

static void assert_same(const struct packets *p, struct slice want)
{
    struct builder got;

    builder_init(&got, 1 << 24);
    depack(&got, p);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(builder_data(&got), want.data, want.len);
    builder_release(&got);
}

static void test_every_length_comes_back(void **state)
{
    (void)state;
    for (size_t len = 2; len < 60000; len += len < 4000 ? 13 : 4999) {
        struct packets *p = NULL;
        struct builder b;

        builder_init(&b, 1 << 20);
        add_nal(&b, 0x41, len);
        struct slice unit = take(&b);
        assert_int_equal(packets_of_h264(&p, unit, NULL), 0);
        assert_same(p, unit);
        /* One size but for the last, which is hardly smaller. */
        for (int i = 1; i < p->count; i++) {
            size_t first = packet_size(&p->list[0]);
            if (i < p->count - 1)
                assert_int_equal(packet_size(&p->list[i]), first);
            else
                assert_in_range(first - packet_size(&p->list[i]), 0, p->count);
        }
        free(p);
        slice_unref(&unit);
    }
}

static void test_idr_brings_its_sets(void **state)
{
    struct slice config = avcc(1, sizeof pps), unit;
    struct packet_sets sets = {0};
    struct packets *p = NULL;
    struct builder b, want;

    (void)state;
    assert_int_equal(packet_sets_create(&sets, config), 0);
    assert_int_equal(sets.profile_idc, 77);
    builder_init(&b, 1 << 20);
    add_nal(&b, 0x09, 2);  /* delimiter */
    add_nal(&b, 0x06, 30); /* SEI */
    add_nal(&b, 0x65, 5000);
    add_nal(&b, 0x65, 300);
    add_nal(&b, 0x0c, 800); /* filler */
    unit = take(&b);
    assert_int_equal(packets_of_h264(&p, unit, &sets), 0);
    assert_int_equal(p->count, 1 + 5 + 1);
    assert_int_equal(p->list[0].data[0], 0x60 | 24);

    builder_init(&want, 1 << 20);
    builder_u32(&want, sizeof sps);
    builder_bytes(&want, sps, sizeof sps);
    builder_u32(&want, sizeof pps);
    builder_bytes(&want, pps, sizeof pps);
    add_nal(&want, 0x65, 5000);
    add_nal(&want, 0x65, 300);
    struct slice all = take(&want);
    assert_same(p, all);
    slice_unref(&all);
    free(p);
    packet_sets_unref(&sets);
    slice_unref(&unit);
    slice_unref(&config);
}

static void test_sets_too_large_for_one_packet(void **state)
{
    struct slice config = avcc(1, 3000), unit;
    struct packet_sets sets = {0};
    struct packets *p = NULL;
    struct builder b;

    (void)state;
    assert_int_equal(packet_sets_create(&sets, config), 0);
    assert_int_equal(sets.stap.len, 0);
    builder_init(&b, 1 << 20);
    add_nal(&b, 0x65, 100);
    unit = take(&b);
    assert_int_equal(packets_of_h264(&p, unit, &sets), 0);
    assert_int_equal(p->count, 1 + 3 + 1); /* SPS, PPS in three, IDR */
    struct builder got;
    builder_init(&got, 1 << 20);
    depack(&got, p);
    assert_int_equal(got.len, 12 + sizeof sps + 3000 + 100);
    builder_release(&got);
    free(p);
    packet_sets_unref(&sets);
    slice_unref(&unit);
    slice_unref(&config);
}

static void test_refuses(void **state)
{
    static const uint8_t cut[] = {0, 0, 0, 9, 0x41, 1, 2};
    static const uint8_t only_sei[] = {0, 0, 0, 2, 0x06, 1};
    struct slice s = {.data = cut, .len = sizeof cut};
    struct packets *p = NULL;
    struct packet_sets sets = {0};

    (void)state;
    assert_int_equal(packets_of_h264(&p, s, NULL), ERR_SYNTAX);
    s = (struct slice){.data = only_sei, .len = sizeof only_sei};
    assert_int_equal(packets_of_h264(&p, s, NULL), 0);
    assert_int_equal(p->count, 0);
    free(p);
    p = NULL;
    s = (struct slice){0};
    assert_int_equal(packets_of_h264(&p, s, NULL), 0);
    assert_int_equal(p->count, 0);
    free(p);
    assert_true(packet_sets_create(&sets, s) < 0);

    struct builder b;
    builder_init(&b, 16 << 20);
    builder_u32(&b, 12 << 20);
    memset(builder_extend(&b, 12 << 20), 0x41, 12 << 20);
    struct slice huge = take(&b);
    assert_int_equal(packets_of_h264(&p, huge, NULL), ERR_LIMIT);
    assert_int_equal(packets_of_opus(&p, huge), ERR_LIMIT);
    slice_unref(&huge);
}

static void test_opus_is_one(void **state)
{
    static const uint8_t toc[] = {0xfc, 1, 2, 3};
    struct slice s = {.data = toc, .len = sizeof toc};
    uint8_t wire[8];
    struct packets *p = NULL;

    (void)state;
    assert_int_equal(packets_of_opus(&p, s), 0);
    assert_int_equal(p->count, 1);
    assert_false(p->list[0].marker);
    packet_write(&p->list[0], wire);
    assert_memory_equal(wire, toc, sizeof toc);
    free(p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_length_comes_back),
    cmocka_unit_test(test_idr_brings_its_sets),
    cmocka_unit_test(test_sets_too_large_for_one_packet),
    cmocka_unit_test(test_refuses),
    cmocka_unit_test(test_opus_is_one),
};
HARNESS_MAIN(tests)
