/* core/base/err.h — every error this program knows, with one sentence each.
 * Functions return 0 or a negative enum err; out-parameters are written only
 * on success. Lineage: libuv's UV_ERRNO_MAP. */
#ifndef CORE_BASE_ERR_H
#define CORE_BASE_ERR_H

#define ERR_MAP(X)                                                             \
    X(NOMEM, "out of memory")                                                  \
    X(RANGE, "value out of bounds")                                            \
    X(ORDER, "called or sent out of order")                                    \
    X(SYNTAX, "malformed input")                                               \
    X(LIMIT, "a limit was reached")                                            \
    X(AGAIN, "not yet: try again later")                                       \
    X(CLOSED, "closed by the other side")                                      \
    X(NOTFOUND, "not found")                                                   \
    X(EXISTS, "exists already")                                                \
    X(DENIED, "not allowed")                                                   \
    X(UNSUPPORTED, "not supported")                                            \
    X(IO, "input/output failed")                                               \
    X(TIMEOUT, "timed out")                                                    \
    X(BUSY, "in use")                                                          \
    X(USAGE, "wrong usage or configuration")

enum err {
    ERR_OK = 0,
    ERR_FIRST = -4096,
#define X(name, text) ERR_##name,
    ERR_MAP(X)
#undef X
};

/* Name ("NOMEM") and sentence of e; "OK" for 0, "UNKNOWN" for anything else.
 * Static strings; any thread. */
const char *err_name(int e);
const char *err_text(int e);

#endif
