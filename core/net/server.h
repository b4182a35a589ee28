/* core/net/server.h — the HTTP data plane: routes and shared responses over
 * HTTP/1.1 and HTTP/2, plain or TLS (ALPN), one server per loop with
 * SO_REUSEPORT. Everything here happens on that loop's thread.
 *
 * An exchange is one request and its answer. The handler gets it once the
 * request (with its body, up to the route's limit) is there, and answers with
 * exchange_respond() at once or later: that is how blocking reloads wait.
 * A response is built once and shared by any number of exchanges of its loop:
 * its head is rendered once per protocol, its body is slices by reference.
 *
 * Limits and time-outs at each stage are rows of struct server_limits; each
 * that bites closes that one connection (or answers 4xx) and counts in
 * lectern_http_refused_total{reason}. */
#ifndef CORE_NET_SERVER_H
#define CORE_NET_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct loop;
struct metrics;
struct tls_server; /* core/net/tls.h; certificate and tickets, all loops */
struct server;
struct exchange;
struct response;

enum http_method {
    HTTP_GET = 1 << 0, /* HEAD is served by the GET route, body left out */
    HTTP_POST = 1 << 1,
    HTTP_PATCH = 1 << 2,
    HTTP_DELETE = 1 << 3,
    HTTP_OPTIONS = 1 << 4,
    HTTP_PUT = 1 << 5,
};

struct server_limits {
    size_t head_bytes;    /* request line + headers; default 16384: 431 */
    int header_count;     /* default 100: 431 */
    int64_t head_us;      /* first byte to end of head; 10 s: 408 */
    int64_t body_us;      /* whole body; 20 s: 408 */
    int64_t idle_us;      /* keep-alive; 65 s */
    int64_t write_us;     /* no progress while we have bytes; 20 s */
    int64_t handshake_us; /* TLS; 10 s */
    int streams;          /* h2 concurrent streams; default 128 */
    size_t unsent_bytes;  /* queued for a slow reader; default 16 MiB */
    int connections;      /* of all servers that share open_connections;
                             default RLIMIT_NOFILE * 0.8 */
    int connections_per_address; /* default 256; loopback and trusted proxies
                                    are not counted */
    int half_open_per_address;   /* TLS handshakes; default 32; likewise */
};
void server_limits_default(struct server_limits *out);

struct server_conf {
    struct loop *loop;
    const char *listen;     /* "host:port"; see tcp_parse_address */
    struct tls_server *tls; /* shared; NULL: plain HTTP/1.1 + h2c prior
                               knowledge */
    struct server_limits limits;
    /* Addresses and prefixes (see tcp_is_listed()) whose X-Forwarded-For is
     * believed; loopback always is. Copied; may be NULL. */
    const char *trusted_proxies;
    /* Counts the connections of all servers that are given the same one, from
     * any loop, so that HTTP leaves descriptors for the rest; NULL: own. */
    _Atomic int *open_connections;
    struct metrics *metrics; /* may be NULL */
};

/* Gives a listening server without routes. 0 or tcp_listen()'s errors. */
int server_create(struct server **out, const struct server_conf *conf);
/* Stops listening at once; running exchanges end within grace_us, then
 * connections are closed (h2: GOAWAY first). on_done may be NULL. */
void server_close(struct server *s, int64_t grace_us, void (*on_done)(void *),
                  void *arg);
int server_port(const struct server *s);

typedef void server_handler(struct exchange *x, void *arg);
struct server_route {
    unsigned methods;  /* of enum http_method */
    const char *path;  /* exact, or a prefix when it ends in '/' + '*' */
    size_t body_limit; /* 413 above; 0: a body is refused */
    server_handler *handler;
    void *arg;
};
/* Copies r; longest match wins; a known path with another method: 405 + Allow.
 * An OPTIONS that no route of the path takes: 204, the CORS preflight.
 * Unknown: 404. All with CORS headers. 0 or ERR_NOMEM. */
int server_route(struct server *s, const struct server_route *r);

/* The request. Borrowed text, alive until the exchange ends; never NULL
 * except exchange_header() for an absent field (names in lower case).
 * path: percent-decoded once, dot segments and NUL already refused (400). */
enum http_method exchange_method(const struct exchange *x);
const char *exchange_path(const struct exchange *x);
const char *exchange_query(const struct exchange *x); /* raw, without '?' */
const char *exchange_header(const struct exchange *x, const char *name);
struct slice exchange_body(const struct exchange *x); /* borrowed */
/* "host" of the viewer: the last address that a trusted proxy forwarded, else
 * the other end of the connection. */
const char *exchange_peer(const struct exchange *x);
/* Is that loopback or a proxy of ours itself, which caps per address leave
 * alone? */
bool exchange_is_trusted(const struct exchange *x);
const char *exchange_host(const struct exchange *x); /* Host/:authority */
bool exchange_is_secure(const struct exchange *x);
bool exchange_accepts_gzip(const struct exchange *x);
struct server *exchange_server(const struct exchange *x);
int64_t exchange_started_at(const struct exchange *x); /* monotonic µs */

/* One answer per exchange, now or later; shares r. The exchange may not be
 * touched afterwards. */
void exchange_respond(struct exchange *x, struct response *r);
/* A small text answer with CORS and Cache-Control: no-store. */
void exchange_respond_text(struct exchange *x, int status, const char *text);
/* Called at most once, if the viewer goes away before the answer; the exchange
 * is gone when it returns. A handler that keeps x must set this. */
void exchange_on_abort(struct exchange *x, void (*fn)(void *arg), void *arg);
/* A list node and a word of the handler's own, zeroed, for its waiter lists. */
struct list;
struct list *exchange_node(struct exchange *x);
struct exchange *exchange_of_node(struct list *node);
void exchange_set_user(struct exchange *x, void *user);
void *exchange_user(const struct exchange *x);

/* Responses; one loop; counted without atomics. Content-Length and Date are
 * added by the server. Names in lower case. */
int response_create(struct response **out, int status);
int response_header(struct response *r, const char *name, const char *value);
/* Adds access-control-allow-origin: *, timing-allow-origin: * and
 * access-control-expose-headers. */
int response_cors(struct response *r);
int response_body(struct response *r, struct slice s); /* shares s; appends */
struct response *response_ref(struct response *r);
void response_unref(struct response **r);

#endif
