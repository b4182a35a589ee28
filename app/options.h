/* app/options.h — the words after `lectern COMMAND`. Borrowed from argv. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H
#include <stdbool.h>

#include "core/base/conf.h"

enum { OPTIONS_SETS_MAX = 64 };
enum options_for { OPTIONS_SERVE, OPTIONS_CHANNEL, OPTIONS_KEY };

struct options {
    const char *config;
    const char *sets[OPTIONS_SETS_MAX];
    int set_count;
    bool demo, json;         /* --demo (serve), --json (channel, key) */
    const char *verb, *name; /* channel VERB [NAME], key VERB NAME */
    const char *type, *latency, *srt_passphrase, *multitrack;
};

/* argv[0] is the command. 0 or ERR_USAGE with why. Pure. */
int options_parse(struct options *out, int argc, char **argv,
                  enum options_for what, char why[CONF_WHY_MAX]);

#endif
