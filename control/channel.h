/* control/channel.h — what is known of a channel: its name, its kind and the
 * hash of its key. Plain values. */
#ifndef CONTROL_CHANNEL_H
#define CONTROL_CHANNEL_H
#include <stdbool.h>
#include <stdint.h>

#include "control/key.h"

enum {
    CHANNEL_NAME_SIZE = 65,
    CHANNEL_KIND_SIZE = 16,
    CHANNEL_PASSPHRASE_MIN = 10,
    CHANNEL_PASSPHRASE_SIZE = 80,
};

struct channel {
    char name[CHANNEL_NAME_SIZE];             /* [a-z0-9_-], 1 .. 64 */
    char type[CHANNEL_KIND_SIZE];             /* STANDARD | BASIC */
    char latency[CHANNEL_KIND_SIZE];          /* LOW | NORMAL */
    char multitrack[CHANNEL_KIND_SIZE];       /* OFF | ALLOW | REQUIRE */
    uint8_t key_hash[KEY_HASH_BYTES];         /* zeros: revoked, no key works */
    char passphrase[CHANNEL_PASSPHRASE_SIZE]; /* of SRT; "": none */
    bool fixed; /* from the configuration file, not from the store */
};

/* 0 or ERR_RANGE. Pure. */
int channel_check_name(const char *name);
int channel_check_type(const char *type);
int channel_check_latency(const char *latency);
int channel_check_multitrack(const char *multitrack);
int channel_check_passphrase(const char *text); /* as SRT wants it, or "" */

#endif
