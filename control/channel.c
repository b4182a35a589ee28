#include "control/channel.h"

#include <string.h>

#include "core/base/err.h"

int channel_check_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    return n && !name[n] && n < CHANNEL_NAME_SIZE ? 0 : ERR_RANGE;
}

int channel_check_type(const char *type)
{
    return !strcmp(type, "STANDARD") || !strcmp(type, "BASIC") ? 0 : ERR_RANGE;
}

int channel_check_latency(const char *latency)
{
    return !strcmp(latency, "LOW") || !strcmp(latency, "NORMAL") ? 0
                                                                 : ERR_RANGE;
}

int channel_check_multitrack(const char *multitrack)
{
    return !strcmp(multitrack, "OFF") || !strcmp(multitrack, "ALLOW") ||
                   !strcmp(multitrack, "REQUIRE")
               ? 0
               : ERR_RANGE;
}

int channel_check_passphrase(const char *text)
{
    size_t n = strlen(text);

    return !n || (n >= CHANNEL_PASSPHRASE_MIN && n < CHANNEL_PASSPHRASE_SIZE)
               ? 0
               : ERR_RANGE;
}
