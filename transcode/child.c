#include "transcode/child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"

enum {
    READ_BYTES = 64 << 10,
    REST_LEAST_US = 100000,
    REST_MOST_US = 10000000,
    GOOD_LIFE_US = 10000000,
    LAST_WORDS_US = 1000000, /* from end of input to SIGKILL */
    WHY_MAX = 64,
};

/* One process and its handles; outlives its child until all are closed. */
struct run {
    struct child *owner; /* NULL once nobody listens */
    uv_process_t process;
    uv_pipe_t in, out;
    int handles; /* not closed yet */
    bool spawned;
    struct wire_decoder decoder;
    struct timer last_words;
    int queued;
    uint8_t bytes[READ_BYTES];
};

struct child {
    struct loop *loop;
    char *path;
    bool hardware;
    struct child_events events;
    struct run *run; /* NULL while resting */
    struct timer rest;
    int64_t rest_us, up_at;
    char why[WHY_MAX]; /* set before a kill */
};

struct write_request {
    uv_write_t uv;
    struct run *run;
    struct slice payload;
    uint8_t head[WIRE_HEAD_MAX];
};

static void start(void *arg);

/* --- one run -------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    struct run *r = h->data;

    if (--r->handles) return;
    timer_cancel(&r->last_words);
    wire_decoder_release(&r->decoder);
    free(r);
}

static void close_handle(uv_handle_t *h)
{
    if (!uv_is_closing(h)) uv_close(h, on_closed);
}

static void close_pipes(struct run *r)
{
    close_handle((uv_handle_t *)&r->in);
    close_handle((uv_handle_t *)&r->out);
}

static void stop(struct run *r)
{
    if (r->spawned && !uv_is_closing((uv_handle_t *)&r->process))
        uv_process_kill(&r->process, SIGKILL);
}

static void on_last_words(void *arg)
{
    stop(arg);
}

/* The run is over: rest, then start another. */
static void lost(struct child *c, const char *why)
{
    int64_t now = loop_now(c->loop);
    bool was_up = c->up_at != 0;

    if (was_up && now - c->up_at >= GOOD_LIFE_US) c->rest_us = REST_LEAST_US;
    c->run->owner = NULL;
    c->run = NULL;
    c->up_at = 0;
    timer_set(&c->rest, now + c->rest_us);
    c->rest_us = c->rest_us * 2 < REST_MOST_US ? c->rest_us * 2 : REST_MOST_US;
    if (was_up) c->events.on_down(why, c->events.arg);
}

static void on_ended(uv_process_t *p, int64_t status, int signal)
{
    struct run *r = p->data;
    struct child *c = r->owner;
    char why[WHY_MAX + 32];

    close_handle((uv_handle_t *)p);
    close_pipes(r);
    if (!c) return;
    if (c->why[0])
        snprintf(why, sizeof why, "%s", c->why);
    else if (signal)
        snprintf(why, sizeof why, "killed by signal %d", signal);
    else
        snprintf(why, sizeof why, "exit status %d", (int)status);
    c->why[0] = 0;
    lost(c, why);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct run *r = h->data;

    (void)suggested;
    *out = uv_buf_init((char *)r->bytes, sizeof r->bytes);
}

static void on_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct run *r = s->data;
    const uint8_t *p = (const uint8_t *)buf->base;
    size_t left = n > 0 ? (size_t)n : 0;
    struct wire_record record;
    int err = ERR_AGAIN;

    if (n < 0) {
        stop(r); /* on_ended tells */
        return;
    }
    while (r->owner && !(err = wire_feed(&r->decoder, &p, &left, &record))) {
        r->owner->events.on_record(&record, r->owner->events.arg);
        wire_record_release(&record);
    }
    if (!r->owner || err == ERR_AGAIN) return;
    child_kill(r->owner, "broken output");
    uv_read_stop(s);
}

static void on_written(uv_write_t *uv, int status)
{
    struct write_request *w = uv->data;

    (void)status; /* a broken pipe shows as the process's end */
    w->run->queued--;
    slice_unref(&w->payload);
    free(w);
}

static int spawn(struct child *c, struct run *r)
{
    uv_stdio_container_t stdio[3] = {0};
    char *args[] = {c->path, c->hardware ? "--hardware" : NULL, NULL};
    uv_process_options_t o = {.exit_cb = on_ended,
                              .file = c->path,
                              .args = args,
                              .stdio_count = 3,
                              .stdio = stdio};

    stdio[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
    stdio[0].data.stream = (uv_stream_t *)&r->in;
    stdio[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio[1].data.stream = (uv_stream_t *)&r->out;
    stdio[2].flags = UV_INHERIT_FD;
    stdio[2].data.fd = 2;
    return uv_spawn(loop_uv(c->loop), &r->process, &o);
}

static void start(void *arg)
{
    struct child *c = arg;
    struct run *r = calloc(1, sizeof *r);
    int err;

    if (!r) {
        timer_set(&c->rest, loop_now(c->loop) + REST_MOST_US);
        return;
    }
    r->owner = c;
    c->run = r;
    uv_pipe_init(loop_uv(c->loop), &r->in, 0);
    uv_pipe_init(loop_uv(c->loop), &r->out, 0);
    r->in.data = r->out.data = r->process.data = r;
    r->handles = 3;
    wire_decoder_init(&r->decoder);
    timer_init(&r->last_words, c->loop, on_last_words, r);
    err = spawn(c, r);
    r->process.data = r; /* uv_spawn initialises the handle */
    if (err) {
        log_error("transcode", "child_start_failed", log_s("program", c->path),
                  log_s("why", uv_strerror(err)));
        close_handle((uv_handle_t *)&r->process);
        close_pipes(r);
        lost(c, "not started");
        return;
    }
    r->spawned = true;
    c->up_at = loop_now(c->loop);
    uv_read_start((uv_stream_t *)&r->out, on_room, on_bytes);
    c->events.on_up(c->events.arg);
}

/* --- the child ------------------------------------------------------------ */

int child_create(struct child **out, struct loop *loop, const char *path,
                 bool hardware, const struct child_events *events)
{
    struct child *c = calloc(1, sizeof *c);

    if (!c) return ERR_NOMEM;
    c->path = strdup(path);
    if (!c->path) {
        free(c);
        return ERR_NOMEM;
    }
    c->loop = loop;
    c->hardware = hardware;
    c->events = *events;
    c->rest_us = REST_LEAST_US;
    timer_init(&c->rest, loop, start, c);
    timer_set(&c->rest, loop_now(loop));
    *out = c;
    return 0;
}

void child_free(struct child **c)
{
    struct child *last = *c;

    *c = NULL;
    if (!last) return;
    timer_cancel(&last->rest);
    if (last->run) {
        struct run *r = last->run;
        r->owner = NULL;
        close_handle((uv_handle_t *)&r->in);
        timer_set(&r->last_words, loop_now(last->loop) + LAST_WORDS_US);
    }
    free(last->path);
    free(last);
}

bool child_is_up(const struct child *c)
{
    return c->run && c->up_at;
}

int child_pid(const struct child *c)
{
    return child_is_up(c) ? uv_process_get_pid(&c->run->process) : 0;
}

int child_send(struct child *c, const struct wire_record *record)
{
    struct run *r = c->run;
    struct write_request *w;
    uv_buf_t v[2];
    int err;

    if (!child_is_up(c) || uv_is_closing((uv_handle_t *)&r->in))
        return ERR_CLOSED;
    if (r->queued >= CHILD_QUEUE_RECORDS ||
        uv_stream_get_write_queue_size((uv_stream_t *)&r->in) >=
            CHILD_QUEUE_BYTES)
        return ERR_LIMIT;
    w = malloc(sizeof *w);
    if (!w) return ERR_NOMEM;
    w->run = r;
    w->payload = slice_ref(record->payload);
    w->uv.data = w;
    v[0] = uv_buf_init((char *)w->head, (unsigned)wire_head(w->head, record));
    v[1] = uv_buf_init((char *)(uintptr_t)w->payload.data,
                       (unsigned)w->payload.len);
    r->queued++;
    err = uv_write(&w->uv, (uv_stream_t *)&r->in, v, w->payload.len ? 2 : 1,
                   on_written);
    if (!err) return 0;
    r->queued--;
    slice_unref(&w->payload);
    free(w);
    return ERR_CLOSED;
}

void child_kill(struct child *c, const char *why)
{
    if (!child_is_up(c)) return;
    snprintf(c->why, sizeof c->why, "%s", why);
    stop(c->run);
}
