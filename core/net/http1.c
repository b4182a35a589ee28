#include "core/net/http1.h"

#include <string.h>
#include <strings.h>

#include "core/base/err.h"
#include "core/net/server.h"
#include "core/net/target.h"

enum {
    EMPTY_LINES_MAX = 2,        /* before a request line, RFC 9112 §2.2 */
    CHUNK_LINE_MAX = 256,       /* size and extensions, §7.1.1 */
    CHUNK_DIGITS_MAX = 8,       /* 4 GiB - 1 */
    CHUNK_OVERHEAD_MAX = 65536, /* of one body, beyond its bytes: tiny chunks
                                   must not cost more than they carry */
    LENGTH_DIGITS_MAX = 15,
    GO_ON = -1, /* neither event nor error: the state changed */
};

/* What is being read, and where the words go. */
struct reading {
    struct http1 *h;
    struct http1_request *r;
    char *out; /* scratch */
    size_t n;  /* written there */
    const char *host;
    size_t host_len;
    int hosts, lengths, encodings;
    bool is_1_0, says_close, says_keep_alive;
    const char *why;
};

void http1_init(struct http1 *h)
{
    *h = (struct http1){.state = HTTP1_IN_HEAD};
}

bool http1_is_idle(const struct http1 *h)
{
    return h->state == HTTP1_IN_HEAD && h->scanned == 0;
}

static int fail(struct http1 *h, int status, int err)
{
    h->state = HTTP1_FAILED;
    h->status = status;
    return err;
}

static int refuse(struct reading *g, int status, const char *why)
{
    g->why = why;
    return fail(g->h, status,
                status == 431   ? ERR_LIMIT
                : status >= 500 ? ERR_UNSUPPORTED
                                : ERR_SYNTAX);
}

/* tchar of RFC 9110 §5.6.2; upper case maps to lower, others to 0. */
static const char token_char[256] = {
    ['!'] = '!',   ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&',
    ['\''] = '\'', ['*'] = '*', ['+'] = '+', ['-'] = '-', ['.'] = '.',
    ['^'] = '^',   ['_'] = '_', ['`'] = '`', ['|'] = '|', ['~'] = '~',
    ['0'] = '0',   ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
    ['5'] = '5',   ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
    ['a'] = 'a',   ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e',
    ['f'] = 'f',   ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j',
    ['k'] = 'k',   ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p',   ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't',
    ['u'] = 'u',   ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y',
    ['z'] = 'z',   ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
    ['E'] = 'e',   ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',
    ['J'] = 'j',   ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n',
    ['O'] = 'o',   ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's',
    ['T'] = 't',   ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x',
    ['Y'] = 'y',   ['Z'] = 'z',
};

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && !strncasecmp(text, word, len);
}

/* --- request line --------------------------------------------------------- */

static int read_method(struct reading *g, const char *text, size_t len)
{
    if (!target_method(text, len, &g->r->method, &g->r->is_head)) return 0;
    for (size_t i = 0; i < len; i++)
        if (!token_char[(unsigned char)text[i]])
            return refuse(g, 400, "request-line");
    return refuse(g, len ? 501 : 400, "method");
}

/* absolute-form: what follows the authority is the target (§3.2.2). */
static int read_target(struct reading *g, const char *text, size_t len)
{
    size_t skip = len > 7 && !strncasecmp(text, "http://", 7)    ? 7
                  : len > 8 && !strncasecmp(text, "https://", 8) ? 8
                                                                 : 0;
    size_t used;

    if (skip) {
        text += skip, len -= skip;
        size_t n = 0;
        while (n < len && text[n] != '/' && text[n] != '?')
            n++;
        g->host = text;
        g->host_len = n;
        text += n, len -= n;
        if (!len || *text == '?') return refuse(g, 400, "target");
    }
    if (target_parse(text, len, g->out, &g->r->query, &used))
        return refuse(g, 400, "target");
    if (g->out[0] == '*' && g->r->method != HTTP_OPTIONS)
        return refuse(g, 400, "target");
    g->n = g->r->headers = used;
    return 0;
}

static int read_request_line(struct reading *g, const char *line, size_t len)
{
    const char *first = memchr(line, ' ', len);
    const char *last = memrchr(line, ' ', len);

    if (!first || first == last) return refuse(g, 400, "request-line");
    const char *version = last + 1;
    size_t version_len = (size_t)(line + len - version);
    if (version_len != 8 || memcmp(version, "HTTP/", 5) || version[5] < '0' ||
        version[5] > '9' || version[6] != '.' || version[7] < '0' ||
        version[7] > '9')
        return refuse(g, 400, "request-line");
    if (version[5] != '1') return refuse(g, 505, "version");
    g->is_1_0 = version[7] == '0';
    int err = read_method(g, line, (size_t)(first - line));
    if (err) return err;
    return read_target(g, first + 1, (size_t)(last - first - 1));
}

/* --- fields ----------------------------------------------------------------
 */

static int read_length(struct reading *g, const char *v, size_t len)
{
    int64_t n = 0;

    if (g->lengths++ || !len || len > LENGTH_DIGITS_MAX)
        return refuse(g, 400, "content-length");
    for (size_t i = 0; i < len; i++) {
        if (v[i] < '0' || v[i] > '9') return refuse(g, 400, "content-length");
        n = n * 10 + (v[i] - '0');
    }
    g->r->length = n;
    return 0;
}

static void read_connection(struct reading *g, const char *v, size_t len)
{
    while (len) {
        const char *comma = memchr(v, ',', len);
        size_t n = comma ? (size_t)(comma - v) : len, word = n;
        const char *at = v;
        while (word && (*at == ' ' || *at == '\t'))
            at++, word--;
        while (word && (at[word - 1] == ' ' || at[word - 1] == '\t'))
            word--;
        if (is_word(at, word, "close")) g->says_close = true;
        if (is_word(at, word, "keep-alive")) g->says_keep_alive = true;
        v += n, len -= n;
        if (comma) v++, len--;
    }
}

/* The fields that say where the request ends, and who is asked. */
static int mind_field(struct reading *g, const char *name, size_t name_len,
                      const char *v, size_t len)
{
    switch (name_len) {
    case 4:
        if (memcmp(name, "host", 4)) break;
        if (g->hosts++) return refuse(g, 400, "host");
        if (len && target_check_host(v, len)) return refuse(g, 400, "host");
        g->r->host = v;
        break;
    case 6:
        if (memcmp(name, "expect", 6)) break;
        if (!is_word(v, len, "100-continue")) return refuse(g, 417, "expect");
        g->r->wants_continue = true;
        break;
    case 10:
        if (!memcmp(name, "connection", 10)) read_connection(g, v, len);
        break;
    case 14:
        if (!memcmp(name, "content-length", 14)) return read_length(g, v, len);
        break;
    case 17:
        if (memcmp(name, "transfer-encoding", 17)) break;
        if (g->encodings++) return refuse(g, 400, "transfer-encoding");
        if (!is_word(v, len, "chunked"))
            return refuse(g, 501, "transfer-encoding");
        g->r->length = -1;
        break;
    default: break;
    }
    return 0;
}

static int read_field(struct reading *g, const char *line, size_t len)
{
    char *name = g->out + g->n;
    size_t n = 0, value_len;

    /* A line that begins with a space is obs-fold (§5.2); one before the
     * colon is how requests are smuggled (§5.1). Neither is a tchar. */
    while (n < len && token_char[(unsigned char)line[n]]) {
        name[n] = token_char[(unsigned char)line[n]];
        n++;
    }
    if (!n || n == len || line[n] != ':') return refuse(g, 400, "field-name");
    name[n] = 0;
    line += n + 1, len -= n + 1;
    while (len && (*line == ' ' || *line == '\t'))
        line++, len--;
    while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    char *value = name + n + 1;
    for (value_len = 0; value_len < len; value_len++) {
        unsigned char c = (unsigned char)line[value_len];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return refuse(g, 400, "field-value");
        value[value_len] = (char)c;
    }
    value[value_len] = 0;
    g->n += n + value_len + 2;
    return mind_field(g, name, n, value, value_len);
}

/* --- head -------------------------------------------------------------------
 */

static int check_head(struct reading *g)
{
    struct http1_request *r = g->r;

    if (g->encodings && g->lengths) return refuse(g, 400, "length-and-chunked");
    /* HTTP/1.0 knows no chunks: whoever sends both is not one parser. */
    if (g->encodings && g->is_1_0) return refuse(g, 400, "transfer-encoding");
    if (g->host) {
        if (target_check_host(g->host, g->host_len))
            return refuse(g, 400, "target");
        /* The authority of the target wins over Host (§3.2.2). It was longer
         * in the head ("http://") than here. */
        char *copy = g->out + g->n;
        memcpy(copy, "host", 5);
        memcpy(copy + 5, g->host, g->host_len);
        copy[5 + g->host_len] = 0;
        r->host = copy + 5;
        g->n += g->host_len + 6;
    }
    if (!r->host) {
        if (!g->is_1_0) return refuse(g, 400, "host");
        r->host = "";
    }
    r->keeps_alive = !g->says_close && (!g->is_1_0 || g->says_keep_alive);
    r->has_body = r->length != 0;
    r->text = g->out;
    r->text_len = g->n;
    return 0;
}

/* The end of the head in data, or 0; every line must end in CR LF. */
static int find_end(struct http1 *h, const uint8_t *data, size_t len,
                    size_t *end)
{
    const uint8_t *at = data + h->scanned, *stop = data + len;

    *end = 0;
    while ((at = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        size_t i = (size_t)(at - data);
        if (!i || data[i - 1] != '\r') return ERR_SYNTAX;
        if (i >= 3 && data[i - 2] == '\n') {
            *end = i + 1;
            return 0;
        }
        at++;
    }
    h->scanned = len;
    return 0;
}

static int parse_head(struct reading *g, const struct http1_limits *limits,
                      const char *head, size_t len)
{
    const char *end = head + len - 2; /* the empty line */
    int fields = 0;

    for (const char *line = head; line < end;) {
        const char *cr = memchr(line, '\r', (size_t)(end - line));
        if (!cr || cr[1] != '\n') return refuse(g, 400, "line-end");
        size_t n = (size_t)(cr - line);
        int err;
        if (line == head)
            err = read_request_line(g, line, n);
        else if (fields++ >= limits->header_count)
            err = refuse(g, 431, "header-count");
        else
            err = read_field(g, line, n);
        if (err) return err;
        line = cr + 2;
    }
    return check_head(g);
}

static int next_head(struct http1 *h, const struct http1_limits *limits,
                     const uint8_t *data, size_t len, char *scratch,
                     struct http1_request *request, struct http1_step *step)
{
    struct http1_request r = {0};
    struct reading g = {.h = h, .r = &r, .out = scratch};
    size_t skip = 0, end;

    if (!h->scanned) {
        while (len - skip >= 2 && data[skip] == '\r' &&
               data[skip + 1] == '\n' && h->overhead < EMPTY_LINES_MAX)
            skip += 2, h->overhead++;
        if (len - skip == 0 || (len - skip == 1 && data[skip] == '\r')) {
            step->used = skip;
            return HTTP1_MORE;
        }
    }
    step->used = skip;
    data += skip, len -= skip;
    int err = find_end(h, data, len, &end);
    if (err) {
        step->why = "line-end";
        return fail(h, 400, err);
    }
    if ((end ? end : len) > limits->head_bytes) {
        step->why = "head-bytes";
        return fail(h, 431, ERR_LIMIT);
    }
    if (!end) return HTTP1_MORE;
    err = parse_head(&g, limits, (const char *)data, end);
    step->why = g.why;
    if (err) return err;
    step->used = skip + end;
    h->scanned = h->overhead = 0;
    h->left = r.length > 0 ? (uint64_t)r.length : 0;
    h->state = r.length < 0   ? HTTP1_IN_CHUNK_LINE
               : r.length > 0 ? HTTP1_IN_LENGTH
                              : HTTP1_AT_END;
    *request = r;
    return HTTP1_REQUEST;
}

/* --- body -------------------------------------------------------------------
 */

static int fail_chunk(struct http1 *h, struct http1_step *step)
{
    step->why = "chunk";
    return fail(h, 400, ERR_SYNTAX);
}

/* A line of at most CHUNK_LINE_MAX: *n its length without CR LF; 0 with *n
 * SIZE_MAX when it is not there yet. */
static int find_line(const uint8_t *data, size_t len, size_t *n)
{
    const uint8_t *lf = memchr(data, '\n', len);
    size_t seen = lf ? (size_t)(lf - data) : len;

    *n = SIZE_MAX;
    if (seen > CHUNK_LINE_MAX) return ERR_LIMIT;
    if (!lf) return 0;
    if (!seen || data[seen - 1] != '\r') return ERR_SYNTAX;
    *n = seen - 1;
    for (size_t i = 0; i < *n; i++)
        if ((data[i] < 0x20 && data[i] != '\t') || data[i] == 0x7f)
            return ERR_SYNTAX;
    return 0;
}

static int chunk_size(const uint8_t *line, size_t n, uint64_t *out)
{
    size_t i = 0;
    uint64_t v = 0;

    for (; i < n && i <= CHUNK_DIGITS_MAX; i++) {
        unsigned c = line[i] | 0x20;
        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (c - 'a' + 10);
        else
            break;
    }
    /* Behind the digits only an extension may stand: no space (§7.1.1). */
    if (!i || i > CHUNK_DIGITS_MAX || (i < n && line[i] != ';'))
        return ERR_SYNTAX;
    *out = v;
    return 0;
}

static int next_chunk_line(struct http1 *h, const uint8_t *data, size_t len,
                           struct http1_step *step)
{
    size_t n;

    if (find_line(data, len, &n)) return fail_chunk(h, step);
    if (n == SIZE_MAX) return HTTP1_MORE;
    h->overhead += n + 4;
    if (h->overhead > CHUNK_OVERHEAD_MAX) return fail_chunk(h, step);
    step->used += n + 2;
    if (h->state == HTTP1_IN_TRAILER) {
        if (!n) h->state = HTTP1_AT_END;
        return GO_ON;
    }
    if (chunk_size(data, n, &h->left)) return fail_chunk(h, step);
    h->state = h->left ? HTTP1_IN_CHUNK : HTTP1_IN_TRAILER;
    return GO_ON;
}

static int next_bytes(struct http1 *h, const uint8_t *data, size_t len,
                      struct http1_step *step)
{
    size_t n = h->left < len ? (size_t)h->left : len;

    if (!n) return HTTP1_MORE;
    step->body = data;
    step->body_len = n;
    step->used += n;
    h->left -= n;
    /* A tiny chunk pays for its line, a big one earns it back. */
    if (h->state == HTTP1_IN_CHUNK)
        h->overhead = h->overhead > n ? h->overhead - n : 0;
    if (!h->left)
        h->state =
            h->state == HTTP1_IN_LENGTH ? HTTP1_AT_END : HTTP1_IN_CHUNK_END;
    return HTTP1_BODY;
}

static int next_chunk_end(struct http1 *h, const uint8_t *data, size_t len,
                          struct http1_step *step)
{
    if (len && data[0] != '\r') return fail_chunk(h, step);
    if (len < 2) return HTTP1_MORE;
    if (data[1] != '\n') return fail_chunk(h, step);
    step->used += 2;
    h->state = HTTP1_IN_CHUNK_LINE;
    return GO_ON;
}

int http1_next(struct http1 *h, const struct http1_limits *limits,
               const uint8_t *data, size_t len, char *scratch,
               struct http1_request *request, struct http1_step *step)
{
    int event = GO_ON;

    *step = (struct http1_step){0};
    while (event == GO_ON) {
        const uint8_t *at = data + step->used;
        size_t left = len - step->used;
        switch (h->state) {
        case HTTP1_IN_HEAD:
            return next_head(h, limits, data, len, scratch, request, step);
        case HTTP1_IN_LENGTH:
        case HTTP1_IN_CHUNK: event = next_bytes(h, at, left, step); break;
        case HTTP1_IN_CHUNK_LINE:
        case HTTP1_IN_TRAILER:
            event = next_chunk_line(h, at, left, step);
            break;
        case HTTP1_IN_CHUNK_END:
            event = next_chunk_end(h, at, left, step);
            break;
        case HTTP1_AT_END: http1_init(h); return HTTP1_END;
        case HTTP1_FAILED: return ERR_ORDER;
        }
    }
    return event;
}
