#include "ingest/hevc.h"

#include <string.h>

#include "core/base/err.h"
#include "tests/harness.h"

static const uint8_t vps[] = {0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60,
                              0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03,
                              0x00, 0x00, 0x03, 0x00, 0x3c, 0x95, 0x90, 0x09};
static const uint8_t sps[] = {
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00,
    0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c,
    0x1f, 0x3e, 0x59, 0x59, 0x12, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00,
    0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x10};
static const uint8_t pps[] = {0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89};
static const uint8_t other_pps[] = {0x44, 0x01, 0xc0, 0x73, 0xc1, 0x88};
static const uint8_t idr[] = {0x26, 0x01, 0xaf, 0x08};
static const uint8_t slice[] = {0x02, 0x01, 0xd0, 0x09};

static void put(struct builder *b, const uint8_t *nal, size_t len)
{
    builder_u32(b, (uint32_t)len);
    builder_bytes(b, nal, len);
}
#define PUT(b, nal) put(b, nal, sizeof nal)

static int feed(struct hevc_source *h, struct builder *b, struct avc_unit *u)
{
    struct buf *made;
    int err = builder_seal(b, &made);

    if (err) return err;
    struct slice in = slice_take(&made);
    err = hevc_source_unit(h, in, u);
    slice_unref(&in);
    return err;
}

/* A source that never sends a record, and changes a set on its way. */
static void test_sets_in_band(void **state)
{
    struct hevc_source h = {.framing = 4};
    struct avc_unit u = {0};
    struct builder b;
    int err;

    (void)state;
    builder_init(&b, 4096);
    PUT(&b, slice);
    err = feed(&h, &b, &u);
    if (err == ERR_NOMEM) goto out;
    assert_int_equal(err, ERR_ORDER);
    for (int i = 0; i < 3; i++) {
        builder_init(&b, 4096);
        PUT(&b, vps);
        PUT(&b, sps);
        if (i < 2)
            PUT(&b, pps);
        else
            PUT(&b, other_pps);
        PUT(&b, idr);
        if (feed(&h, &b, &u)) goto out;
        assert_true(u.key);
        assert_int_equal(u.changed, i != 1);
        assert_int_equal(u.payload.len, 4 + sizeof idr);
        slice_unref(&u.payload);
    }
    builder_init(&b, 4096);
    PUT(&b, slice);
    if (feed(&h, &b, &u)) goto out;
    assert_false(u.key || u.changed);
    assert_int_equal(u.payload.len, 4 + sizeof slice);
    slice_unref(&u.payload);
out:
    hevc_source_release(&h);
}

static void test_a_record(void **state)
{
    struct hevc_source h = {.framing = 4};
    struct hevc_params p = {.length_size = 4};
    bool changed = false;
    struct builder b;
    struct buf *made = NULL;

    (void)state;
    hevc_params_add(&p, (struct nal){vps, sizeof vps});
    hevc_params_add(&p, (struct nal){sps, sizeof sps});
    hevc_params_add(&p, (struct nal){pps, sizeof pps});
    builder_init(&b, 4096);
    hevc_hvcc_write(&b, &p);
    if (builder_seal(&b, &made)) return;
    if (!hevc_source_config(&h, buf_data(made), buf_len(made), &changed)) {
        assert_true(changed);
        int err =
            hevc_source_config(&h, buf_data(made), buf_len(made), &changed);
        if (!err) assert_false(changed);
        assert_int_equal(hevc_source_config(&h, idr, sizeof idr, &changed),
                         ERR_SYNTAX);
        assert_non_null(h.config);
    }
    buf_unref(&made);
    hevc_source_release(&h);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sets_in_band),
    cmocka_unit_test(test_a_record),
};
HARNESS_MAIN(tests)
