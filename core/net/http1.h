/* core/net/http1.h — HTTP/1.1 requests out of bytes: RFC 9112, strictly, and
 * refusing every shape that two parsers could read differently (§11.2).
 * Pure: no socket, clock, memory or log. One struct http1 per connection.
 *
 *   http1_next(h, data, len, …) is handed the bytes not yet used:
 *
 *      HEAD ──HTTP1_REQUEST──► LENGTH ──HTTP1_BODY…──┐
 *       ▲            │    └──► CHUNKS ──HTTP1_BODY…──┤
 *       │            └── no body ─────────────────── ▼
 *       └──────────────────────────────────── HTTP1_END
 *
 * Input may stop at any byte: HTTP1_MORE then says how much was used, and the
 * next call hands over the rest again with more behind it. An error ends the
 * connection: h->status is the answer it deserves. */
#ifndef CORE_NET_HTTP1_H
#define CORE_NET_HTTP1_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http1_state {
    HTTP1_IN_HEAD,
    HTTP1_IN_LENGTH,
    HTTP1_IN_CHUNK_LINE,
    HTTP1_IN_CHUNK,
    HTTP1_IN_CHUNK_END,
    HTTP1_IN_TRAILER,
    HTTP1_AT_END,
    HTTP1_FAILED
};

enum http1_event { HTTP1_MORE, HTTP1_REQUEST, HTTP1_BODY, HTTP1_END };

struct http1_limits {
    size_t head_bytes; /* request line + fields; 431 */
    int header_count;  /* 431 */
};

/* One request's head. Text is "path\0query\0name\0value\0…name\0value\0":
 * names in lower case, never longer than the head was. */
struct http1_request {
    unsigned method; /* of enum http_method; HEAD is GET + is_head */
    bool is_head;
    bool keeps_alive; /* after the answer, says the client */
    bool wants_continue;
    bool has_body;
    int64_t length; /* of the body; -1: chunked */
    const char *text;
    size_t text_len;
    size_t query, headers; /* offsets in text */
    const char *host;      /* inside text; "" where there is none */
};

struct http1 {
    enum http1_state state;
    int status;      /* after an error */
    uint64_t left;   /* of the body or the chunk */
    size_t scanned;  /* of a head that is not complete yet */
    size_t overhead; /* chunk lines and trailers of this body */
};

struct http1_step {
    size_t used;         /* bytes of data that need not be handed over again */
    const uint8_t *body; /* HTTP1_BODY: borrowed from data */
    size_t body_len;
    const char *why; /* after an error: a word for the log */
};

void http1_init(struct http1 *h);
/* scratch: limits->head_bytes + 2 bytes, where request->text will lie; both
 * are only written for HTTP1_REQUEST. An enum http1_event or ERR_SYNTAX,
 * ERR_LIMIT, ERR_UNSUPPORTED. */
int http1_next(struct http1 *h, const struct http1_limits *limits,
               const uint8_t *data, size_t len, char *scratch,
               struct http1_request *request, struct http1_step *step);
/* Is the connection between two requests (or before the first)? */
bool http1_is_idle(const struct http1 *h);

#endif
