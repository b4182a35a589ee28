#include "tests/harness.h"

#include "core/base/buf.h"
#include "core/base/metric.h"

static void test_renders_sorted_families(void **state)
{
    struct metrics *m = NULL;
    struct builder b;
    struct buf *text = NULL;
    static const double bounds[] = {0.1, 1};
    char labels[64] = "";

    (void)state;
    assert_int_equal(metrics_create(&m), 0);
    metric_label(labels, sizeof labels, "channel", "a\"b");
    metric_add(metrics_counter(m, "z_total", "last", NULL), 2);
    metric_set(metrics_gauge(m, "g", "a gauge", labels), 1.5);
    struct metric *h = metrics_histogram(m, "h", "spans", "k=\"v\"", bounds, 2);
    metric_observe(h, 0.05);
    metric_observe(h, 0.5);
    metric_observe(h, 5);
    builder_init(&b, 10000);
    metrics_render(m, &b);
    builder_u8(&b, 0);
    int err = builder_seal(&b, &text);
    metrics_free(&m);
    assert_int_equal(err, 0);
    assert_string_equal((const char *)buf_data(text),
                        "# HELP g a gauge\n# TYPE g gauge\n"
                        "g{channel=\"a\\\"b\"} 1.5\n"
                        "# HELP h spans\n# TYPE h histogram\n"
                        "h_bucket{k=\"v\",le=\"0.1\"} 1\n"
                        "h_bucket{k=\"v\",le=\"1\"} 2\n"
                        "h_bucket{k=\"v\",le=\"+Inf\"} 3\n"
                        "h_sum{k=\"v\"} 5.55\nh_count{k=\"v\"} 3\n"
                        "# HELP z_total last\n# TYPE z_total counter\n"
                        "z_total 2\n");
    buf_unref(&text);
}

static void test_same_name_and_labels_is_one_metric(void **state)
{
    struct metrics *m = NULL;

    (void)state;
    assert_int_equal(metrics_create(&m), 0);
    struct metric *a = metrics_counter(m, "a_total", "x", "k=\"1\"");
    struct metric *b = metrics_counter(m, "a_total", "x", "k=\"1\"");
    struct metric *c = metrics_counter(m, "a_total", "x", "k=\"2\"");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    metric_add(b, 3);
    assert_int_equal(metric_count(a), 3);
    metric_remove(m, &c);
    assert_null(c);
    metrics_free(&m);
}

static void test_without_registry_counts_into_a_sink(void **state)
{
    (void)state;
    metric_add(metrics_counter(NULL, "a_total", "x", NULL), 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_renders_sorted_families),
    cmocka_unit_test(test_same_name_and_labels_is_one_metric),
    cmocka_unit_test(test_without_registry_counts_into_a_sink),
};
HARNESS_MAIN(tests)
