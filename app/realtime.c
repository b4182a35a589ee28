#include "app/realtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/settings.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/loop/worker.h"
#include "core/media/bus.h"
#include "core/rtc/host.h"
#include "edge/whep.h"
#include "ingest/publisher.h"
#include "ingest/whip/whip.h"

enum { LOOPS_MAX = 64, ADDRESSES_MAX = HOST_ADDRESSES_MAX, WORKERS_MAX = 4 };

struct place {
    struct realtime_place conf;
    struct rtc_host *host;
    struct whep *whep;
    struct whip *whip;
};

struct realtime {
    struct realtime_conf conf;
    struct rtc_identity *identity;
    struct workers *workers;
    struct place places[LOOPS_MAX];
    /* The same once more as each room wants them: by loop index. */
    struct rtc_host *hosts[LOOPS_MAX];
    struct whep *wheps[LOOPS_MAX];
    struct whip *whips[LOOPS_MAX];
};

/* "a,b,c" → NULL-terminated views into text. */
static int split(char *text, const char *out[ADDRESSES_MAX + 1])
{
    int n = 0;
    char *save = NULL;

    for (char *t = strtok_r(text, ", ", &save); t;
         t = strtok_r(NULL, ", ", &save)) {
        if (n == ADDRESSES_MAX) return ERR_LIMIT;
        out[n++] = t;
    }
    out[n] = NULL;
    return 0;
}

/* "host:port" with the port moved up by `by`; 0 stays: the system chooses. */
static void shift_port(char out[64], const char *listen, int by)
{
    const char *colon = strrchr(listen, ':');
    int port = colon ? atoi(colon + 1) : 0;

    if (!colon || !port)
        snprintf(out, 64, "%s", listen);
    else
        snprintf(out, 64, "%.*s:%d", (int)(colon - listen), listen, port + by);
}

static int open_host(struct realtime *r, int i, const char *const *addresses,
                     char why[256])
{
    const char *listen = r->conf.settings->webrtc_listen;
    char here[64], tcp[64], said[256] = "";
    struct rtc_host_conf conf = {.loop = r->conf.loops[i],
                                 .listen = here,
                                 .listen_tcp = i ? NULL : tcp,
                                 .identity = r->identity,
                                 .workers = r->workers,
                                 .public_addresses = addresses,
                                 .metrics = r->conf.metrics};
    int err;

    shift_port(here, listen, i);
    shift_port(tcp, listen, 0);
    err = rtc_host_create(&r->hosts[i], &conf, said);
    r->places[i].host = r->hosts[i];
    if (err)
        snprintf(why, 256, "webrtc.listen: %s: %.180s", here,
                 *said ? said : err_text(err));
    return err;
}

static int open_hosts(struct realtime *r, char why[256])
{
    char text[sizeof r->conf.settings->webrtc_public_addresses];
    const char *addresses[ADDRESSES_MAX + 1] = {NULL};
    int err;

    memcpy(text, r->conf.settings->webrtc_public_addresses, sizeof text);
    err = split(text, addresses);
    if (err) {
        snprintf(why, 256, "webrtc.public_addresses: at most %d",
                 ADDRESSES_MAX);
        return err;
    }
    for (int i = 0; !err && i < r->conf.loop_count; i++)
        err = open_host(r, i, addresses, why);
    return err;
}

int realtime_create(struct realtime **out, const struct realtime_conf *conf,
                    char why[256])
{
    struct realtime *r;
    int err;

    *out = NULL;
    if (!*conf->settings->webrtc_listen) return 0;
    snprintf(why, 256, "%s", err_text(ERR_NOMEM));
    r = calloc(1, sizeof *r);
    if (!r) return ERR_NOMEM;
    r->conf = *conf;
    err = rtc_identity_create(&r->identity);
    if (!err)
        err = workers_create(&r->workers, conf->loop_count < WORKERS_MAX
                                              ? conf->loop_count
                                              : WORKERS_MAX);
    if (!err) err = open_hosts(r, why);
    if (err)
        realtime_free(&r);
    else
        *out = r;
    return err;
}

static enum whep_channel find(const char *channel, void *arg)
{
    struct place *p = arg;

    return p->conf.is_channel(channel, p->conf.arg) ? WHEP_OFFLINE
                                                    : WHEP_UNKNOWN;
}

int realtime_serve(struct realtime *r, const struct realtime_place *place)
{
    struct place *p = &r->places[place->at];
    int pending = (int)r->conf.settings->webrtc_pending_per_address;
    struct whep_conf whep = {.host = p->host,
                             .find = find,
                             .arg = p,
                             .pending_per_address = pending,
                             .metrics = r->conf.metrics};
    struct whip_conf whip = {.host = p->host,
                             .door = place->door,
                             .pending_per_address = pending,
                             .metrics = r->conf.metrics};
    int err;

    p->conf = *place;
    err = whep_create(&p->whep, &whep);
    if (!err) err = whip_create(&p->whip, &whip);
    r->wheps[place->at] = p->whep;
    r->whips[place->at] = p->whip;
    for (int i = 0; !err && i < place->server_count; i++) {
        if (!place->servers[i]) continue;
        err = whep_serve(p->whep, place->servers[i]);
        if (!err) err = whip_serve(p->whip, place->servers[i]);
    }
    return err;
}

int realtime_join(struct realtime *r)
{
    int count = r->conf.loop_count;

    for (int i = 0; i < count; i++) {
        int err = rtc_host_set_peers(r->hosts[i], r->hosts, count,
                                     rtc_host_tcp_port(r->hosts[0]));
        if (err) return err;
        whep_set_peers(r->wheps[i], r->wheps, count);
        whip_set_peers(r->whips[i], r->whips, count);
    }
    return 0;
}

/* --- streams ----------------------------------------------------------------
 */

struct notice {
    struct whep *whep;
    struct bus *bus;
    char channel[CHANNEL_NAME_MAX + 1];
};

static void take_notice(void *arg)
{
    struct notice *n = arg;

    whep_stream(n->whep, n->channel, n->bus);
    bus_unref(&n->bus);
    free(n);
}

void realtime_stream(struct realtime *r, const char *channel, struct bus *bus)
{
    for (int i = 0; i < r->conf.loop_count; i++) {
        struct notice *n = malloc(sizeof *n);
        if (n) {
            *n = (struct notice){r->wheps[i], bus_ref(bus), ""};
            snprintf(n->channel, sizeof n->channel, "%s", channel);
            if (!loop_post(r->conf.loops[i], take_notice, n)) continue;
            bus_unref(&n->bus);
            free(n);
        }
        log_error("app", "stream_unannounced", log_s("channel", channel),
                  log_i("loop", i));
    }
}

void realtime_drain(struct realtime *r, int at)
{
    whep_drain(r->places[at].whep);
    whip_drain(r->places[at].whip);
}

int realtime_port(const struct realtime *r)
{
    return r ? rtc_host_udp_port(r->hosts[0]) : -1;
}

void realtime_free(struct realtime **r)
{
    struct realtime *old = *r;

    *r = NULL;
    if (!old) return;
    for (int i = 0; i < old->conf.loop_count; i++) {
        whep_free(&old->places[i].whep);
        whip_free(&old->places[i].whip);
    }
    workers_free(&old->workers);
    for (int i = 0; i < old->conf.loop_count; i++)
        rtc_host_free(&old->hosts[i]);
    rtc_identity_free(&old->identity);
    free(old);
}
