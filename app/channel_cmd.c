#include "app/channel_cmd.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/options.h"
#include "app/settings.h"
#include "control/store.h"
#include "core/base/err.h"

static int usage(void)
{
    fputs("usage: lectern channel create NAME [--type STANDARD|BASIC]"
          " [--latency LOW|NORMAL]\n"
          "       [--multitrack OFF|ALLOW|REQUIRE] [--srt-passphrase TEXT]"
          " [--json]\n"
          "       lectern channel list [--json]\n"
          "       lectern channel show NAME [--json]\n"
          "       lectern channel delete NAME\n"
          "options of all: --config FILE, --set key=value\n",
          stderr);
    return 2;
}

/* "0.0.0.0:1935" is reached by this machine's name. */
static void address_for_people(char *out, size_t size, const char *listen)
{
    const char *port = strrchr(listen, ':');

    if (!strncmp(listen, "0.0.0.0:", 8) || !strncmp(listen, "[::]:", 5) ||
        listen[0] == ':')
        snprintf(out, size, "localhost%s", port);
    else
        snprintf(out, size, "%s", listen);
}

static const char *key_state(const struct channel *c)
{
    return key_hash_is_none(c->key_hash) ? "revoked" : "set";
}

struct urls {
    char rtmp[160], watch[192], hls[224];
    char config[160];                       /* for Multitrack Video */
    char srt[160];                          /* empty: no SRT */
    char studio[160], whip[192], whep[192]; /* empty: no WebRTC */
};

static void make_urls(struct urls *u, const struct settings *s,
                      const char *name)
{
    char rtmp[80], http[80];

    address_for_people(rtmp, sizeof rtmp, s->rtmp_listen);
    address_for_people(http, sizeof http, s->http_listen);
    snprintf(u->rtmp, sizeof u->rtmp, "rtmp://%s/live", rtmp);
    snprintf(u->watch, sizeof u->watch, "http://%s/watch/%s", http, name);
    snprintf(u->hls, sizeof u->hls, "http://%s/live/%s/index.m3u8", http, name);
    snprintf(u->config, sizeof u->config, "http://%s/api/multitrack", http);
    if (*s->srt_listen) {
        address_for_people(rtmp, sizeof rtmp, s->srt_listen);
        snprintf(u->srt, sizeof u->srt, "srt://%s?streamid=", rtmp);
    }
    if (!*s->webrtc_listen) return;
    snprintf(u->whip, sizeof u->whip, "http://%s/whip/%s", http, name);
    snprintf(u->whep, sizeof u->whep, "http://%s/whep/%s", http, name);
    /* Browsers give a camera to secure origins only. */
    if (*s->https_listen)
        address_for_people(http, sizeof http, s->https_listen);
    snprintf(u->studio, sizeof u->studio, "http%s://%s/studio",
             *s->https_listen ? "s" : "", http);
}

void channel_print_urls(const struct settings *s, const char *name,
                        const char *key)
{
    struct urls u = {0};

    make_urls(&u, s, name);
    printf("channel     %s\n", name);
    printf("OBS server  %s\n", u.rtmp);
    if (key) printf("stream key  %s\n", key);
    printf("OBS config  %s\n", u.config);
    if (*u.srt) printf("SRT         %s%s\n", u.srt, key ? key : "STREAM_KEY");
    if (*u.studio) printf("browser     %s\n", u.studio);
    printf("watch       %s\n", u.watch);
    printf("playlist    %s\n", u.hls);
    fflush(stdout);
}

void channel_print_json(const struct settings *s, const struct channel *c,
                        const char *key)
{
    struct urls u = {0};
    json_t *o;

    make_urls(&u, s, c->name);
    o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:{s:s}, s:{s:s, s:s}}",
                  "channel", c->name, "type", c->type, "latency", c->latency,
                  "multitrack", c->multitrack, "key", key_state(c), "fixed",
                  c->fixed, "ingest", "rtmp", u.rtmp, "playback", "watch",
                  u.watch, "hls", u.hls);
    if (strcmp(c->multitrack, "OFF") != 0)
        json_object_set_new(json_object_get(o, "ingest"), "multitrack",
                            json_string(u.config));
    if (*u.srt)
        json_object_set_new(
            json_object_get(o, "ingest"), "srt",
            json_sprintf("%s%s", u.srt, key ? key : "STREAM_KEY"));
    if (*u.whip) {
        json_t *ingest = json_object_get(o, "ingest");
        json_object_set_new(ingest, "whip", json_string(u.whip));
        json_object_set_new(ingest, "studio", json_string(u.studio));
        json_object_set_new(json_object_get(o, "playback"), "whep",
                            json_string(u.whep));
    }
    if (key) json_object_set_new(o, "stream_key", json_string(key));
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "lectern: %s: %s\n", what, why);
    return 1;
}

static int create(struct store_db *db, const struct options *o,
                  const struct settings *s)
{
    struct channel c = {0};
    char key[KEY_TEXT_SIZE];
    int err;

    snprintf(c.name, sizeof c.name, "%s", o->name);
    snprintf(c.type, sizeof c.type, "%s", o->type ? o->type : "STANDARD");
    snprintf(c.latency, sizeof c.latency, "%s",
             o->latency ? o->latency : "LOW");
    snprintf(c.multitrack, sizeof c.multitrack, "%s",
             o->multitrack ? o->multitrack : "ALLOW");
    snprintf(c.passphrase, sizeof c.passphrase, "%s",
             o->srt_passphrase ? o->srt_passphrase : "");
    if (o->srt_passphrase && channel_check_passphrase(o->srt_passphrase))
        return fail(c.name, "a passphrase is 10 to 79 characters");
    if (channel_check_name(o->name))
        return fail(o->name, "a channel's name is 1 to 64 of a-z 0-9 _ -");
    if (channel_check_type(c.type))
        return fail(c.type, "a type is STANDARD or BASIC");
    if (channel_check_latency(c.latency))
        return fail(c.latency, "a latency is LOW or NORMAL");
    if (channel_check_multitrack(c.multitrack))
        return fail(c.multitrack, "multitrack is OFF, ALLOW or REQUIRE");
    err = key_make(key);
    if (!err) {
        key_hash(c.key_hash, key);
        err = store_db_add(db, &c);
    }
    if (err) return fail(c.name, err_text(err));
    if (o->json)
        channel_print_json(s, &c, key);
    else
        channel_print_urls(s, c.name, key);
    return 0;
}

struct listing {
    const struct settings *settings;
    json_t *array; /* NULL: for people */
};

static void list_one(const struct channel *c, void *arg)
{
    struct listing *l = arg;

    if (!l->array)
        printf("%-24s %-10s %-7s%s\n", c->name, c->type, c->latency,
               key_hash_is_none(c->key_hash) ? " key revoked" : "");
    else
        json_array_append_new(l->array,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "channel",
                                        c->name, "type", c->type, "latency",
                                        c->latency, "multitrack", c->multitrack,
                                        "key", key_state(c)));
}

static int list(struct store_db *db, const struct options *o,
                const struct settings *s)
{
    struct listing l = {s, o->json ? json_array() : NULL};
    int err = store_db_each(db, list_one, &l);

    if (l.array) {
        json_dumpf(l.array, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(l.array);
    }
    return err ? fail("list", err_text(err)) : 0;
}

/* The server reads its file first, and so do we. */
static int show(struct store_db *db, const struct options *o,
                const struct settings *s)
{
    const struct channel_settings *fixed = settings_channel(s, o->name);
    struct channel c = {.fixed = true};
    int err = 0;

    if (fixed) {
        snprintf(c.name, sizeof c.name, "%s", fixed->name);
        snprintf(c.type, sizeof c.type, "%s", fixed->type);
        snprintf(c.latency, sizeof c.latency, "%s", fixed->latency);
        snprintf(c.multitrack, sizeof c.multitrack, "%s", fixed->multitrack);
        key_hash(c.key_hash, fixed->stream_key);
    } else {
        err = store_db_find(db, o->name, &c);
    }
    if (err) return fail(o->name, err_text(err));
    if (o->json) {
        channel_print_json(s, &c, NULL);
        return 0;
    }
    channel_print_urls(s, c.name, NULL);
    printf("type        %s\nlatency     %s\nmultitrack  %s\n"
           "key         %s%s\n",
           c.type, c.latency, c.multitrack, key_state(&c),
           fixed ? ", in the configuration" : "");
    return 0;
}

int channel_main(int argc, char **argv)
{
    static struct settings s;
    struct options o;
    struct store_db *db = NULL;
    char why[CONF_WHY_MAX] = "";
    int status;

    if (options_parse(&o, argc, argv, OPTIONS_CHANNEL, why)) {
        fprintf(stderr, "lectern: %s\n", why);
        return usage();
    }
    bool takes_name = o.verb && strcmp(o.verb, "list") != 0;
    if (!o.verb || takes_name != (o.name != NULL)) return usage();
    if (settings_load(&s, o.config, o.sets, o.set_count, why)) {
        fprintf(stderr, "lectern: %s\n", why);
        return 2;
    }
    mkdir(s.data_dir, 0700);
    if (store_db_open(&db, s.data_dir, why)) return fail("store", why);
    if (!strcmp(o.verb, "create")) {
        status = create(db, &o, &s);
    } else if (!strcmp(o.verb, "list")) {
        status = list(db, &o, &s);
    } else if (!strcmp(o.verb, "show")) {
        status = show(db, &o, &s);
    } else if (!strcmp(o.verb, "delete")) {
        int err = store_db_remove(db, o.name);
        status = err ? fail(o.name, err_text(err)) : 0;
    } else {
        status = usage();
    }
    store_db_close(&db);
    return status;
}
