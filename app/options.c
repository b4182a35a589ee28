#include "app/options.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

/* One option with a value: where it goes. */
static const char **slot_of(struct options *o, const char *word,
                            enum options_for what)
{
    bool channel = what == OPTIONS_CHANNEL;

    if (!strcmp(word, "--config")) return &o->config;
    if (!strcmp(word, "--set"))
        return o->set_count < OPTIONS_SETS_MAX ? &o->sets[o->set_count++]
                                               : NULL;
    if (channel && !strcmp(word, "--type")) return &o->type;
    if (channel && !strcmp(word, "--latency")) return &o->latency;
    if (channel && !strcmp(word, "--multitrack")) return &o->multitrack;
    if (channel && !strcmp(word, "--srt-passphrase")) return &o->srt_passphrase;
    return NULL;
}

static bool is_flag(struct options *o, const char *word, enum options_for what)
{
    if (what == OPTIONS_SERVE && !strcmp(word, "--demo"))
        o->demo = true;
    else if (what != OPTIONS_SERVE && !strcmp(word, "--json"))
        o->json = true;
    else
        return false;
    return true;
}

int options_parse(struct options *out, int argc, char **argv,
                  enum options_for what, char why[CONF_WHY_MAX])
{
    bool has_words = what != OPTIONS_SERVE;

    *out = (struct options){0};
    for (int i = 1; i < argc; i++) {
        const char **slot;
        if (is_flag(out, argv[i], what)) continue;
        slot = slot_of(out, argv[i], what);
        if (slot && i + 1 < argc) {
            *slot = argv[++i];
        } else if (slot) {
            snprintf(why, CONF_WHY_MAX, "%s wants a value", argv[i]);
            return ERR_USAGE;
        } else if (argv[i][0] != '-' && has_words && !out->verb) {
            out->verb = argv[i];
        } else if (argv[i][0] != '-' && has_words && !out->name) {
            out->name = argv[i];
        } else {
            snprintf(why, CONF_WHY_MAX, "unknown option %.200s", argv[i]);
            return ERR_USAGE;
        }
    }
    return 0;
}
