/* core/base/metric.h — counters, gauges and histograms, rendered as Prometheus
 * text (exposition format 0.0.4). Any thread: updates are atomic, making,
 * removing and rendering take the registry's lock.
 * Names: lectern_<room>_<what>_<unit|total>. */
#ifndef CORE_BASE_METRIC_H
#define CORE_BASE_METRIC_H
#include <stdint.h>

#include "core/base/buf.h"

struct metrics;
struct metric;

int metrics_create(struct metrics **out);
void metrics_free(struct metrics **m);

/* The metric of that name and labels; made at first use. labels: text such as
 * `channel="demo",protocol="rtmp"` (see metric_label()), NULL or "" for none.
 * Borrowed: alive until metric_remove() or metrics_free(). Never NULL: with m
 * NULL, or out of memory, a shared sink that is not shown. */
struct metric *metrics_counter(struct metrics *m, const char *name,
                               const char *help, const char *labels);
struct metric *metrics_gauge(struct metrics *m, const char *name,
                             const char *help, const char *labels);
/* bounds: count upper bounds, ascending, of at most 16 buckets; copied. */
struct metric *metrics_histogram(struct metrics *m, const char *name,
                                 const char *help, const char *labels,
                                 const double *bounds, int count);
/* Forgets a metric whose subject is gone. Takes *x; NULL is fine. */
void metric_remove(struct metrics *m, struct metric **x);

void metric_add(struct metric *x, int64_t n);    /* counters: n >= 0 */
void metric_set(struct metric *x, double v);     /* gauges */
void metric_observe(struct metric *x, double v); /* histograms */
int64_t metric_count(const struct metric *x); /* counter's value, for tests */

/* Writes key="value" with value escaped; a leading comma if out has text. */
void metric_label(char *out, size_t size, const char *key, const char *value);

/* Appends every metric, families sorted by name. */
void metrics_render(struct metrics *m, struct builder *out);

#endif
