#include "core/base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"

enum { LINE_MAX_BYTES = 2048, SECRET_SHOWN = 4 };

/* Where lines go is the process's choice, made once in main. */
static atomic_int log_most = LOG_INFO;
static atomic_int log_fd = 2;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_setup(enum log_level most, int fd)
{
    atomic_store(&log_most, (int)most);
    atomic_store(&log_fd, fd);
}

int log_level_parse(const char *text, enum log_level *out)
{
    for (int i = 0; i <= LOG_DEBUG; i++) {
        if (strcmp(text, level_names[i])) continue;
        *out = (enum log_level)i;
        return 0;
    }
    return ERR_RANGE;
}

struct line {
    char *out;
    size_t len, size; /* size leaves room for newline and NUL */
};

static void put(struct line *l, const char *text, size_t n)
{
    if (n > l->size - l->len) n = l->size - l->len;
    memcpy(l->out + l->len, text, n);
    l->len += n;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* logfmt: quoted when it holds anything but plain printable characters;
 * control bytes become \xNN so that one event is always one line. */
static void put_value(struct line *l, const char *v)
{
    size_t plain = strcspn(v, " =\"\\");

    for (size_t i = 0; i < plain; i++)
        if ((unsigned char)v[i] < 0x20 || v[i] == 0x7f) plain = i;
    if (v[0] && !v[plain]) {
        put_text(l, v);
        return;
    }
    put(l, "\"", 1);
    for (; *v; v++) {
        unsigned char c = (unsigned char)*v;
        char hex[8];
        if (c == '"' || c == '\\') {
            put(l, "\\", 1);
            put(l, v, 1);
        } else if (c == '\n') {
            put(l, "\\n", 2);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(hex, sizeof hex, "\\x%02x", c);
            put_text(l, hex);
        } else {
            put(l, v, 1);
        }
    }
    put(l, "\"", 1);
}

static void put_field(struct line *l, const struct log_field *f)
{
    char number[40];
    char shown[SECRET_SHOWN + 4];

    put(l, " ", 1);
    put_text(l, f->key);
    put(l, "=", 1);
    switch (f->kind) {
    case LOG_TEXT: put_value(l, f->v.text); break;
    case LOG_INT:
        snprintf(number, sizeof number, "%lld", (long long)f->v.integer);
        put_text(l, number);
        break;
    case LOG_REAL:
        snprintf(number, sizeof number, "%.3f", f->v.real);
        put_text(l, number);
        break;
    case LOG_SECRET:
        /* A short secret would be shown whole: show nothing of it. */
        snprintf(shown, sizeof shown, "%.*s…",
                 strlen(f->v.text) >= 2 * SECRET_SHOWN ? SECRET_SHOWN : 0,
                 f->v.text);
        put_value(l, shown);
        break;
    case LOG_END: break;
    }
}

size_t log_format(char *out, size_t size, int64_t wall_us, enum log_level level,
                  const char *room, const char *event,
                  const struct log_field *fields)
{
    struct line l = {out, 0, size - 2};
    char when[25];

    clock_iso8601(when, wall_us);
    put_text(&l, "ts=");
    put_text(&l, when);
    put_text(&l, " level=");
    put_text(&l, level_names[level]);
    put_text(&l, " room=");
    put_text(&l, room);
    put_text(&l, " event=");
    put_text(&l, event);
    for (; fields->kind != LOG_END; fields++)
        put_field(&l, fields);
    out[l.len++] = '\n';
    out[l.len] = 0;
    return l.len;
}

void log_emit(enum log_level level, const char *room, const char *event,
              const struct log_field *fields)
{
    char line[LINE_MAX_BYTES];
    size_t n;

    if ((int)level > atomic_load_explicit(&log_most, memory_order_relaxed))
        return;
    n = log_format(line, sizeof line, clock_wall_us(), level, room, event,
                   fields);
    ssize_t wrote = write(atomic_load(&log_fd), line, n);
    (void)wrote; /* a log that cannot be written must not stop media */
}
