#include "core/net/target.h"

#include <string.h>

#include "core/base/err.h"
#include "core/net/server.h"

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Bytes that may stand in a target as they are. The brackets, braces and
 * quotes that RFC 3986 leaves out do come from real clients. */
static bool is_plain(char c)
{
    return c > 0x20 && c < 0x7f && c != '#' && c != '\\';
}

/* The segment out[from .. to) is complete. */
static bool is_dots(const char *out, size_t from, size_t to)
{
    size_t n = to - from;

    return (n == 1 && out[from] == '.') ||
           (n == 2 && out[from] == '.' && out[from + 1] == '.');
}

static int decode(const char *text, char *out)
{
    int high = hex_of(text[1]), low = high < 0 ? -1 : hex_of(text[2]);
    int c = high * 16 + low;

    if (low < 0 || c < 0x20 || c == 0x7f || c == '/' || c == '\\')
        return ERR_SYNTAX;
    *out = (char)c;
    return 0;
}

int target_parse(const char *text, size_t len, char *out, size_t *query,
                 size_t *used)
{
    size_t i = 0, n = 0, segment = 1;

    if (!len || (text[0] != '/' && !(len == 1 && text[0] == '*')))
        return ERR_SYNTAX;
    for (; i < len && text[i] != '?'; i++) {
        char c = text[i];
        if (c == '%') {
            if (len - i < 3 || decode(text + i, &c)) return ERR_SYNTAX;
            i += 2;
        } else if (!is_plain(c)) {
            return ERR_SYNTAX;
        }
        if (text[i] == '/') {
            if (n && is_dots(out, segment, n)) return ERR_SYNTAX;
            segment = n + 1;
        }
        out[n++] = c;
    }
    if (n > segment && is_dots(out, segment, n)) return ERR_SYNTAX;
    out[n++] = 0;
    *query = n;
    for (i++; i < len; i++) {
        if (!is_plain(text[i])) return ERR_SYNTAX;
        out[n++] = text[i];
    }
    out[n++] = 0;
    *used = n;
    return 0;
}

int target_check_host(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_plain(text[i]) || strchr("/?@<>\"{}|^`", text[i]))
            return ERR_SYNTAX;
    return len ? 0 : ERR_SYNTAX;
}

int target_method(const char *text, size_t len, unsigned *method, bool *is_head)
{
    static const struct {
        const char *name;
        enum http_method method;
    } known[] = {{"GET", HTTP_GET},       {"HEAD", HTTP_GET},
                 {"POST", HTTP_POST},     {"PATCH", HTTP_PATCH},
                 {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
                 {"PUT", HTTP_PUT}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (len != strlen(known[i].name) || memcmp(text, known[i].name, len))
            continue;
        *method = known[i].method;
        *is_head = text[0] == 'H';
        return 0;
    }
    return ERR_UNSUPPORTED;
}
