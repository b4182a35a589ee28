#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/server_priv.h"

int server_route(struct server *s, const struct server_route *r)
{
    size_t len = strlen(r->path);
    bool is_prefix = len >= 2 && !strcmp(r->path + len - 2, "/*");
    struct route *more;
    int at = 0;

    more = realloc(s->routes, (size_t)(s->route_count + 1) * sizeof *more);
    if (!more) return ERR_NOMEM;
    s->routes = more;
    char *path = strdup(r->path);
    if (!path) return ERR_NOMEM;
    if (is_prefix) path[--len] = 0;
    /* Longest first, so that the first match wins; exact before prefix. */
    while (at < s->route_count &&
           (more[at].len > len || (more[at].len == len && is_prefix)))
        at++;
    memmove(more + at + 1, more + at,
            (size_t)(s->route_count - at) * sizeof *more);
    more[at] = (struct route){r->methods,    path,       len,   is_prefix,
                              r->body_limit, r->handler, r->arg};
    s->route_count++;
    return 0;
}

static bool matches(const struct route *r, const char *path, size_t len)
{
    return r->is_prefix ? len >= r->len && !memcmp(path, r->path, r->len)
                        : len == r->len && !memcmp(path, r->path, len);
}

int routes_find(const struct server *s, const char *path, unsigned method,
                const struct route **out, unsigned *allow)
{
    const struct route *first = NULL;
    size_t len = strlen(path);

    *allow = 0;
    for (int i = 0; i < s->route_count; i++) {
        const struct route *r = &s->routes[i];
        if (first && (r->len != first->len || r->is_prefix != first->is_prefix))
            break;
        if (!matches(r, path, len)) continue;
        if (r->methods & method) {
            *out = r;
            return 0;
        }
        first = r;
        *allow |= r->methods;
    }
    if (method == HTTP_OPTIONS && !strcmp(path, "*")) {
        *allow = ~0u;
        return 204;
    }
    if (!first) return 404;
    return method == HTTP_OPTIONS ? 204 : 405;
}

void routes_release(struct server *s)
{
    for (int i = 0; i < s->route_count; i++)
        free(s->routes[i].path);
    free(s->routes);
}
