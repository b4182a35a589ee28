#include "app/settings.h"

#include <stdio.h>
#include <string.h>

#include "control/channel.h"
#include "core/base/err.h"

#define AT(field)                                                              \
    offsetof(struct settings, field), sizeof((struct settings *)0)->field
#define IN(field)                                                              \
    offsetof(struct channel_settings, field),                                  \
        sizeof((struct channel_settings *)0)->field
#define TEXT(key, field, fallback, sentence)                                   \
    {                                                                          \
        key, CONF_TEXT, AT(field), 0, 0, NULL, fallback, NULL, sentence        \
    }
#define TEXTS(key, field, sentence)                                            \
    {                                                                          \
        key, CONF_TEXTS, AT(field), 0, 0, NULL, "", NULL, sentence             \
    }
#define INT(key, field, low, high, fallback, unit, sentence)                   \
    {                                                                          \
        key, CONF_INT, AT(field), low, high, NULL, fallback, unit, sentence    \
    }

static const struct conf_row rows[] = {
    {"role", CONF_CHOICE, AT(role), 0, 0, "origin|edge", "origin", NULL,
     "what this node is"},
    TEXT("data_dir", data_dir, "./lectern-data",
         "where channels, certificates and recordings are kept"),
    {"log.level", CONF_CHOICE, AT(log_level), 0, 0, "error|warn|info|debug",
     "info", NULL, "how much is logged"},
    INT("loops", loops, 0, 64, "0", "threads", "event loops; 0: one per core"),
    TEXT("http.listen", http_listen, "0.0.0.0:8080", "plain HTTP"),
    TEXT("https.listen", https_listen, "0.0.0.0:8443", "HTTP over TLS"),
    TEXT("https.cert", https_cert, "auto",
         "certificate chain (PEM); auto: self-signed, kept in data_dir"),
    TEXT("https.key", https_key, "auto", "private key (PEM); auto likewise"),
    TEXT("rtmp.listen", rtmp_listen, "0.0.0.0:1935", "RTMP ingest"),
    TEXT("rtmps.listen", rtmps_listen, "0.0.0.0:1936",
         "RTMP over TLS, with the certificate of https"),
    TEXT("srt.listen", srt_listen, "0.0.0.0:8890", "SRT ingest"),
    INT("srt.latency", srt_latency, 20, 8000, "120", "ms",
        "time to resend what was lost: 4 round trips; a sender may ask for "
        "more"),
    TEXT("webrtc.listen", webrtc_listen, "0.0.0.0:8189",
         "WHIP and WHEP media: UDP, from this port on one for each loop, and "
         "TCP"),
    TEXTS("webrtc.public_addresses", webrtc_public_addresses,
          "addresses to offer to WebRTC peers; empty: those of this machine"),
    TEXTS("trusted_proxies", trusted_proxies,
          "proxies whose forwarded addresses are believed"),
    TEXT("transcode.worker", transcode_worker, "",
         "path of lectern-transcode; empty: beside this program"),
    INT("limits.connections_per_address", connections_per_address, 1, 1000000,
        "256", "connections", "HTTP connections of one address"),
    INT("limits.half_open_per_address", half_open_per_address, 1, 1000000, "32",
        "connections", "unfinished handshakes of one address"),
    INT("limits.webrtc_pending_per_address", webrtc_pending_per_address, 1,
        1000000, "16", "sessions",
        "unconnected WebRTC sessions of one address"),
    INT("limits.ingest_per_address", ingest_per_address, 1, 1000000, "64",
        "connections", "publishing connections of one address"),
    INT("limits.memory_mib", memory_mib, 64, 1048576, "4096", "MiB",
        "media buffers held by the whole process"),
    INT("limits.source_kbps", source_kbps, 100, 1000000, "50000", "kbit/s",
        "what one publisher may send; who sends more is sent away"),
    INT("limits.source_pixels", source_pixels, 16384, 67108864, "8294400",
        "pixels", "of one picture of a publisher; 8294400: 3840x2160"),
    {"demo", CONF_BOOL, AT(demo), 0, 0, NULL, "false", NULL,
     "publish a moving demo lecture (needs ffmpeg)"},
};

static const struct conf_row channel_rows[] = {
    {"name", CONF_TEXT, IN(name), 0, 0, NULL, "", NULL,
     "name in URLs: a-z 0-9 _ -"},
    {"stream_key", CONF_TEXT, IN(stream_key), 0, 0, NULL, "", NULL,
     "what the encoder must present"},
    {"type", CONF_CHOICE, IN(type), 0, 0, "STANDARD|BASIC", "STANDARD", NULL,
     "STANDARD: a ladder; BASIC: the source only"},
    {"latency", CONF_CHOICE, IN(latency), 0, 0, "LOW|NORMAL", "LOW", NULL,
     "LOW: 0.2 s parts; NORMAL: 0.5 s"},
    {"multitrack", CONF_CHOICE, IN(multitrack), 0, 0, "OFF|ALLOW|REQUIRE",
     "ALLOW", NULL,
     "may the encoder make the ladder itself (OBS Multitrack Video), or must "
     "it"},
    {"srt_passphrase", CONF_TEXT, IN(srt_passphrase), 0, 0, NULL, "", NULL,
     "SRT encryption; empty: none"},
};

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
static const struct conf_list lists[] = {
    {"channels", channel_rows, COUNT(channel_rows),
     offsetof(struct settings, channels), sizeof(struct channel_settings),
     offsetof(struct settings, channel_count), SETTINGS_CHANNELS_MAX},
};
static const struct conf_table table = {rows, COUNT(rows), lists, COUNT(lists),
                                        "LECTERN_"};

const struct conf_table *settings_table(void)
{
    return &table;
}

const struct channel_settings *settings_channel(const struct settings *s,
                                                const char *name)
{
    for (int i = 0; i < s->channel_count; i++)
        if (!strcmp(s->channels[i].name, name)) return &s->channels[i];
    return NULL;
}

static int check_channels(const struct settings *s, const char *file,
                          char why[CONF_WHY_MAX])
{
    for (int i = 0; i < s->channel_count; i++) {
        const struct channel_settings *c = &s->channels[i];
        if (channel_check_name(c->name)) {
            snprintf(why, CONF_WHY_MAX,
                     "%s: channels[%d].name: '%.64s' must be 1 to 64 of "
                     "a-z 0-9 _ -",
                     file, i, c->name);
            return ERR_USAGE;
        }
        if (strlen(c->stream_key) < 4) {
            snprintf(why, CONF_WHY_MAX,
                     "%s: channels[%d].stream_key: must be 4 to 256 characters",
                     file, i);
            return ERR_USAGE;
        }
        if (channel_check_passphrase(c->srt_passphrase)) {
            snprintf(why, CONF_WHY_MAX,
                     "%s: channels[%d].srt_passphrase: must be %d to %d "
                     "characters, or empty",
                     file, i, CHANNEL_PASSPHRASE_MIN,
                     CHANNEL_PASSPHRASE_SIZE - 1);
            return ERR_USAGE;
        }
        for (int k = 0; k < i; k++)
            if (!strcmp(s->channels[k].name, c->name) ||
                !strcmp(s->channels[k].stream_key, c->stream_key)) {
                snprintf(why, CONF_WHY_MAX,
                         "%s: channels[%d]: name or stream_key as in "
                         "channels[%d]",
                         file, i, k);
                return ERR_USAGE;
            }
    }
    return 0;
}

int settings_load(struct settings *out, const char *file,
                  const char *const *assignments, int count,
                  char why[CONF_WHY_MAX])
{
    int err;

    memset(out, 0, sizeof *out);
    conf_defaults(&table, out);
    if (file) {
        err = conf_yaml_file(&table, out, file, why);
        if (err) return err;
    }
    err = conf_env(&table, out, why);
    for (int i = 0; !err && i < count; i++)
        err = conf_assign(&table, out, assignments[i], why);
    return err ? err : check_channels(out, file ? file : "channels", why);
}
