/* core/base/log.h — one logfmt line per event:
 *   ts=2026-11-22T10:00:00.000Z level=info room=ingest event=publish k=v …
 * error: someone must act; warn: we coped; info: lifecycle; debug: detail.
 * Never secrets: a key is logged by log_secret(), which keeps 4 characters.
 * Any thread: a line is one write(2). Per frame there are counters, not lines.
 *
 *   log_info("ingest", "publish", log_s("stream", name), log_i("fps", 30));
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_kind { LOG_END, LOG_TEXT, LOG_INT, LOG_REAL, LOG_SECRET };

struct log_field {
    const char *key;
    enum log_kind kind;
    union {
        const char *text;
        int64_t integer;
        double real;
    } v;
};

static inline struct log_field log_s(const char *key, const char *text)
{
    return (struct log_field){key, LOG_TEXT, {.text = text ? text : ""}};
}

static inline struct log_field log_i(const char *key, int64_t n)
{
    return (struct log_field){key, LOG_INT, {.integer = n}};
}

static inline struct log_field log_f(const char *key, double x)
{
    return (struct log_field){key, LOG_REAL, {.real = x}};
}

static inline struct log_field log_secret(const char *key, const char *text)
{
    return (struct log_field){key, LOG_SECRET, {.text = text ? text : ""}};
}

/* Lines above this level are dropped; fd is where lines go (default 2). */
void log_setup(enum log_level most, int fd);
/* "error" … "debug"; 0 or ERR_RANGE. */
int log_level_parse(const char *text, enum log_level *out);

/* fields ends with LOG_END; use the macros below. */
void log_emit(enum log_level level, const char *room, const char *event,
              const struct log_field *fields);
/* Pure: the line with its newline into out; returns its length (cut to
 * size). */
size_t log_format(char *out, size_t size, int64_t wall_us, enum log_level level,
                  const char *room, const char *event,
                  const struct log_field *fields);

/* For log_format(); the last one is {0}. */
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__})
/* The first of the array is not looked at: it lets a line have no fields. */
#define LOG_AT(level, room, event, ...)                                        \
    log_emit(level, room, event,                                               \
             &((const struct log_field[]){{0}, ##__VA_ARGS__, {0}})[1])
#define log_error(room, event, ...)                                            \
    LOG_AT(LOG_ERROR, room, event, ##__VA_ARGS__)
#define log_warn(room, event, ...) LOG_AT(LOG_WARN, room, event, ##__VA_ARGS__)
#define log_info(room, event, ...) LOG_AT(LOG_INFO, room, event, ##__VA_ARGS__)
#define log_debug(room, event, ...)                                            \
    LOG_AT(LOG_DEBUG, room, event, ##__VA_ARGS__)

#endif
