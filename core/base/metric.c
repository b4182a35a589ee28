#include "core/base/metric.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/list.h"

enum { BUCKETS_MAX = 16, SERIES_MAX = 20000 };
enum metric_type { COUNTER, GAUGE, HISTOGRAM };

struct metric {
    struct list node;
    char *labels;
    enum metric_type type;
    atomic_llong count;   /* counter's value, histogram's observations */
    _Atomic double value; /* gauge's value, histogram's sum */
    int bucket_count;
    double bounds[BUCKETS_MAX];
    atomic_llong buckets[BUCKETS_MAX];
};

struct family {
    struct list node; /* sorted by name */
    char *name, *help;
    enum metric_type type;
    struct list metrics;
};

struct metrics {
    pthread_mutex_t lock;
    struct list families;
    int series;
};

/* What code without a registry counts into; never shown. */
static struct metric sink;

int metrics_create(struct metrics **out)
{
    struct metrics *m = calloc(1, sizeof *m);

    if (!m) return ERR_NOMEM;
    pthread_mutex_init(&m->lock, NULL);
    list_init(&m->families);
    *out = m;
    return 0;
}

static void metric_free(struct metric *x)
{
    list_unlink(&x->node);
    free(x->labels);
    free(x);
}

static void family_free(struct family *f)
{
    LIST_FOREACH_SAFE (node, &f->metrics)
        metric_free(LIST_ENTRY(node, struct metric, node));
    list_unlink(&f->node);
    free(f->name);
    free(f->help);
    free(f);
}

void metrics_free(struct metrics **m)
{
    struct metrics *old = *m;

    *m = NULL;
    if (!old) return;
    LIST_FOREACH_SAFE (node, &old->families)
        family_free(LIST_ENTRY(node, struct family, node));
    pthread_mutex_destroy(&old->lock);
    free(old);
}

static struct family *find_family(struct metrics *m, const char *name,
                                  const char *help, enum metric_type type)
{
    struct list *before = &m->families;
    struct family *f;

    LIST_FOREACH (node, &m->families) {
        f = LIST_ENTRY(node, struct family, node);
        int order = strcmp(f->name, name);
        if (order == 0) return f->type == type ? f : NULL;
        if (order > 0) {
            before = node;
            break;
        }
    }
    f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->name = strdup(name);
    f->help = strdup(help);
    f->type = type;
    list_init(&f->metrics);
    list_init(&f->node);
    if (!f->name || !f->help) {
        family_free(f);
        return NULL;
    }
    list_append(before, &f->node); /* just in front of the greater one */
    return f;
}

static struct metric *find_metric(struct metrics *m, const char *name,
                                  const char *help, const char *labels,
                                  enum metric_type type)
{
    struct family *f = find_family(m, name, help, type);
    struct metric *x;

    if (!f) return NULL;
    if (!labels) labels = "";
    LIST_FOREACH (node, &f->metrics) {
        x = LIST_ENTRY(node, struct metric, node);
        if (!strcmp(x->labels, labels)) return x;
    }
    if (m->series >= SERIES_MAX) return NULL;
    x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->labels = strdup(labels);
    if (!x->labels) {
        free(x);
        return NULL;
    }
    x->type = type;
    list_append(&f->metrics, &x->node);
    m->series++;
    return x;
}

static struct metric *get(struct metrics *m, const char *name, const char *help,
                          const char *labels, enum metric_type type,
                          const double *bounds, int count)
{
    struct metric *x;

    if (!m) return &sink;
    pthread_mutex_lock(&m->lock);
    x = find_metric(m, name, help, labels, type);
    if (x && !x->bucket_count && bounds) {
        if (count > BUCKETS_MAX) count = BUCKETS_MAX;
        memcpy(x->bounds, bounds, (size_t)count * sizeof *bounds);
        x->bucket_count = count;
    }
    pthread_mutex_unlock(&m->lock);
    return x ? x : &sink;
}

struct metric *metrics_counter(struct metrics *m, const char *name,
                               const char *help, const char *labels)
{
    return get(m, name, help, labels, COUNTER, NULL, 0);
}

struct metric *metrics_gauge(struct metrics *m, const char *name,
                             const char *help, const char *labels)
{
    return get(m, name, help, labels, GAUGE, NULL, 0);
}

struct metric *metrics_histogram(struct metrics *m, const char *name,
                                 const char *help, const char *labels,
                                 const double *bounds, int count)
{
    return get(m, name, help, labels, HISTOGRAM, bounds, count);
}

void metric_remove(struct metrics *m, struct metric **x)
{
    struct metric *old = *x;

    *x = NULL;
    if (!m || !old || old == &sink) return;
    pthread_mutex_lock(&m->lock);
    metric_free(old);
    m->series--;
    pthread_mutex_unlock(&m->lock);
}

void metric_add(struct metric *x, int64_t n)
{
    atomic_fetch_add_explicit(&x->count, n, memory_order_relaxed);
}

void metric_set(struct metric *x, double v)
{
    atomic_store_explicit(&x->value, v, memory_order_relaxed);
}

static void add_double(_Atomic double *sum, double v)
{
    double seen = atomic_load_explicit(sum, memory_order_relaxed);

    while (!atomic_compare_exchange_weak(sum, &seen, seen + v))
        continue;
}

void metric_observe(struct metric *x, double v)
{
    for (int i = 0; i < x->bucket_count; i++) {
        if (v > x->bounds[i]) continue;
        atomic_fetch_add_explicit(&x->buckets[i], 1, memory_order_relaxed);
        break;
    }
    metric_add(x, 1);
    add_double(&x->value, v);
}

int64_t metric_count(const struct metric *x)
{
    return atomic_load(&((struct metric *)(uintptr_t)x)->count);
}

void metric_label(char *out, size_t size, const char *key, const char *value)
{
    size_t n = strlen(out);
    int wrote = snprintf(out + n, size - n, "%s%s=\"", n ? "," : "", key);

    if (wrote < 0 || (size_t)wrote >= size - n) {
        out[n] = 0;
        return;
    }
    size_t at = n + (size_t)wrote;
    for (; *value && at + 4 < size; value++) {
        if (*value == '"' || *value == '\\') out[at++] = '\\';
        if (*value == '\n') {
            out[at++] = '\\';
            out[at++] = 'n';
        } else {
            out[at++] = *value;
        }
    }
    if (at + 2 > size) {
        out[n] = 0;
        return;
    }
    out[at++] = '"';
    out[at] = 0;
}

static void render_histogram(struct builder *out, const struct family *f,
                             struct metric *x)
{
    const char *sep = x->labels[0] ? "," : "";
    long long seen = 0, all = atomic_load(&x->count);

    for (int i = 0; i < x->bucket_count; i++) {
        seen += atomic_load(&x->buckets[i]);
        builder_printf(out, "%s_bucket{%s%sle=\"%g\"} %lld\n", f->name,
                       x->labels, sep, x->bounds[i], seen);
    }
    builder_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", f->name, x->labels,
                   sep, all);
    const char *open = x->labels[0] ? "{" : "", *end = *open ? "}" : "";
    builder_printf(out, "%s_sum%s%s%s %.9g\n", f->name, open, x->labels, end,
                   (double)atomic_load(&x->value));
    builder_printf(out, "%s_count%s%s%s %lld\n", f->name, open, x->labels, end,
                   all);
}

static void render_metric(struct builder *out, const struct family *f,
                          struct metric *x)
{
    const char *open = x->labels[0] ? "{" : "", *end = *open ? "}" : "";

    switch (x->type) {
    case COUNTER:
        builder_printf(out, "%s%s%s%s %lld\n", f->name, open, x->labels, end,
                       (long long)atomic_load(&x->count));
        break;
    case GAUGE:
        builder_printf(out, "%s%s%s%s %.9g\n", f->name, open, x->labels, end,
                       (double)atomic_load(&x->value));
        break;
    case HISTOGRAM: render_histogram(out, f, x); break;
    }
}

void metrics_render(struct metrics *m, struct builder *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    pthread_mutex_lock(&m->lock);
    LIST_FOREACH (node, &m->families) {
        struct family *f = LIST_ENTRY(node, struct family, node);
        if (list_is_empty(&f->metrics)) continue;
        builder_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help,
                       f->name, types[f->type]);
        LIST_FOREACH (inner, &f->metrics)
            render_metric(out, f, LIST_ENTRY(inner, struct metric, node));
    }
    pthread_mutex_unlock(&m->lock);
}
