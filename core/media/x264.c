#include "core/media/x264.h"

#include <string.h>

#include "core/media/h264.h"

enum {
    USER_DATA_UNREGISTERED = 5,
    UUID_LEN = 16,
    KEYINT_MAX = 1 << 16, /* "infinite" is no number */
};

static const uint8_t uuid[UUID_LEN] = {0xdc, 0x45, 0xe9, 0xbd, 0xe6, 0xd9,
                                       0x48, 0xb7, 0x96, 0x2c, 0xd8, 0x20,
                                       0xd9, 0x23, 0xee, 0xef};

/* Numbers of SEI headers: bytes of 255 add up until another ends them. */
static uint32_t read_sum(struct reader *r)
{
    uint32_t sum = 0, more;

    do
        sum += more = reader_u8(r);
    while (more == 255);
    return sum;
}

/* The text behind "keyint=", as a number. */
static uint32_t keyint_of(const uint8_t *text, size_t len)
{
    static const char name[] = " keyint=";
    const uint8_t *end = text + len;
    const uint8_t *at = memmem(text, len, name, sizeof name - 1);
    uint32_t n = 0;

    if (!at) return 0;
    for (at += sizeof name - 1; at < end && *at >= '0' && *at <= '9'; at++) {
        n = n * 10 + (*at - '0');
        if (n > KEYINT_MAX) return 0;
    }
    return n;
}

/* Its text has no byte that emulation prevention could strike. */
static uint32_t read_sei(struct nal n)
{
    struct reader r = reader_of(n.data + 1, n.len - 1);

    while (reader_left(&r) > 2) {
        uint32_t type = read_sum(&r), size = read_sum(&r);
        const uint8_t *said = r.failed ? NULL : reader_take(&r, size);
        if (!said) return 0;
        if (type == USER_DATA_UNREGISTERED && size > UUID_LEN &&
            !memcmp(said, uuid, UUID_LEN))
            return keyint_of(said + UUID_LEN, size - UUID_LEN);
    }
    return 0;
}

uint32_t x264_keyint(const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    uint32_t found = 0;
    struct nal n;

    while (!found && nal_next_sized(&r, 4, &n)) {
        if (h264_type(n) >= H264_SLICE && h264_type(n) <= H264_IDR) break;
        if (h264_type(n) == H264_SEI) found = read_sei(n);
    }
    return found;
}
