#include "app/key_cmd.h"

#include <stdio.h>
#include <string.h>

#include "app/channel_cmd.h"
#include "app/options.h"
#include "app/settings.h"
#include "control/store.h"
#include "core/base/err.h"

static int usage(void)
{
    fputs("usage: lectern key rotate CHANNEL [--json]   a new key, shown once\n"
          "       lectern key revoke CHANNEL            no key works until"
          " rotate\n"
          "options of all: --config FILE, --set key=value\n",
          stderr);
    return 2;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "lectern: %s: %s\n", what, why);
    return 1;
}

static int rotate(struct store_db *db, const struct options *o,
                  const struct settings *s)
{
    struct channel c = {0};
    char key[KEY_TEXT_SIZE];
    int err = store_db_find(db, o->name, &c);

    if (!err) err = key_make(key);
    if (!err) {
        key_hash(c.key_hash, key);
        err = store_db_set_key(db, c.name, c.key_hash);
    }
    if (err) return fail(o->name, err_text(err));
    if (o->json)
        channel_print_json(s, &c, key);
    else
        channel_print_urls(s, c.name, key);
    return 0;
}

static int revoke(struct store_db *db, const struct options *o)
{
    static const uint8_t none[KEY_HASH_BYTES];
    int err = store_db_set_key(db, o->name, none);

    if (err) return fail(o->name, err_text(err));
    if (o->json)
        printf("{\n  \"channel\": \"%s\",\n  \"key\": \"revoked\"\n}\n",
               o->name);
    return 0;
}

int key_main(int argc, char **argv)
{
    static struct settings s;
    struct options o;
    struct store_db *db = NULL;
    char why[CONF_WHY_MAX] = "";
    int status;

    if (options_parse(&o, argc, argv, OPTIONS_KEY, why)) {
        fprintf(stderr, "lectern: %s\n", why);
        return usage();
    }
    if (!o.verb || !o.name ||
        (strcmp(o.verb, "rotate") != 0 && strcmp(o.verb, "revoke") != 0))
        return usage();
    if (settings_load(&s, o.config, o.sets, o.set_count, why)) {
        fprintf(stderr, "lectern: %s\n", why);
        return 2;
    }
    if (settings_channel(&s, o.name))
        return fail(o.name, "its key stands in the configuration file: change "
                            "stream_key there, then send the server SIGHUP");
    if (store_db_open(&db, s.data_dir, why)) return fail("store", why);
    status = strcmp(o.verb, "rotate") ? revoke(db, &o) : rotate(db, &o, &s);
    store_db_close(&db);
    return status;
}
