#include "app/multitrack_api.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/answer.h"
#include "app/settings.h"
#include "control/directory.h"
#include "control/multitrack.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/net/server.h"

enum {
    RATE_BURST = 30,  /* requests of one address */
    RATE_SLOTS = 512, /* addresses; policy: who falls into one share it */
    SECOND_US = 1000000,
    CONFIG_ID_BYTES = 12,
};

enum outcome { LADDER, SINGLE, REFUSED, DENIED, MALFORMED, LIMITED, OUTCOMES };

struct multitrack_api {
    const struct settings *settings;
    struct metric *outcomes[OUTCOMES];
    /* When each address would have all its requests back. */
    int64_t full_at[RATE_SLOTS];
};

int multitrack_api_create(struct multitrack_api **out,
                          const struct settings *settings,
                          struct metrics *metrics)
{
    static const char *const names[OUTCOMES] = {
        "ladder", "single", "refused", "denied", "malformed", "limited"};
    struct multitrack_api *m = calloc(1, sizeof *m);

    if (!m) return ERR_NOMEM;
    m->settings = settings;
    for (int i = 0; i < OUTCOMES; i++) {
        char labels[64] = "";
        metric_label(labels, sizeof labels, "outcome", names[i]);
        m->outcomes[i] = metrics_counter(
            metrics, "lectern_multitrack_configs_total",
            "Requests for a ladder of the encoder's own, by outcome.", labels);
    }
    *out = m;
    return 0;
}

void multitrack_api_free(struct multitrack_api **m)
{
    free(*m);
    *m = NULL;
}

/* --- how often ------------------------------------------------------------ */

static bool may_ask(struct multitrack_api *m, const struct exchange *x)
{
    uint32_t hash = 2166136261;
    int64_t now = exchange_started_at(x), *full_at;

    if (exchange_is_trusted(x)) return true;
    for (const char *c = exchange_peer(x); *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619;
    full_at = &m->full_at[hash % RATE_SLOTS];
    if (*full_at < now) *full_at = now;
    if (*full_at - now > (RATE_BURST - 1) * (int64_t)SECOND_US) return false;
    *full_at += SECOND_US;
    return true;
}

/* --- answers -------------------------------------------------------------- */

/* Takes text; NULL: there was no memory for it. */
static void respond(struct exchange *x, int status, char *text)
{
    struct buf *made = NULL;

    if (text && buf_create(&made, text, strlen(text))) made = NULL;
    free(text);
    answer_json(x, status, &made, false);
}

static void refuse(struct multitrack_api *m, struct exchange *x,
                   enum outcome outcome, int status, const char *client,
                   const char *problem)
{
    metric_add(m->outcomes[outcome], 1);
    log_warn("app", "multitrack_config", log_s("peer", exchange_peer(x)),
             log_s("client", client), log_s("problem", problem));
    respond(x, status, multitrack_write_error(problem));
}

static int port_of(const char *listen)
{
    const char *colon = strrchr(listen, ':');

    return colon ? atoi(colon + 1) : 0;
}

static int make_id(char out[2 * CONFIG_ID_BYTES + 1])
{
    uint8_t bytes[CONFIG_ID_BYTES];

    if (RAND_bytes(bytes, sizeof bytes) != 1) return ERR_IO;
    for (int i = 0; i < CONFIG_ID_BYTES; i++)
        snprintf(out + i * 2, 3, "%02x", bytes[i]);
    return 0;
}

static void log_answer(const struct exchange *x, const struct channel *c,
                       const struct multitrack_request *q,
                       const struct multitrack_plan *plan,
                       const char *config_id)
{
    char vendor[16] = "none";

    if (q->gpu_count)
        snprintf(vendor, sizeof vendor, "0x%04x", q->gpus[0].vendor);
    LOG_AT(plan->count ? LOG_INFO : LOG_WARN, "app", "multitrack_config",
           log_s("channel", c->name), log_s("peer", exchange_peer(x)),
           log_s("client", q->client), log_s("gpu", vendor),
           log_i("tracks", plan->count), log_s("encoder", plan->encoder),
           log_s("config", config_id), log_s("problem", plan->why));
}

static void give(struct multitrack_api *m, struct exchange *x,
                 const struct channel *c, const struct multitrack_request *q,
                 const char *host)
{
    static const enum outcome outcomes[] = {[MULTITRACK_LADDER] = LADDER,
                                            [MULTITRACK_SINGLE] = SINGLE,
                                            [MULTITRACK_REFUSED] = REFUSED};
    const struct settings *s = m->settings;
    char id[2 * CONFIG_ID_BYTES + 1];
    struct multitrack_conf conf = {
        .policy = c->multitrack,
        .source_kbps = s->source_kbps,
        .source_pixels = s->source_pixels,
        .host = host,
        .rtmp_port = port_of(s->rtmp_listen),
        .rtmps_port = port_of(s->rtmps_listen),
        .rtmps_trusted = strcmp(s->https_cert, "auto") != 0,
        .config_id = id,
    };
    struct multitrack_plan plan;

    if (make_id(id)) {
        exchange_respond_text(x, 503, "no randomness\n");
        return;
    }
    multitrack_plan(&plan, q, &conf);
    metric_add(m->outcomes[outcomes[plan.outcome]], 1);
    log_answer(x, c, q, &plan, id);
    respond(x, 200, multitrack_write(&plan, q, &conf));
}

void multitrack_api_answer(struct multitrack_api *m, struct exchange *x,
                           const struct directory *d)
{
    struct slice body = exchange_body(x);
    struct multitrack_request q = {0};
    char why[MULTITRACK_WHY_SIZE] = "", host[MULTITRACK_HOST_MAX + 1];
    const struct channel *c;

    if (!may_ask(m, x)) {
        refuse(m, x, LIMITED, 429, "",
               "Too many requests from this address: wait a moment.");
        return;
    }
    int err = multitrack_read(&q, (const char *)body.data, body.len, why);
    if (!err && multitrack_host(host, exchange_host(x))) {
        err = ERR_SYNTAX;
        snprintf(why, sizeof why,
                 "the Host header: must be a name or an address");
    }
    if (err) {
        refuse(m, x, MALFORMED, 400, q.client, why);
        return;
    }
    c = directory_by_key(d, q.key);
    if (c)
        give(m, x, c, &q, host);
    else
        refuse(m, x, DENIED, 200, q.client,
               "This stream key is not known: take the one that was printed "
               "when the channel was made, or its last key rotate.");
}
