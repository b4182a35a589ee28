#include "control/key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

#include "core/base/err.h"

enum { RANDOM_LETTERS = 32 };

int key_make(char out[KEY_TEXT_SIZE])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t n = 0;

    strcpy(out, "sk_");
    while (n < RANDOM_LETTERS) {
        uint8_t byte;
        if (RAND_bytes(&byte, 1) != 1) return ERR_IO;
        /* Bytes past the last whole multiple of 62 would favour some. */
        if (byte < 248) out[3 + n++] = letters[byte % 62];
    }
    out[3 + n] = 0;
    return 0;
}

void key_hash(uint8_t out[KEY_HASH_BYTES], const char *key)
{
    SHA256((const unsigned char *)key, strlen(key), out);
}

bool key_hash_equal(const uint8_t a[KEY_HASH_BYTES],
                    const uint8_t b[KEY_HASH_BYTES])
{
    return CRYPTO_memcmp(a, b, KEY_HASH_BYTES) == 0;
}

bool key_hash_is_none(const uint8_t hash[KEY_HASH_BYTES])
{
    static const uint8_t none[KEY_HASH_BYTES];

    return key_hash_equal(hash, none);
}
