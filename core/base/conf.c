#include "core/base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/base/err.h"

enum { DEPTH_MAX = 8, KEY_MAX = 160 };

/* Where a value came from, for messages: "lectern.yaml:12" or "--set". */
struct origin {
    const char *file;
    int line;
};

static int complain(char why[CONF_WHY_MAX], struct origin from, const char *key,
                    const char *text)
{
    if (from.line)
        snprintf(why, CONF_WHY_MAX, "%s:%d: %s: %s", from.file, from.line, key,
                 text);
    else
        snprintf(why, CONF_WHY_MAX, "%s: %s: %s", from.file, key, text);
    return ERR_USAGE;
}

static const struct conf_row *find_row(const struct conf_row *rows, int count,
                                       const char *key)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(rows[i].key, key)) return &rows[i];
    return NULL;
}

/* --- one value ------------------------------------------------------------ */

static int set_text(const struct conf_row *row, char *field, const char *value,
                    struct origin from, char *why)
{
    char text[96];

    if (strlen(value) >= row->size) {
        snprintf(text, sizeof text, "longer than %zu characters",
                 row->size - 1);
        return complain(why, from, row->key, text);
    }
    memcpy(field, value, strlen(value) + 1);
    return 0;
}

static int set_int(const struct conf_row *row, void *field, const char *value,
                   struct origin from, char *why)
{
    char *end, text[160];
    int64_t n;

    errno = 0;
    n = strtoll(value, &end, 10);
    if (errno || end == value || *end || n < row->min || n > row->max) {
        snprintf(text, sizeof text,
                 "'%.40s' is not a whole number from %lld "
                 "to %lld%s%s",
                 value, (long long)row->min, (long long)row->max,
                 row->unit ? " " : "", row->unit ? row->unit : "");
        return complain(why, from, row->key, text);
    }
    memcpy(field, &n, sizeof n);
    return 0;
}

static int set_bool(const struct conf_row *row, void *field, const char *value,
                    struct origin from, char *why)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    char text[80];

    for (int i = 0; i < 4; i++) {
        bool v = !strcasecmp(value, yes[i]);
        if (!v && strcasecmp(value, no[i])) continue;
        memcpy(field, &v, sizeof v);
        return 0;
    }
    snprintf(text, sizeof text, "'%.40s' is not true or false", value);
    return complain(why, from, row->key, text);
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);

    for (const char *c = choices; c;
         c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strcspn(c, "|") == n && !strncmp(c, value, n)) return true;
    return false;
}

static int set_value(const struct conf_row *row, char *base, const char *value,
                     struct origin from, char *why)
{
    char *field = base + row->offset;
    char text[CONF_WHY_MAX / 2];

    switch (row->type) {
    case CONF_TEXT:
    case CONF_TEXTS: return set_text(row, field, value, from, why);
    case CONF_INT: return set_int(row, field, value, from, why);
    case CONF_BOOL: return set_bool(row, field, value, from, why);
    case CONF_CHOICE:
        if (is_choice(row->choices, value))
            return set_text(row, field, value, from, why);
        snprintf(text, sizeof text, "'%.40s' is none of %s", value,
                 row->choices);
        return complain(why, from, row->key, text);
    }
    return ERR_USAGE;
}

static void set_defaults(const struct conf_row *rows, int count, char *base)
{
    char why[CONF_WHY_MAX];

    for (int i = 0; i < count; i++)
        if (rows[i].fallback)
            set_value(&rows[i], base, rows[i].fallback,
                      (struct origin){"default", 0}, why);
}

void conf_defaults(const struct conf_table *t, void *out)
{
    set_defaults(t->rows, t->row_count, out);
}

/* --- YAML ----------------------------------------------------------------- */

struct walk {
    const struct conf_table *table;
    char *out;
    yaml_document_t doc;
    const char *file;
    char *why;
};

static struct origin origin_of(const struct walk *w, const yaml_node_t *n)
{
    return (struct origin){w->file, (int)n->start_mark.line + 1};
}

static const char *scalar(const yaml_node_t *n)
{
    return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value
                                            : NULL;
}

/* Is key a row, a list, or the beginning of one ("http" of "http.listen")? */
static bool is_prefix(const struct conf_table *t, const char *key)
{
    size_t n = strlen(key);

    for (int i = 0; i < t->row_count; i++)
        if (!strncmp(t->rows[i].key, key, n) && t->rows[i].key[n] == '.')
            return true;
    return false;
}

static int join_texts(struct walk *w, const struct conf_row *row, char *base,
                      yaml_node_t *n)
{
    char joined[512] = "";

    for (yaml_node_item_t *i = n->data.sequence.items.start;
         i < n->data.sequence.items.top; i++) {
        const char *text = scalar(yaml_document_get_node(&w->doc, *i));
        size_t at = strlen(joined);
        if (!text || at + strlen(text) + 2 > sizeof joined)
            return complain(w->why, origin_of(w, n), row->key,
                            "wants a short list of plain values");
        snprintf(joined + at, sizeof joined - at, "%s%s", at ? "," : "", text);
    }
    return set_value(row, base, joined, origin_of(w, n), w->why);
}

static int set_node(struct walk *w, const struct conf_row *row, char *base,
                    yaml_node_t *n)
{
    if (n->type == YAML_SEQUENCE_NODE && row->type == CONF_TEXTS)
        return join_texts(w, row, base, n);
    if (!scalar(n))
        return complain(w->why, origin_of(w, n), row->key,
                        "wants one plain value");
    return set_value(row, base, scalar(n), origin_of(w, n), w->why);
}

static int set_item(struct walk *w, const struct conf_list *list, char *item,
                    yaml_node_t *n)
{
    char key[KEY_MAX];

    if (n->type != YAML_MAPPING_NODE)
        return complain(w->why, origin_of(w, n), list->key,
                        "wants items of the form { name: … }");
    set_defaults(list->rows, list->row_count, item);
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
         p < n->data.mapping.pairs.top; p++) {
        yaml_node_t *k = yaml_document_get_node(&w->doc, p->key);
        yaml_node_t *v = yaml_document_get_node(&w->doc, p->value);
        const char *name = scalar(k);
        const struct conf_row *row =
            name ? find_row(list->rows, list->row_count, name) : NULL;
        snprintf(key, sizeof key, "%s[].%.80s", list->key, name ? name : "?");
        if (!row)
            return complain(w->why, origin_of(w, n), key, "no such setting");
        int err = set_node(w, row, item, v);
        if (err) return err;
    }
    return 0;
}

static int set_list(struct walk *w, const struct conf_list *list,
                    yaml_node_t *n)
{
    int count = 0;
    char text[64];

    if (n->type != YAML_SEQUENCE_NODE)
        return complain(w->why, origin_of(w, n), list->key, "wants a list");
    for (yaml_node_item_t *i = n->data.sequence.items.start;
         i < n->data.sequence.items.top; i++) {
        char *items = w->out + list->items_offset;
        if (count == list->most) {
            snprintf(text, sizeof text, "more than %d items", list->most);
            return complain(w->why, origin_of(w, n), list->key, text);
        }
        int err = set_item(w, list, items + (size_t)count * list->item_size,
                           yaml_document_get_node(&w->doc, *i));
        if (err) return err;
        count++;
    }
    memcpy(w->out + list->count_offset, &count, sizeof count);
    return 0;
}

static int set_pair(struct walk *w, const char *key, yaml_node_t *k,
                    yaml_node_t *v, int depth);

static int set_mapping(struct walk *w, const char *prefix, yaml_node_t *n,
                       int depth)
{
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
         p < n->data.mapping.pairs.top; p++) {
        yaml_node_t *k = yaml_document_get_node(&w->doc, p->key);
        yaml_node_t *v = yaml_document_get_node(&w->doc, p->value);
        char key[KEY_MAX];
        const char *name = scalar(k);
        if (!name || strlen(prefix) + strlen(name) + 2 > sizeof key)
            return complain(w->why, origin_of(w, n), prefix,
                            "keys must be short and plain");
        snprintf(key, sizeof key, "%s%s%s", prefix, *prefix ? "." : "", name);
        int err = set_pair(w, key, k, v, depth);
        if (err) return err;
    }
    return 0;
}

static int set_pair(struct walk *w, const char *key, yaml_node_t *k,
                    yaml_node_t *v, int depth)
{
    const struct conf_table *t = w->table;
    const struct conf_row *row = find_row(t->rows, t->row_count, key);

    if (row) return set_node(w, row, w->out, v);
    for (int i = 0; i < t->list_count; i++)
        if (!strcmp(t->lists[i].key, key)) return set_list(w, &t->lists[i], v);
    if (!is_prefix(t, key) || depth == DEPTH_MAX)
        return complain(w->why, origin_of(w, k), key, "no such setting");
    if (v->type != YAML_MAPPING_NODE)
        return complain(w->why, origin_of(w, k), key,
                        "wants settings below it, such as { listen: … }");
    return set_mapping(w, key, v, depth + 1);
}

int conf_yaml(const struct conf_table *t, void *out, const char *text,
              size_t len, const char *file, char why[CONF_WHY_MAX])
{
    struct walk w = {.table = t, .out = out, .file = file, .why = why};
    yaml_parser_t parser;
    yaml_node_t *root;
    int err = 0;

    if (!yaml_parser_initialize(&parser)) return ERR_NOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &w.doc)) {
        err = complain(
            why, (struct origin){file, (int)parser.problem_mark.line + 1},
            "not YAML", parser.problem ? parser.problem : "cannot be read");
        yaml_parser_delete(&parser);
        return err;
    }
    root = yaml_document_get_root_node(&w.doc);
    if (root && root->type == YAML_MAPPING_NODE)
        err = set_mapping(&w, "", root, 0);
    else if (root && !(scalar(root) && !*scalar(root)))
        err = complain(why, origin_of(&w, root), "file",
                       "wants settings of the form key: value");
    yaml_document_delete(&w.doc);
    yaml_parser_delete(&parser);
    return err;
}

int conf_yaml_file(const struct conf_table *t, void *out, const char *path,
                   char why[CONF_WHY_MAX])
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t n;
    int err;

    if (!f)
        return complain(why, (struct origin){path, 0}, "config",
                        strerror(errno));
    text = malloc(CONF_FILE_MAX_BYTES);
    if (!text) {
        fclose(f);
        return ERR_NOMEM;
    }
    n = fread(text, 1, CONF_FILE_MAX_BYTES, f);
    if (n == CONF_FILE_MAX_BYTES)
        err = complain(why, (struct origin){path, 0}, "config",
                       "larger than 1 MiB");
    else
        err = conf_yaml(t, out, text, n, path, why);
    free(text);
    fclose(f);
    return err;
}

/* --- command line and environment ----------------------------------------- */

int conf_assign(const struct conf_table *t, void *out, const char *assignment,
                char why[CONF_WHY_MAX])
{
    struct origin from = {"--set", 0};
    const char *equals = strchr(assignment, '=');
    char key[KEY_MAX];

    if (!equals || (size_t)(equals - assignment) >= sizeof key)
        return complain(why, from, assignment, "wants key=value");
    snprintf(key, sizeof key, "%.*s", (int)(equals - assignment), assignment);
    const struct conf_row *row = find_row(t->rows, t->row_count, key);
    if (!row) return complain(why, from, key, "no such setting");
    return set_value(row, out, equals + 1, from, why);
}

int conf_env(const struct conf_table *t, void *out, char why[CONF_WHY_MAX])
{
    for (int i = 0; i < t->row_count; i++) {
        char name[KEY_MAX];
        snprintf(name, sizeof name, "%s%s", t->env_prefix, t->rows[i].key);
        for (char *c = name; *c; c++)
            *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
        const char *value = getenv(name);
        if (!value) continue;
        int err =
            set_value(&t->rows[i], out, value, (struct origin){name, 0}, why);
        if (err) return err;
    }
    return 0;
}

static void help_row(const struct conf_row *row, const char *prefix,
                     struct builder *out)
{
    char key[KEY_MAX];

    snprintf(key, sizeof key, "%s%s", prefix, row->key);
    builder_printf(out, "  %-36s %s", key, row->sentence);
    if (row->type == CONF_INT)
        builder_printf(out, "; %lld to %lld%s%s", (long long)row->min,
                       (long long)row->max, row->unit ? " " : "",
                       row->unit ? row->unit : "");
    if (row->type == CONF_CHOICE) builder_printf(out, "; %s", row->choices);
    if (row->fallback && *row->fallback)
        builder_printf(out, " (default %s)", row->fallback);
    builder_text(out, "\n");
}

void conf_help(const struct conf_table *t, struct builder *out)
{
    char prefix[KEY_MAX];

    for (int i = 0; i < t->row_count; i++)
        help_row(&t->rows[i], "", out);
    for (int l = 0; l < t->list_count; l++) {
        snprintf(prefix, sizeof prefix, "%s[].", t->lists[l].key);
        for (int i = 0; i < t->lists[l].row_count; i++)
            help_row(&t->lists[l].rows[i], prefix, out);
    }
}
