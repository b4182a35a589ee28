#include "core/net/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/net/server_priv.h"

enum {
    HANDLES = 4, /* listener, after_events, before_wait, keep_turning */
    HANDSHAKES_PER_TURN = 4,
};

void server_limits_default(struct server_limits *out)
{
    struct rlimit files;
    int most = 800;

    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        rlim_t n = files.rlim_cur / 10 * 8;
        most = n > 1000000 ? 1000000 : n < 16 ? 16 : (int)n;
    }
    *out = (struct server_limits){
        .head_bytes = 16384,
        .header_count = 100,
        .head_us = 10000000,
        .body_us = 20000000,
        .idle_us = 65000000,
        .write_us = 20000000,
        .handshake_us = 10000000,
        .streams = 128,
        .unsent_bytes = 16u << 20,
        .connections = most,
        .connections_per_address = 256,
        .half_open_per_address = 32,
    };
}

const char *server_date_line(struct server *s)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
                                       "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    /* The wall clock is asked once per second of the monotonic one. */
    int64_t second = loop_now(s->loop) / 1000000 + 1;
    char line[96];
    struct tm tm;

    if (second == s->date_at) return s->date_line;
    time_t now = (time_t)(clock_wall_us() / 1000000);
    gmtime_r(&now, &tm);
    snprintf(line, sizeof line, "date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
             days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(s->date_line, line, DATE_LINE_BYTES);
    s->date_at = second;
    return s->date_line;
}

/* --- accepting
 * ----------------------------------------------------------------- */

static struct peer *find_peer(struct server *s, const struct sockaddr *a)
{
    char host[ADDRESS_TEXT_MAX];
    struct peer *p;

    tcp_format_host(host, a);
    p = map_get(&s->peers, host);
    if (p) {
        p->connections++;
        return p;
    }
    p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->connections = 1;
    p->is_trusted =
        tcp_is_loopback(a) ||
        (s->trusted_proxies && tcp_is_listed(s->trusted_proxies, a));
    memcpy(p->host, host, sizeof host);
    if (map_set(&s->peers, host, p)) {
        free(p);
        return NULL;
    }
    return p;
}

void server_peer_unref(struct server *s, struct peer **p)
{
    struct peer *last = *p;

    *p = NULL;
    if (--last->connections) return;
    map_remove(&s->peers, last->host);
    free(last);
}

static void count_conns(struct server *s, int change)
{
    s->conn_count += change;
    *s->open_connections += change;
    metric_set(s->connections, s->conn_count);
}

static void refuse_conn(struct server *s, struct conn *c, enum refusal why,
                        const char *host)
{
    refuse(s, why, host, "");
    conn_close(c);
}

static void on_spare_closed(uv_handle_t *handle);

/* Without memory for a connection it must still be accepted, or libuv stops
 * listening for good. */
static void accept_and_close(struct server *s)
{
    refuse(s, REFUSE_MEMORY, "", "connection");
    if (s->spare_is_closing) {
        s->spare_is_wanted = true;
        return;
    }
    uv_tcp_init(loop_uv(s->loop), &s->spare);
    s->spare.data = s;
    uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&s->spare);
    s->spare_is_closing = true;
    s->open_handles++;
    uv_close((uv_handle_t *)&s->spare, on_spare_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *s = listener->data;
    struct sockaddr_storage a;
    int len = sizeof a;

    if (status < 0) {
        refuse(s, REFUSE_ACCEPT, "", uv_err_name(status));
        return;
    }
    struct conn *c = conn_create(s);
    if (!c) {
        accept_and_close(s);
        return;
    }
    count_conns(s, 1);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) ||
        uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &len)) {
        conn_close(c); /* it went while it waited */
        return;
    }
    struct peer *p = find_peer(s, (struct sockaddr *)&a);
    if (!p) {
        refuse_conn(s, c, REFUSE_MEMORY, "");
        return;
    }
    c->peer = p;
    if (*s->open_connections > s->limits.connections)
        refuse_conn(s, c, REFUSE_CONNECTIONS, p->host);
    else if (!p->is_trusted &&
             p->connections > s->limits.connections_per_address)
        refuse_conn(s, c, REFUSE_ADDRESS, p->host);
    else if (!p->is_trusted && s->tls &&
             p->half_open >= s->limits.half_open_per_address)
        refuse_conn(s, c, REFUSE_HALF_OPEN, p->host);
    else
        conn_begin(c, p);
}

/* --- ready connections
 * ----------------------------------------------------------- */

static void run_ready(struct server *s)
{
    struct list now;

    /* What becomes ready meanwhile has its turn in this loop too, but behind
     * the others. */
    while (!list_is_empty(&s->ready)) {
        list_init(&now);
        list_splice(&now, &s->ready);
        while (!list_is_empty(&now))
            conn_run_ready(LIST_ENTRY(now.next, struct conn, ready));
    }
}

static void on_keep_turning(uv_idle_t *handle)
{
    (void)handle; /* its being there keeps the loop from waiting */
}

static void run_handshakes(struct server *s)
{
    for (int i = 0; i < HANDSHAKES_PER_TURN && !list_is_empty(&s->handshakes);
         i++)
        conn_run_handshake(LIST_ENTRY(s->handshakes.next, struct conn, ready));
    if (list_is_empty(&s->handshakes))
        uv_idle_stop(&s->keep_turning);
    else
        uv_idle_start(&s->keep_turning, on_keep_turning);
}

static void on_after_events(uv_check_t *handle)
{
    struct server *s = handle->data;

    if (!list_is_empty(&s->handshakes) ||
        uv_is_active((uv_handle_t *)&s->keep_turning))
        run_handshakes(s);
    run_ready(s);
}

static void on_before_wait(uv_prepare_t *handle)
{
    run_ready(handle->data);
}

/* --- life
 * -------------------------------------------------------------------------- */

static void init_metrics(struct server *s)
{
    static const char *const protocols[] = {"h1", "h2"};
    static const char *const classes[] = {"0xx", "1xx", "2xx",
                                          "3xx", "4xx", "5xx"};
    char label[160] = "", number[16];

    for (int p = 0; p < 2; p++) {
        for (int i = 1; i < STATUS_CLASSES; i++) {
            label[0] = 0;
            metric_label(label, sizeof label, "protocol", protocols[p]);
            metric_label(label, sizeof label, "status", classes[i]);
            s->requests[p][i] = metrics_counter(
                s->metrics, "lectern_http_requests_total",
                "Requests answered, by protocol and class of status.", label);
        }
    }
    snprintf(number, sizeof number, "%d", loop_index(s->loop));
    label[0] = 0;
    metric_label(label, sizeof label, "loop", number);
    metric_label(label, sizeof label, "tls", s->tls ? "1" : "0");
    s->connections = metrics_gauge(s->metrics, "lectern_http_connections",
                                   "Open connections.", label);
    s->sent_bytes =
        metrics_counter(s->metrics, "lectern_http_sent_bytes_total",
                        "Bytes handed to sockets, TLS records included.", NULL);
    refuse_init(s);
}

static void free_parts(struct server *s)
{
    routes_release(s);
    hot_release(s);
    map_release(&s->peers);
    http2_shared_free(&s->http2);
    free(s->trusted_proxies);
    free(s->read_buffer);
    free(s->plain_buffer);
    free(s->scratch);
    free(s->stage);
    free(s->io.out);
    free(s);
}

static void free_if_over(struct server *s)
{
    if (s->open_handles || s->conn_count || !s->is_closing) return;
    void (*on_done)(void *) = s->on_done;
    void *arg = s->on_done_arg;
    free_parts(s);
    if (on_done) on_done(arg);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;

    s->open_handles--;
    free_if_over(s);
}

static void on_spare_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;
    bool again = s->spare_is_wanted && !s->is_closing;

    s->spare_is_closing = s->spare_is_wanted = false;
    if (again) on_connection((uv_stream_t *)&s->listener, 0);
    on_handle_closed(handle);
}

/* All connections are gone: what drove them goes too. */
static void close_helpers(struct server *s)
{
    timer_cancel(&s->grace);
    uv_close((uv_handle_t *)&s->after_events, on_handle_closed);
    uv_close((uv_handle_t *)&s->before_wait, on_handle_closed);
    uv_close((uv_handle_t *)&s->keep_turning, on_handle_closed);
}

void server_conn_closed(struct server *s)
{
    count_conns(s, -1);
    if (s->is_closing && !s->conn_count) close_helpers(s);
}

static void on_grace_over(void *arg)
{
    struct server *s = arg;

    LIST_FOREACH_SAFE (node, &s->conns)
        conn_close(LIST_ENTRY(node, struct conn, node));
}

void server_close(struct server *s, int64_t grace_us, void (*on_done)(void *),
                  void *arg)
{
    if (s->is_closing) return;
    s->is_closing = true;
    s->on_done = on_done;
    s->on_done_arg = arg;
    uv_close((uv_handle_t *)&s->listener, on_handle_closed);
    if (!s->conn_count) {
        close_helpers(s);
        return;
    }
    timer_set(&s->grace, loop_now(s->loop) + grace_us);
    LIST_FOREACH_SAFE (node, &s->conns)
        conn_drain(LIST_ENTRY(node, struct conn, node));
}

static void open_helpers(struct server *s)
{
    uv_loop_t *uv = loop_uv(s->loop);

    uv_check_init(uv, &s->after_events);
    uv_prepare_init(uv, &s->before_wait);
    uv_idle_init(uv, &s->keep_turning);
    s->after_events.data = s->before_wait.data = s->listener.data = s;
    s->keep_turning.data = s;
    uv_check_start(&s->after_events, on_after_events);
    uv_prepare_start(&s->before_wait, on_before_wait);
    s->open_handles = HANDLES;
}

static int alloc_parts(struct server *s, const char *trusted_proxies)
{
    int err = http2_shared_create(&s->http2);

    if (err) return err;
    s->read_buffer = malloc(READ_BYTES);
    s->scratch = malloc(s->limits.head_bytes + 2);
    s->stage = malloc(STAGE_BYTES);
    s->io.out = malloc(OUT_BYTES);
    s->io.out_room = OUT_BYTES;
    if (s->tls) s->plain_buffer = malloc(READ_BYTES);
    if (trusted_proxies) s->trusted_proxies = strdup(trusted_proxies);
    if (!s->read_buffer || !s->scratch || !s->stage || !s->io.out ||
        (s->tls && !s->plain_buffer) ||
        (trusted_proxies && !s->trusted_proxies))
        return ERR_NOMEM;
    return 0;
}

int server_create(struct server **out, const struct server_conf *conf)
{
    struct server *s = calloc(1, sizeof *s);
    int err;

    if (!s) return ERR_NOMEM;
    s->loop = conf->loop;
    s->limits = conf->limits;
    s->tls = conf->tls;
    s->metrics = conf->metrics;
    s->open_connections =
        conf->open_connections ? conf->open_connections : &s->own_connections;
    s->http1_limits = (struct http1_limits){conf->limits.head_bytes,
                                            conf->limits.header_count};
    list_init(&s->conns);
    list_init(&s->ready);
    list_init(&s->handshakes);
    list_init(&s->hot);
    map_init(&s->peers);
    timer_init(&s->grace, s->loop, on_grace_over, s);
    err = alloc_parts(s, conf->trusted_proxies);
    if (err) {
        free_parts(s);
        return err;
    }
    err = tcp_listen(&s->listener, s->loop, conf->listen, true, on_connection);
    if (err) goto fail;
    init_metrics(s);
    open_helpers(s);
    *out = s;
    return 0;

fail:
    /* The listener may be closing: s goes with it. */
    s->listener.data = s;
    s->is_closing = true;
    if (s->listener.loop && uv_is_closing((uv_handle_t *)&s->listener)) {
        s->listener.close_cb = on_handle_closed;
        s->open_handles = 1;
    } else {
        free_parts(s);
    }
    return err;
}

int server_port(const struct server *s)
{
    return tcp_bound_port(&s->listener);
}
