/* control/key.h — stream keys: made from the system's randomness, kept as
 * SHA-256 only, compared in constant time. A hash of zeros is no key's: that
 * of a channel whose key was revoked. Pure but for key_make(). */
#ifndef CONTROL_KEY_H
#define CONTROL_KEY_H
#include <stdbool.h>
#include <stdint.h>

enum {
    KEY_TEXT_SIZE = 40,  /* "sk_" + 32 letters and digits + NUL, rounded up */
    KEY_HASH_BYTES = 32, /* SHA-256 */
};

/* A new key of 190 bits. 0 or ERR_IO. */
int key_make(char out[KEY_TEXT_SIZE]);
void key_hash(uint8_t out[KEY_HASH_BYTES], const char *key);
bool key_hash_equal(const uint8_t a[KEY_HASH_BYTES],
                    const uint8_t b[KEY_HASH_BYTES]);
bool key_hash_is_none(const uint8_t hash[KEY_HASH_BYTES]);

#endif
