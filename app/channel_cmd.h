/* app/channel_cmd.h — `lectern channel create|list|show|delete`, on the store
 * of a data directory; works while the server runs. */
#ifndef APP_CHANNEL_CMD_H
#define APP_CHANNEL_CMD_H

/* argv[0] is "channel". Returns the exit status: 0, 1 or 2. */
int channel_main(int argc, char **argv);

struct channel;
struct settings;
/* The addresses of a channel, one per line, for people. key NULL: not shown. */
void channel_print_urls(const struct settings *s, const char *name,
                        const char *key);
/* The same and the channel's kind, for programs. */
void channel_print_json(const struct settings *s, const struct channel *c,
                        const char *key);

#endif
