/* app/main.c — the program's door: which command, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "app/channel_cmd.h"
#include "app/check.h"
#include "app/key_cmd.h"
#include "app/probe.h"
#include "app/serve.h"
#include "app/settings.h"
#include "core/base/buf.h"

static int help_main(int argc, char **argv)
{
    struct builder b;
    struct buf *text = NULL;

    (void)argc;
    (void)argv;
    puts(
        "Lectern: live lectures, about a second behind.\n\n"
        "  lectern serve [--config FILE] [--set key=value]… [--demo]\n"
        "  lectern channel create NAME [--type STANDARD|BASIC]"
        " [--latency LOW|NORMAL]\n"
        "                         [--srt-passphrase TEXT] [--json]\n"
        "  lectern channel list [--json] · show NAME [--json] · delete NAME\n"
        "  lectern key rotate CHANNEL [--json]   a new stream key, shown once\n"
        "  lectern key revoke CHANNEL            none works until the next\n"
        "  lectern check URL [--seconds N] [--json]   LL-HLS conformance of any"
        " server\n"
        "  lectern probe                    which encoders and decoders really"
        " open\n\n"
        "Settings (YAML file, --set key=value, LECTERN_KEY in the"
        " environment):");
    builder_init(&b, 1 << 16);
    conf_help(settings_table(), &b);
    if (builder_seal(&b, &text)) return 1;
    fwrite(buf_data(text), 1, buf_len(text), stdout);
    buf_unref(&text);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", serve_main}, {"channel", channel_main}, {"key", key_main},
    {"check", check_main}, {"probe", probe_main},     {"help", help_main},
    {"--help", help_main}, {"-h", help_main},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "lectern: %s%s\nTry: lectern help\n",
            argc > 1 ? "no such command: " : "which command?",
            argc > 1 ? argv[1] : "");
    return 2;
}
