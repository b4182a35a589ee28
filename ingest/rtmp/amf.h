/* ingest/rtmp/amf.h — AMF0 values as a stream of tokens, and a writer.
 * No tree is built: the caller pulls one token after the other, an explicit
 * stack knows where it is. AMF3 behind the switch marker: scalars and inline
 * strings only. Pure; one thread. Spec: amf0-file-format-specification §2. */
#ifndef INGEST_RTMP_AMF_H
#define INGEST_RTMP_AMF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"

enum {
    AMF_DEPTH_MAX = 16,
    AMF_TOKENS_MAX = 1024, /* in one message */
    AMF_STRING_MAX = 65535,
};

enum amf_type {
    AMF_NUMBER,
    AMF_BOOL,
    AMF_STRING, /* long strings and XML too */
    AMF_NULL,   /* undefined and references too */
    AMF_DATE,   /* number: ms since 1970 */
    AMF_OBJECT, /* members follow, then AMF_END; ECMA arrays, typed objects */
    AMF_ARRAY,  /* items follow, then AMF_END */
    AMF_END,
};

/* Borrowed text, not terminated. */
struct amf_text {
    const char *data;
    size_t len;
};

struct amf_token {
    enum amf_type type;
    int depth;            /* 0: the message's own values */
    struct amf_text key;  /* member's name; empty in arrays and at depth 0 */
    double number;        /* NUMBER, DATE; BOOL: 0 or 1 */
    struct amf_text text; /* STRING */
};

struct amf_reader {
    struct reader bytes;
    int depth, tokens;
    bool list[AMF_DEPTH_MAX];     /* is the container an array */
    uint32_t left[AMF_DEPTH_MAX]; /* its items to come */
};

void amf_reader_init(struct amf_reader *r, const void *data, size_t len);
/* 0; ERR_AGAIN at the end of the message (not inside a container); ERR_SYNTAX,
 * ERR_LIMIT or ERR_UNSUPPORTED. */
int amf_next(struct amf_reader *r, struct amf_token *out);
/* After an AMF_OBJECT or AMF_ARRAY token: steps over its content. */
int amf_skip(struct amf_reader *r, const struct amf_token *container);

bool amf_text_is(struct amf_text t, const char *want);
/* Cuts at size - 1 and at an embedded NUL. */
void amf_text_copy(char *out, size_t size, struct amf_text t);

void amf_write_number(struct builder *b, double v);
void amf_write_bool(struct builder *b, bool v);
void amf_write_string(struct builder *b, const char *text);
void amf_write_text(struct builder *b, struct amf_text t);
void amf_write_null(struct builder *b);
void amf_write_undefined(struct builder *b);
void amf_write_object(struct builder *b); /* then members, then end */
void amf_write_key(struct builder *b, const char *key);
void amf_write_end(struct builder *b);

#endif
