/* core/rtc/stun.h — STUN Binding messages as ICE uses them: reading, proving
 * and writing. Pure; any thread.
 * Source: RFC 8489 §5 (header), §14.2 (XOR-MAPPED-ADDRESS), §14.5 (integrity),
 * §14.7 (fingerprint), §6.3.1 (unknown attributes); RFC 8445 §7.1, §16.1. */
#ifndef CORE_RTC_STUN_H
#define CORE_RTC_STUN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STUN_MAX = 1280, /* a message that we read: fits one datagram */
    STUN_ATTRIBUTES_MAX = 32,
    STUN_UNKNOWN_MAX = 8,   /* listed in a 420 */
    STUN_REPLY_MAX = 128,   /* a reply that we write */
    STUN_REQUEST_MAX = 640, /* a request that we write */
    STUN_TRANSACTION_BYTES = 12,
};
enum stun_type {
    STUN_REQUEST = 0x0001,
    STUN_INDICATION = 0x0011,
    STUN_SUCCESS = 0x0101,
    STUN_ERROR = 0x0111,
};

struct stun_message { /* borrows the datagram */
    const uint8_t *data;
    size_t len;
    uint16_t type; /* enum stun_type, or another method's */
    const uint8_t *transaction;
    const char *username; /* NULL: none; not NUL-terminated */
    size_t username_len;
    size_t integrity_at; /* offset of MESSAGE-INTEGRITY; 0: none */
    bool use_candidate;
    bool controlling;  /* ICE-CONTROLLING is there */
    uint32_t priority; /* 0: none */
    int error_code;    /* of an error reply */
    bool mapped;       /* XOR-MAPPED-ADDRESS is there: */
    uint8_t ip[16];    /* IPv4 as ::ffff:a.b.c.d */
    uint16_t port;
    /* Comprehension-required attributes that we do not know. */
    uint16_t unknown[STUN_UNKNOWN_MAX];
    int unknown_count;
};

/* Cookie, lengths and a valid FINGERPRINT as the last attribute are wanted.
 * What follows MESSAGE-INTEGRITY is ignored. 0, ERR_SYNTAX or ERR_LIMIT. */
int stun_parse(struct stun_message *out, const uint8_t *data, size_t len);
/* Was it signed with this password? In constant time. */
bool stun_is_signed_by(const struct stun_message *m, const char *pwd);

/* The part of USERNAME before the colon, for routing; nothing is proved.
 * Borrows data. 0 or ERR_SYNTAX. */
int stun_local_ufrag(const uint8_t *data, size_t len, const char **ufrag,
                     size_t *ufrag_len);

/* Replies to a request, signed with pwd, which the request was. Bytes
 * written; 0 when OpenSSL has no memory. ip, port: whence it came. */
size_t stun_write_success(uint8_t out[STUN_REPLY_MAX],
                          const struct stun_message *request,
                          const uint8_t ip[16], uint16_t port, const char *pwd);
/* 420 with the request's unknown attributes. */
size_t stun_write_unknown(uint8_t out[STUN_REPLY_MAX],
                          const struct stun_message *request, const char *pwd);

struct stun_request { /* a check that we send: load viewers, tests */
    uint8_t transaction[STUN_TRANSACTION_BYTES];
    const char *username; /* "theirs:ours", at most 513 bytes */
    const char *pwd;      /* theirs */
    uint32_t priority;    /* 0: left out */
    uint64_t controlling; /* tie-breaker; 0: left out */
    bool use_candidate;
};
/* Bytes written; 0 when OpenSSL has no memory or the name is too long. */
size_t stun_write_request(uint8_t out[STUN_REQUEST_MAX],
                          const struct stun_request *r);

#endif
