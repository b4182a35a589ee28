/* tests/whep_client.h — the HTTP side of a viewer of ours: POST an offer like a
 * browser's, read what matters of the answer. One request per connection, on a
 * loop. Plain HTTP only. */
#ifndef TESTS_WHEP_CLIENT_H
#define TESTS_WHEP_CLIENT_H
#include <stdint.h>

#include "core/net/udp.h"
#include "core/rtc/peer.h"

struct loop;

enum { /* ids in the offer */
       WHEP_EXT_MID = 4,
       WHEP_EXT_TRANSPORT_CC = 3,
       WHEP_EXT_CAPTURE_TIME = 7,
       WHEP_EXT_PLAYOUT_DELAY = 5,
       WHEP_EXT_SEND_TIME = 2,
};

struct whep_answer {
    struct rtc_credentials remote;
    struct rtc_fingerprint fingerprint;
    struct net_path path;                      /* the first UDP candidate */
    uint32_t video_ssrc, rtx_ssrc, audio_ssrc; /* 0: none */
    uint8_t video_type, rtx_type, audio_type;
    char location[256];
};

/* status: HTTP's, 0 when there was none; answer NULL unless 201 and sound. */
typedef void whep_done(int status, const struct whep_answer *answer, void *arg);

/* url: "http://127.0.0.1:8080/whep/demo". done follows, once.
 * 0, ERR_SYNTAX (url), ERR_NOMEM, ERR_IO. */
int whep_post(struct loop *l, const char *url,
              const struct rtc_credentials *local, const char *fingerprint,
              whep_done *done, void *arg);

/* Pure, for tests. 0 or ERR_SYNTAX. */
int whep_parse_answer(struct whep_answer *out, const char *sdp);

#endif
