/* tests/fuzz/multitrack.c — any bytes as OBS's question for a ladder: what is
 * answered is JSON, within every limit, and keeps the ladder's rules. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/multitrack.h"
#include "core/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_rungs(const struct multitrack_plan *p,
                        const struct multitrack_request *q,
                        const struct multitrack_conf *conf)
{
    uint64_t sum = p->audio_kbps;

    INVARIANT(p->count >= 2 && p->count <= MULTITRACK_RUNGS_MAX);
    for (int i = 0; i < p->count; i++) {
        const struct multitrack_rung *r = &p->rungs[i];
        INVARIANT(r->width && r->height && r->kbps);
        INVARIANT(r->width % 2 == 0 && r->height % 2 == 0);
        INVARIANT(r->width <= q->width && r->height <= q->height);
        INVARIANT((int64_t)r->width * r->height <= conf->source_pixels);
        INVARIANT(r->fps_num == q->fps_num && r->fps_den % q->fps_den == 0);
        INVARIANT(!i || r->height < r[-1].height);
        sum += r->kbps;
    }
    INVARIANT(!q->kbps || sum <= q->kbps);
    INVARIANT((int64_t)sum <= conf->source_kbps);
}

static void check_answer(const struct multitrack_request *q,
                         const struct multitrack_conf *conf)
{
    struct multitrack_plan plan;
    char *text;
    json_t *o;

    multitrack_plan(&plan, q, conf);
    INVARIANT((plan.outcome == MULTITRACK_LADDER) == (plan.count > 0));
    INVARIANT((plan.count == 0) == (plan.why[0] != '\0'));
    if (plan.count) check_rungs(&plan, q, conf);
    text = multitrack_write(&plan, q, conf);
    INVARIANT(text);
    o = json_loads(text, 0, NULL);
    INVARIANT(o);
    json_decref(o);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct multitrack_conf conf = {.policy = "ALLOW",
                                   .source_kbps = 50000,
                                   .source_pixels = 8294400,
                                   .rtmp_port = 1935,
                                   .rtmps_port = 1936,
                                   .config_id = "c0ffee"};
    struct multitrack_request q;
    char host[MULTITRACK_HOST_MAX + 1] = "host", why[MULTITRACK_WHY_SIZE] = "";
    char *text = malloc(len + 1); /* so that its bounds are watched */

    if (!text) return 0;
    if (len) memcpy(text, data, len);
    text[len] = '\0';
    multitrack_host(host, text);
    conf.host = host;
    char *exact = realloc(text, len + !len);
    if (exact) text = exact;
    if (multitrack_read(&q, text, len, why)) {
        INVARIANT(why[0]);
        char *error = multitrack_write_error(why);
        INVARIANT(error);
        free(error);
    } else {
        INVARIANT(q.key[0] && strlen(q.key) <= MULTITRACK_KEY_MAX);
        check_answer(&q, &conf);
        conf.policy = "REQUIRE";
        conf.source_kbps = 3000;
        conf.source_pixels = 1280 * 720;
        check_answer(&q, &conf);
    }
    free(text);
    return 0;
}
