#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "ingest/priority.h"
#include "ingest/srt/server_priv.h"

enum {
    REFUSALS_LOGGED_MAX = 20,
    REJECT_PRIORITY = SRT_REJX_UNACCEPTABLE, /* "parameters …" of the id */
};

static const char *text_of(int code)
{
    switch (code) {
    case SRT_REJX_BAD_REQUEST: return "malformed stream id";
    case SRT_REJX_UNAUTHORIZED: return "wrong stream key";
    case SRT_REJX_OVERLOAD: return "too many connections";
    case SRT_REJX_FORBIDDEN: return "the key is another channel's";
    case SRT_REJX_NOTFOUND: return "no such channel";
    case SRT_REJX_CONFLICT: return priority_too_low;
    case REJECT_PRIORITY: return priority_bad;
    case SRT_REJX_BAD_MODE: return "playing over SRT is not offered";
    case SRT_REJX_NOTSUP_MEDIA: return "not a live stream";
    case SRT_REJX_DOWN: return "the server is shutting down";
    default: return "server error";
    }
}

static int code_of_syntax(int err)
{
    switch (err) {
    case ERR_NOTFOUND: return SRT_REJX_NOTFOUND;
    case ERR_UNSUPPORTED: return SRT_REJX_NOTSUP_MEDIA;
    case ERR_RANGE: return REJECT_PRIORITY;
    default: return SRT_REJX_BAD_REQUEST;
    }
}

int srt_access_check(struct srt_server *s, const char *streamid, size_t len,
                     struct ingest_grant *grant, struct srt_streamid *out)
{
    struct srt_streamid id;
    struct ingest_grant made = {0};
    int err = srt_streamid_parse(&id, streamid, len);

    if (err) return code_of_syntax(err);
    if (id.mode == SRT_MODE_REQUEST || id.mode == SRT_MODE_BIDIRECTIONAL)
        return SRT_REJX_BAD_MODE;
    if (s->door.authorise(id.key, &made, s->door.arg))
        return id.from_resource ? SRT_REJX_NOTFOUND : SRT_REJX_UNAUTHORIZED;
    if (id.channel[0] && strcmp(id.channel, made.channel) != 0)
        return SRT_REJX_FORBIDDEN;
    if (s->door.live_priority &&
        id.priority < s->door.live_priority(made.channel, s->door.arg))
        return SRT_REJX_CONFLICT;
    *grant = made;
    *out = id;
    return 0;
}

/* --- refusals, told on the home loop: a write may wait ---------------------
 */

struct refusal {
    char peer[ADDRESS_TEXT_MAX], streamid[STREAMID_MAX + 1];
    int code;
};

static void log_refusal(void *arg)
{
    struct refusal *r = arg;

    log_warn("srt", "refused", log_s("peer", r->peer),
             log_s("reason", text_of(r->code)), log_i("code", r->code),
             log_secret("streamid", r->streamid),
             log_i("streamid_bytes", (int64_t)strlen(r->streamid)));
    free(r);
}

bool srt_access_may_log(struct srt_server *s)
{
    int64_t second = clock_mono_us() / 1000000;

    if (atomic_exchange(&s->refusals_second, second) != second)
        atomic_store(&s->refusals_logged, 0);
    return atomic_fetch_add(&s->refusals_logged, 1) < REFUSALS_LOGGED_MAX;
}

static int refuse(struct srt_server *s, SRTSOCKET socket, int code,
                  const struct sockaddr *peer, const char *streamid)
{
    struct refusal *r;
    char reason[16];

    snprintf(reason, sizeof reason, "%d", code);
    srt_server_count_refusal(s, reason);
    srt_setrejectreason(socket, code);
    r = srt_access_may_log(s) ? calloc(1, sizeof *r) : NULL;
    if (!r) return -1;
    r->code = code;
    snprintf(r->streamid, sizeof r->streamid, "%s", streamid);
    tcp_format_address(r->peer, peer);
    if (loop_post(s->loops[0], log_refusal, r)) free(r);
    return -1;
}

uint32_t srt_hash(const char *text)
{
    uint32_t hash = 2166136261;

    while (*text)
        hash = (hash ^ (uint8_t)*text++) * 16777619;
    return hash;
}

unsigned srt_access_seat(const struct sockaddr *peer)
{
    char host[ADDRESS_TEXT_MAX];

    tcp_format_host(host, peer);
    return srt_hash(host) % SEATS;
}

static bool is_full(struct srt_server *s, const struct sockaddr *peer)
{
    if (atomic_load(&s->count) >= s->limits.connections) return true;
    return !tcp_is_loopback(peer) &&
           atomic_load(&s->seats[srt_access_seat(peer)]) >=
               s->limits.connections_per_address;
}

/* May be called more than once for one handshake: it changes nothing. */
int srt_access(void *server, SRTSOCKET socket, int version,
               const struct sockaddr *peer, const char *streamid)
{
    struct srt_server *s = server;
    struct ingest_grant grant;
    struct srt_streamid id;
    int code;

    (void)version;
    if (!streamid) streamid = "";
    code = srt_access_check(s, streamid, strlen(streamid), &grant, &id);
    if (!code && is_full(s, peer)) code = SRT_REJX_OVERLOAD;
    if (atomic_load(&s->stopping)) code = SRT_REJX_DOWN;
    if (code) return refuse(s, socket, code, peer, streamid);
    /* From here libsrt itself refuses another passphrase, or none. */
    if (grant.passphrase[0] &&
        srt_setsockflag(socket, SRTO_PASSPHRASE, grant.passphrase,
                        (int)strlen(grant.passphrase)))
        return refuse(s, socket, SRT_REJX_ISE, peer, streamid);
    char text[ADDRESS_TEXT_MAX];
    tcp_format_address(text, peer);
    handshakes_note(&s->handshakes, text, grant.channel, grant.passphrase[0],
                    clock_mono_us());
    return 0;
}
