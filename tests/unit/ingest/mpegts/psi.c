#include "tests/harness.h"

#include "tests/ts_bytes.h"

struct got {
    int count;
    size_t len;
    uint8_t data[PRIVATE_SECTION_MAX];
};

static void on_section(const uint8_t *data, size_t len, void *arg)
{
    struct got *g = arg;

    g->count++;
    g->len = len;
    memcpy(g->data, data, len);
}

static void feed_packets(struct section *s, struct ts_writer *w, struct got *g)
{
    struct ts_packet p;

    if (w->out.err || !builder_data(&w->out)) return;
    for (size_t at = 0; at < w->out.len; at += TS_PACKET_BYTES) {
        assert_int_equal(ts_packet_parse(&p, builder_data(&w->out) + at), 0);
        section_feed(s, &p, on_section, g);
    }
    builder_release(&w->out);
    builder_init(&w->out, 1 << 20);
}

static void test_a_map_over_several_packets(void **state)
{
    static struct ts_writer w;
    static struct section s;
    static struct got g;
    struct builder b;
    struct pmt pmt;

    (void)state;
    memset(&g, 0, sizeof g);
    writer_init(&w);
    section_init(&s, PSI_SECTION_MAX);
    begin_pmt(&b);
    for (uint16_t i = 0; i < 40; i++)
        put_stream(&b, TYPE_ADTS, 300 + i,
                   "\x0a\x04"
                   "eng",
                   6);
    put_stream(&b, TYPE_ADTS, 300, "", 0); /* twice: the first counts */
    end_pmt(&w, &b, 0);
    bool made = !w.out.err && w.out.len > 2 * TS_PACKET_BYTES;
    feed_packets(&s, &w, &g);
    builder_release(&w.out);
    if (!made) return;
    assert_int_equal(g.count, 1);
    assert_int_equal(pmt_parse(&pmt, 1, g.data, g.len), 0);
    assert_int_equal(pmt.count, PMT_STREAMS_MAX);
    assert_int_equal(pmt.left_out, 8);
    assert_int_equal(pmt.streams[5].pid, 305);
    assert_string_equal(pmt.streams[5].language, "eng");
    assert_int_equal(pmt_parse(&pmt, 2, g.data, g.len), ERR_NOTFOUND);
    g.data[20] ^= 1;
    assert_int_equal(pmt_parse(&pmt, 1, g.data, g.len), ERR_SYNTAX);
    for (size_t cut = 0; cut < g.len; cut++)
        assert_int_equal(pmt_parse(&pmt, 1, g.data, cut), ERR_SYNTAX);
}

static void test_sections_back_to_back(void **state)
{
    static struct section s;
    static struct got g;
    uint8_t bytes[184];
    struct ts_packet p = {.start = true, .payload = bytes, .len = sizeof bytes};

    (void)state;
    memset(&g, 0, sizeof g);
    section_init(&s, PSI_SECTION_MAX);
    memset(bytes, 0xff, sizeof bytes);
    bytes[0] = 0;
    memcpy(bytes + 1, (uint8_t[]){5, 0, 2, 1, 2, 5, 0, 3, 1, 2, 3}, 11);
    section_feed(&s, &p, on_section, &g);
    assert_int_equal(g.count, 2);
    assert_int_equal(g.len, 6);
    /* one that goes on in the next packet, behind whose pointer another is */
    memcpy(bytes + 1, (uint8_t[]){5, 0, 200}, 3);
    section_feed(&s, &p, on_section, &g);
    assert_int_equal(g.count, 2);
    bytes[0] = 20; /* 203 - 183 */
    memcpy(bytes + 21, (uint8_t[]){7, 0, 0, 0xff}, 4);
    section_feed(&s, &p, on_section, &g);
    assert_int_equal(g.count, 4);
    assert_int_equal(g.data[0], 7);
    /* longer than allowed; a pointer out of the packet */
    memcpy(bytes, (uint8_t[]){0, 2, 0x0f, 0xff}, 4);
    section_feed(&s, &p, on_section, &g);
    bytes[0] = 184;
    section_feed(&s, &p, on_section, &g);
    p.start = false;
    section_feed(&s, &p, on_section, &g);
    assert_int_equal(g.count, 4);
}

static void test_pat(void **state)
{
    static const uint8_t from_ffmpeg[] = {0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1,
                                          0x00, 0x00, 0x00, 0x01, 0xf0, 0x00,
                                          0x2a, 0xb1, 0x04, 0xb2};
    uint8_t other[sizeof from_ffmpeg];
    struct pat pat;

    (void)state;
    assert_int_equal(pat_parse(&pat, from_ffmpeg, sizeof from_ffmpeg), 0);
    assert_int_equal(pat.programs[0].number, 1);
    assert_int_equal(pat.programs[0].pmt_pid, 0x1000);
    memcpy(other, from_ffmpeg, sizeof other);
    other[5] = 0xc0; /* not in force yet: and the checksum tells */
    assert_int_equal(pat_parse(&pat, other, sizeof other), ERR_SYNTAX);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(content_name(CONTENT_SCTE35), "SCTE-35");
    assert_string_equal(content_name(CONTENT_UNKNOWN), "private data");
    assert_true(content_is_media(CONTENT_DTS));
    assert_false(content_is_media(CONTENT_KLV));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_map_over_several_packets),
    cmocka_unit_test(test_sections_back_to_back),
    cmocka_unit_test(test_pat),
    cmocka_unit_test(test_names),
};
HARNESS_MAIN(tests)
