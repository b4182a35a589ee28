/* core/rtc/desk_priv.h — the body of a desk, for its files: desk.c (doors,
 * offers), desk_session.c (what was accepted), desk_errand.c (sessions of other
 * loops), desk_http.c (words and replies). */
#ifndef CORE_RTC_DESK_PRIV_H
#define CORE_RTC_DESK_PRIV_H
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/loop/timer.h"
#include "core/net/server.h"
#include "core/rtc/desk.h"
#include "core/rtc/peer.h"

struct metric;

enum {
    DESK_LOOPS_MAX = 256,
    DESK_ID_RANDOM_BYTES = 16, /* RFC 9725 §5: not to be guessed */
    DESK_ID_MAX = 48,          /* "LOOP-" and the random bytes in hex */
    DESK_ETAG_MAX = 32,
    DESK_CHANNEL_MAX = 128,
    DESK_TOKEN_BYTES = 32, /* SHA-256 of a bearer token */
    DESK_ENDED = 512, /* ids whose DELETE is still answered 200; oldest go */
    DESK_SENTENCE_MAX = 200,
};

enum desk_refusal {
    DESK_REFUSED_ADDRESS,
    DESK_REFUSED_PENDING,
    DESK_REFUSED_SESSIONS,
    DESK_REFUSED_SYNTAX,
    DESK_REFUSED_ROOM, /* by the room behind */
    DESK_REFUSALS,
};

struct rtc_desk {
    struct rtc_desk_conf conf;
    struct loop *loop;
    struct rtc_desk *peers[DESK_LOOPS_MAX]; /* by loop; self included */
    struct list tickets;                    /* struct rtc_ticket.node */
    struct map by_id;                       /* to struct desk_session */
    struct map by_session; /* the room's pointer as text; likewise */
    struct map addresses;  /* to struct desk_address */
    int pending;
    char (*ended)[DESK_ID_MAX]; /* DESK_ENDED of them, a ring */
    int ended_at;
    struct list sent;  /* struct errand.node, until they are back */
    struct list stuck; /* struct errand.stuck: done, but the way back is full */
    struct timer unstick;
    struct metric *offers, *sessions, *pending_gauge, *refused[DESK_REFUSALS];
};

struct desk_address { /* of a stranger with pending sessions */
    int pending;
    char text[];
};

/* A place among those who are not connected yet. */
struct desk_place {
    struct desk_address *address; /* NULL: not counted */
    bool is_taken;
};

struct desk_token {
    uint8_t hash[DESK_TOKEN_BYTES];
    bool is_set;
};

struct rtc_ticket {
    struct list node;
    struct rtc_desk *desk;
    struct exchange *x;
    struct sdp *offer;
    struct rtc_post post;
    struct desk_place place;
    struct desk_token token; /* of the header: it will come again */
    void (*on_abandoned)(void *arg);
    void *abandoned_arg;
    char *bearer; /* as text */
    char channel[DESK_CHANNEL_MAX + 1];
};

/* A request for a session, free of its exchange; and what to answer. */
struct desk_request {
    enum http_method method;
    const char *id, *content_type, *if_match; /* NULL: no such header */
    struct desk_token token;
    struct slice body; /* borrowed */
    bool is_control;   /* of what lies behind the session's own path */
};
struct desk_reply {
    int status;
    const char *allow; /* static, or NULL */
    struct buf *body;  /* sdpfrag, or JSON; NULL: none */
    bool is_json;
    char etag[DESK_ETAG_MAX];
    char sentence[DESK_SENTENCE_MAX];
};

/* --- desk.c */
void desk_place_leave(struct rtc_desk *d, struct desk_place *p);

/* --- desk_session.c */
/* Makes a session of an accepted ticket, whose place it takes over.
 * 0 or ERR_NOMEM. */
int desk_session_create(struct rtc_ticket *t, struct rtc_peer *peer,
                        const char *mid, void *session, char id[DESK_ID_MAX],
                        char etag[DESK_ETAG_MAX]);
/* On the loop that id names. */
void desk_session_handle(struct rtc_desk *d, const struct desk_request *q,
                         struct desk_reply *out);
void desk_sessions_release(struct rtc_desk *d);

/* --- desk_errand.c */
/* Answers x with what the desk of another loop says. */
void desk_errand_send(struct rtc_desk *d, struct rtc_desk *to,
                      struct exchange *x, const struct desk_request *q);
void desk_errands_init(struct rtc_desk *d);
void desk_errands_release(struct rtc_desk *d);

/* --- desk_http.c */
/* Allow's values. */
extern const char desk_endpoint_methods[], desk_session_methods[],
    desk_control_methods[];

bool desk_type_is(const char *content_type, const char *wanted);
/* The token of the Authorization header; NULL: none. Borrowed. */
const char *desk_bearer(const struct exchange *x);
/* The query's token, decoded; the caller frees it. NULL: none, or no memory
 * (*err). */
char *desk_query_token(const struct exchange *x, int *err);
struct desk_token desk_token_of(const char *bearer);
bool desk_token_is(const struct desk_token *a, const struct desk_token *b);
/* Does If-Match name etag? "*" sets *any instead. */
bool desk_matches(const char *if_match, const char *etag, bool *any);

/* A response with what every reply of a desk carries; NULL out of memory. */
struct response *desk_response(const struct exchange *x, int status);
/* Takes r, shares body. r NULL: 503. */
void desk_send(struct exchange *x, struct response *r, const char *type,
               struct slice body);
/* retry_after_s 0, allow NULL: no such header. */
void desk_say(struct exchange *x, int status, int retry_after_s,
              const char *allow, const char *sentence);
void desk_send_reply(struct exchange *x, struct desk_reply *r);
/* OPTIONS; methods for Allow. */
void desk_send_options(struct exchange *x, const char *methods);
/* GET and HEAD of an endpoint. */
void desk_send_endpoint(struct exchange *x);
void desk_reply_set(struct desk_reply *r, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
