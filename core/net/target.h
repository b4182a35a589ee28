/* core/net/target.h — what a request asks for: its method, its path, decoded
 * once and refused where it tries to leave its tree, and the raw query. Used by
 * HTTP/1.1 and HTTP/2 alike. Pure. Spec: RFC 3986 §3.3, §5.2.4; RFC 9110 §7. */
#ifndef CORE_NET_TARGET_H
#define CORE_NET_TARGET_H
#include <stdbool.h>
#include <stddef.h>

/* Reads an origin-form target ("/a%20b?x=1") or "*". Writes "PATH\0QUERY\0"
 * into out, which has room for len + 2 bytes; *query is the offset of QUERY,
 * *used the bytes written. 0 or ERR_SYNTAX: characters no URI has, a bad or
 * doubled escape, NUL, control characters, backslash, an encoded slash, dot
 * segments. */
int target_parse(const char *text, size_t len, char *out, size_t *query,
                 size_t *used);
/* Is this a host with an optional port, as Host and :authority carry it? */
int target_check_host(const char *text, size_t len);

/* The method by its name (case matters), as a bit of enum http_method; HEAD is
 * GET with *is_head set. 0 or ERR_UNSUPPORTED. */
int target_method(const char *text, size_t len, unsigned *method,
                  bool *is_head);

#endif
