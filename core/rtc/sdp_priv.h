/* core/rtc/sdp_priv.h — what the files of the SDP parser share: sdp.c reads
 * lines and sections, sdp_attribute.c their attributes, sdp_text.c words. */
#ifndef CORE_RTC_SDP_PRIV_H
#define CORE_RTC_SDP_PRIV_H
#include "core/rtc/sdp.h"

/* What is being read, and what only makes sense once its section is whole. */
struct sdp_parsing {
    struct sdp *out;
    struct sdp_media session; /* what each section begins with */
    struct sdp_media *media;  /* the open section; &session before the first */
    struct sdp_text sends[SDP_RIDS_MAX];  /* a=rid:… send */
    struct sdp_text layers[SDP_RIDS_MAX]; /* of a=simulcast:send */
    int send_count, layer_count;
    int line;
    char *why;
};

/* Writes "line N: …" to why; returns err. */
int sdp_fail(struct sdp_parsing *p, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes what lies before the first of `stops` off *t, and that stop too. */
struct sdp_text sdp_cut(struct sdp_text *t, const char *stops);
struct sdp_text sdp_trim(struct sdp_text t);
/* The next word between spaces; empty at the end. */
struct sdp_text sdp_next_word(struct sdp_text *t);
/* Visible characters, at least one. */
bool sdp_is_token(struct sdp_text t);

/* line: what follows "a=". 0, ERR_SYNTAX or ERR_LIMIT. */
int sdp_read_attribute(struct sdp_parsing *p, struct sdp_text line);
int sdp_read_ufrag(struct sdp_parsing *p, struct sdp_text value);
int sdp_read_pwd(struct sdp_parsing *p, struct sdp_text value);

#endif
