/* app/settings.h — every setting of the program in one struct, filled by the
 * table in settings.c (see core/base/conf.h). Read-only after start. */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/conf.h"

enum { SETTINGS_CHANNELS_MAX = 256 };

struct channel_settings {
    char name[65], stream_key[257], type[16], latency[16], multitrack[16];
    char srt_passphrase[81];
};

struct settings {
    char role[16];
    char data_dir[1024];
    char log_level[8];
    int64_t loops; /* 0: one per core */
    char http_listen[64], https_listen[64];
    char https_cert[1024], https_key[1024];
    char rtmp_listen[64], rtmps_listen[64], srt_listen[64];
    int64_t srt_latency; /* ms */
    char webrtc_listen[64], webrtc_public_addresses[512];
    char trusted_proxies[512];
    char transcode_worker[1024]; /* empty: beside this program */
    int64_t connections_per_address, half_open_per_address;
    int64_t webrtc_pending_per_address, ingest_per_address;
    int64_t memory_mib;
    int64_t source_kbps, source_pixels;
    bool demo;
    struct channel_settings channels[SETTINGS_CHANNELS_MAX];
    int channel_count;
};

const struct conf_table *settings_table(void);
/* The fixed channel of that name; NULL: none. */
const struct channel_settings *settings_channel(const struct settings *s,
                                                const char *name);

/* Defaults, then the file (NULL: none), then LECTERN_*, then each assignment
 * of `--set`. 0 or ERR_USAGE with why. */
int settings_load(struct settings *out, const char *file,
                  const char *const *assignments, int count,
                  char why[CONF_WHY_MAX]);

#endif
