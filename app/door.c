#include "app/door.h"

#include <stdio.h>
#include <string.h>

#include "app/settings.h"
#include "control/directory.h"
#include "core/base/err.h"
#include "ingest/publisher.h"

int door_grant(struct ingest_grant *out, const struct directory *d,
               const struct channel *demo, const char *key)
{
    const struct channel *c = directory_by_key(d, key);
    uint8_t hash[KEY_HASH_BYTES];

    key_hash(hash, key);
    memset(out->key_hash, 0, sizeof out->key_hash);
    if (c)
        memcpy(out->key_hash, hash, sizeof out->key_hash);
    else if (demo && key_hash_equal(hash, demo->key_hash))
        c = demo;
    if (!c) return ERR_DENIED;
    snprintf(out->channel, sizeof out->channel, "%s", c->name);
    out->multitrack = c != demo && !strcmp(c->multitrack, "REQUIRE");
    snprintf(out->passphrase, sizeof out->passphrase, "%s", c->passphrase);
    return 0;
}

bool door_holds(const struct ingest_grant *grant, const struct channel *c)
{
    return key_hash_is_none(grant->key_hash) ||
           key_hash_equal(grant->key_hash, c->key_hash);
}

struct life_limits door_limits(const struct settings *s)
{
    return (struct life_limits){.bitrate_bps = s->source_kbps * 1000,
                                .pixels = s->source_pixels};
}
