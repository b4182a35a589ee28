/* tests/bench/httpserver.c — core/net/server alone on one loop, serving the
 * files of a folder as shared responses, and waiters to be released.
 * usage: httpserver FOLDER PORT TLS_PORT
 *   /NAME      the file, built once and shared
 *   /wait      blocks until /release
 *   /count     how many wait    /release   answers them all at once */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/list.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/net/server.h"
#include "core/net/tls.h"

struct bench {
    struct list waiters;
    int waiting;
    _Atomic int connections; /* plain and TLS */
};

static void serve_file(struct exchange *x, void *arg)
{
    exchange_respond(x, arg);
}

static void on_gone(void *arg)
{
    list_unlink(exchange_node(arg));
}

static void serve_wait(struct exchange *x, void *arg)
{
    struct bench *b = arg;

    b->waiting++;
    list_append(&b->waiters, exchange_node(x));
    exchange_on_abort(x, on_gone, x);
}

static void serve_count(struct exchange *x, void *arg)
{
    char text[32];

    snprintf(text, sizeof text, "%d", ((struct bench *)arg)->waiting);
    exchange_respond_text(x, 200, text);
}

static struct response *make_response(const char *type, const void *data,
                                      size_t len)
{
    struct response *r;
    struct buf *b;

    if (response_create(&r, 200) || buf_create(&b, data, len)) exit(1);
    response_header(r, "content-type", type);
    response_header(r, "cache-control", "max-age=60");
    response_cors(r);
    struct slice s = slice_take(&b);
    if (response_body(r, s)) exit(1);
    slice_unref(&s);
    return r;
}

static void serve_release(struct exchange *x, void *arg)
{
    static char body[1200];
    struct bench *b = arg;
    struct response *r;

    memset(body, '#', sizeof body);
    r = make_response("application/vnd.apple.mpegurl", body, sizeof body);
    while (!list_is_empty(&b->waiters)) {
        struct exchange *waiter = exchange_of_node(b->waiters.next);
        list_unlink(exchange_node(waiter));
        exchange_respond(waiter, r);
    }
    b->waiting = 0;
    exchange_respond(x, r);
    response_unref(&r);
}

static void add_route(struct server *s, const char *path, server_handler *fn,
                      void *arg)
{
    struct server_route route = {HTTP_GET, path, 0, fn, arg};

    if (server_route(s, &route)) exit(1);
}

static void add_files(struct server *s, const char *folder)
{
    static char bytes[4 << 20];
    char path[1024];
    DIR *d = opendir(folder);
    struct dirent *e;

    if (!d) exit(1);
    while ((e = readdir(d)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "rb") : NULL;
        if (!f) continue;
        size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        snprintf(path, sizeof path, "/%s", e->d_name);
        add_route(s, path, serve_file, make_response("video/mp4", bytes, n));
    }
    closedir(d);
}

static struct server *open_server(struct loop *l, struct bench *b,
                                  const char *folder, const char *port,
                                  struct tls_server *tls)
{
    struct server_conf conf = {
        .loop = l, .tls = tls, .open_connections = &b->connections};
    struct server *s;
    char listen[64];

    snprintf(listen, sizeof listen, "127.0.0.1:%s", port);
    conf.listen = listen;
    server_limits_default(&conf.limits);
    conf.limits.idle_us = 600000000; /* ten thousand take their time to join */
    if (server_create(&s, &conf)) exit(1);
    add_files(s, folder);
    add_route(s, "/wait", serve_wait, b);
    add_route(s, "/count", serve_count, b);
    add_route(s, "/release", serve_release, b);
    return s;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct loop *l;
    struct tls_server *tls;
    struct bench b = {.waiting = 0};

    if (argc != 4) {
        fprintf(stderr, "usage: httpserver FOLDER PORT TLS_PORT\n");
        return 2;
    }
    char dir[1024];
    snprintf(dir, sizeof dir, "%s/../data", argv[1]);
    struct tls_server_conf conf = {"auto", "auto", dir, NULL, true};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    log_setup(LOG_WARN, 2);
    list_init(&b.waiters);
    if (loop_create(&l, 0) || tls_server_create(&tls, &conf)) return 1;
    open_server(l, &b, argv[1], argv[2], NULL);
    open_server(l, &b, argv[1], argv[3], tls);
    loop_run(l);
    return 0;
}
