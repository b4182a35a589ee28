/* core/base/conf.h — the settings table: each setting is one row, and YAML
 * (libyaml), `--set key=value`, the environment, `--help` and the docs all
 * come from it. Values land in a plain struct of the caller's; nothing here
 * allocates for them. A wrong key or value is ERR_USAGE with one sentence that
 * names the key, the line and the bounds. One thread, at start. */
#ifndef CORE_BASE_CONF_H
#define CORE_BASE_CONF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

enum conf_type {
    CONF_TEXT,   /* char[size] */
    CONF_INT,    /* int64_t, min .. max */
    CONF_BOOL,   /* bool: true|false|yes|no|on|off */
    CONF_CHOICE, /* char[size], one of choices "a|b|c" */
    CONF_TEXTS,  /* char[size], YAML sequence kept as "a,b,c" */
};

struct conf_row {
    const char *key; /* "rtmp.listen"; inside a list item: "name" */
    enum conf_type type;
    size_t offset, size; /* of the field in the struct */
    int64_t min, max;
    const char *choices;
    const char *fallback; /* default, as text; NULL: the caller's value stays */
    const char *unit;     /* NULL when none */
    const char *sentence;
};

/* A sequence of mappings, such as channels. */
struct conf_list {
    const char *key;
    const struct conf_row *rows;
    int row_count;
    size_t items_offset, item_size, count_offset; /* array and its int count */
    int most;
};

struct conf_table {
    const struct conf_row *rows;
    int row_count;
    const struct conf_list *lists;
    int list_count;
    const char *env_prefix; /* "LECTERN_" */
};

enum { CONF_WHY_MAX = 320, CONF_FILE_MAX_BYTES = 1 << 20 };

/* Writes each row's fallback into the struct at out. */
void conf_defaults(const struct conf_table *t, void *out);
/* text: a YAML document; file: its name for messages. */
int conf_yaml(const struct conf_table *t, void *out, const char *text,
              size_t len, const char *file, char why[CONF_WHY_MAX]);
int conf_yaml_file(const struct conf_table *t, void *out, const char *path,
                   char why[CONF_WHY_MAX]);
/* "key=value". */
int conf_assign(const struct conf_table *t, void *out, const char *assignment,
                char why[CONF_WHY_MAX]);
/* Every row's PREFIX_KEY_WITH_UNDERSCORES that is set. */
int conf_env(const struct conf_table *t, void *out, char why[CONF_WHY_MAX]);
/* A line per row: key, default, bounds, unit, sentence. */
void conf_help(const struct conf_table *t, struct builder *out);

#endif
