#include "app/vitals.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/answer.h"
#include "app/door.h"
#include "app/pipeline.h"
#include "control/directory.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/server.h"

/* --- gauges --------------------------------------------------------------- */

static struct metric *gauge(struct metrics *m, const char *name,
                            const char *help, const char *channel,
                            const char *warning)
{
    char labels[160] = "";

    metric_label(labels, sizeof labels, "channel", channel);
    if (warning) metric_label(labels, sizeof labels, "warning", warning);
    return metrics_gauge(m, name, help, labels);
}

static void set_gauges(struct vitals *s, struct metrics *m, const char *channel)
{
    const struct health_figures *f = &s->figures;
    /* What is not known has no gauge: 0 would be an answer. */
    const struct {
        const char *name, *help;
        bool known;
        double value;
    } rows[VITALS_GAUGES] = {
        {"lectern_source_video_bps", "Bitrate of a channel's source.", true,
         f->video_bps},
        {"lectern_source_audio_bps", "Bitrate of a channel's source.", true,
         f->audio_bps},
        {"lectern_source_fps", "Frames a second that arrive.", true, f->fps},
        {"lectern_source_keyframe_interval_seconds",
         "Between the source's last keyframes.", true, f->keyframe_s},
        {"lectern_source_jitter_seconds",
         "The slowest frame of a second against the quickest.", true,
         f->jitter_s},
        {"lectern_source_missing_frames",
         "Frames missing, by gaps, of this publisher.", true,
         (double)f->missing},
        {"lectern_source_audio_rms_dbfs", "How loud the last second was.",
         f->heard, f->rms_dbfs},
        {"lectern_source_audio_peak_dbfs",
         "The loudest sample of the last second.", f->heard, f->peak_dbfs},
        {"lectern_source_silent_seconds", "Since there was sound.", f->heard,
         f->silent_s},
        {"lectern_source_brightness", "Of the picture: 0 black, 1 white.",
         f->seen, f->brightness},
        {"lectern_source_still_seconds", "Since the picture changed.", f->seen,
         f->still_s},
    };

    for (int i = 0; i < VITALS_GAUGES; i++) {
        if (!rows[i].known) {
            metric_remove(m, &s->gauges[i]);
            continue;
        }
        if (!s->gauges[i])
            s->gauges[i] = gauge(m, rows[i].name, rows[i].help, channel, NULL);
        metric_set(s->gauges[i], rows[i].value);
    }
}

void vitals_take(struct vitals *s, struct metrics *m, const char *channel,
                 const struct health_figures *f)
{
    s->known = true;
    s->figures = *f;
    set_gauges(s, m, channel);
    for (int i = 0; i < HEALTH_WARNINGS; i++) {
        if (!s->warnings[i])
            s->warnings[i] = gauge(m, "lectern_source_warning",
                                   "1 while the source has that fault.",
                                   channel, health_name(i));
        metric_set(s->warnings[i], f->warnings >> i & 1);
    }
}

void vitals_forget(struct vitals *s, struct metrics *m)
{
    for (int i = 0; i < VITALS_GAUGES; i++)
        metric_remove(m, &s->gauges[i]);
    for (int i = 0; i < HEALTH_WARNINGS; i++)
        metric_remove(m, &s->warnings[i]);
    *s = (struct vitals){0};
}

/* --- JSON ----------------------------------------------------------------- */

static json_t *warnings_json(const struct health_figures *f)
{
    json_t *all = json_array();
    char text[HEALTH_TEXT_SIZE];

    for (int i = 0; i < HEALTH_WARNINGS; i++) {
        if (!(f->warnings >> i & 1)) continue;
        health_text(f, i, text);
        json_array_append_new(all, json_pack("{s:s, s:s}", "warning",
                                             health_name(i), "advice", text));
    }
    return all;
}

static json_t *line_json(const struct health_line *l)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f}",
                     "rtt_s", l->rtt_s, "latency_s", l->latency_s, "buffer_s",
                     l->buffer_s, "bps", l->bps, "packets",
                     (json_int_t)l->packets, "lost_packets",
                     (json_int_t)l->lost, "resent_packets",
                     (json_int_t)l->resent, "late_packets", (json_int_t)l->late,
                     "undecrypted_packets", (json_int_t)l->undecrypted,
                     "lost_share", l->lost_share, "late_share", l->late_share);
}

static json_t *video_json(const struct health_figures *f)
{
    json_t *o = json_pack("{s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:b}",
                          "codec", codec_name(f->video), "width", (int)f->width,
                          "height", (int)f->height, "bps", f->video_bps, "fps",
                          f->fps, "announced_fps", f->announced_fps,
                          "keyframe_interval_s", f->keyframe_s, "jitter_s",
                          f->jitter_s, "b_frames", f->b_frames);

    if (!f->seen) return o;
    json_object_set_new(o, "brightness", json_real(f->brightness));
    json_object_set_new(o, "black_s", json_real(f->black_s));
    json_object_set_new(o, "still_s", json_real(f->still_s));
    return o;
}

static json_t *audio_json(const struct health_figures *f)
{
    json_t *o = json_pack("{s:s, s:i, s:i, s:f}", "codec", codec_name(f->audio),
                          "sample_rate", (int)f->sample_rate, "channels",
                          (int)f->channels, "bps", f->audio_bps);

    if (!f->heard) return o;
    json_object_set_new(o, "rms_dbfs", json_real(f->rms_dbfs));
    json_object_set_new(o, "peak_dbfs", json_real(f->peak_dbfs));
    json_object_set_new(o, "silent_s", json_real(f->silent_s));
    return o;
}

static json_t *figures_json(const struct health_figures *f)
{
    json_t *o =
        json_pack("{s:f, s:i, s:i, s:o}", "uptime_s",
                  (double)f->uptime_us / 1e6, "missing_frames", (int)f->missing,
                  "late_frames", (int)f->late, "warnings", warnings_json(f));

    if (f->line.known) json_object_set_new(o, "line", line_json(&f->line));
    if (f->video) json_object_set_new(o, "video", video_json(f));
    if (f->audio) json_object_set_new(o, "audio", audio_json(f));
    return o;
}

struct buf *vitals_json(const char *channel, const struct vitals *s,
                        const struct publisher *publisher)
{
    json_t *o = json_pack("{s:s, s:s}", "channel", channel, "state",
                          publisher ? "live"
                          : s       ? "reconnecting"
                                    : "offline");
    struct buf *made = NULL;
    char *text;

    if (publisher) {
        json_object_set_new(o, "protocol",
                            json_string(publisher_protocol(publisher)));
        json_object_set_new(o, "peer", json_string(publisher_peer(publisher)));
    }
    if (publisher && s->known)
        json_object_set_new(o, "source", figures_json(&s->figures));
    text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(o);
    if (text && buf_create(&made, text, strlen(text))) made = NULL;
    free(text);
    return made;
}

/* --- questions ------------------------------------------------------------ */

struct question {
    struct exchange *x; /* NULL: who asked went away */
    struct loop *loop;
    struct pipeline *pipeline;
    char channel[CHANNEL_NAME_MAX + 1];
    struct buf *answer;
};

static void on_answer(void *arg)
{
    struct question *q = arg;

    if (q->x)
        answer_json(q->x, 200, &q->answer, true);
    else
        buf_unref(&q->answer);
    free(q);
}

/* On the home loop. A question whose answer cannot be posted is left with the
 * exchange, which its own time-out ends. */
static void ask_home(void *arg)
{
    struct question *q = arg;

    q->answer = pipeline_vitals_json(q->pipeline, q->channel);
    if (loop_post(q->loop, on_answer, q)) buf_unref(&q->answer);
}

static void on_abort(void *arg)
{
    ((struct question *)arg)->x = NULL;
}

/* The key must be the channel's; who asks with another learns nothing. */
static bool may_know(const struct exchange *x, const struct directory *d,
                     const char *channel)
{
    static const char scheme[] = "Bearer ";
    const char *said = exchange_header(x, "authorization");
    const struct channel *c;

    if (!said || strncasecmp(said, scheme, sizeof scheme - 1) != 0)
        return false;
    c = directory_by_key(d, said + sizeof scheme - 1);
    return c && !strcmp(c->name, channel);
}

static void refuse(struct exchange *x)
{
    static const char text[] = "the channel's stream key is wanted: "
                               "Authorization: Bearer STREAM_KEY\n";
    struct slice body = {NULL, (const uint8_t *)text, sizeof text - 1};
    struct response *r = NULL;
    int err = response_create(&r, 401);

    if (!err) err = response_header(r, "www-authenticate", "Bearer");
    if (!err) err = response_header(r, "cache-control", "no-store");
    if (!err) err = response_cors(r);
    if (!err) err = response_body(r, body);
    answer_with(x, &r, err);
}

/* "/api/channels/NAME/health". */
static bool read_path(const char *path, char channel[CHANNEL_NAME_MAX + 1])
{
    static const char prefix[] = "/api/channels/";
    const char *name = path + sizeof prefix - 1;
    size_t n = strcspn(name, "/");

    if (!n || n > CHANNEL_NAME_MAX || strcmp(name + n, "/health") != 0)
        return false;
    memcpy(channel, name, n);
    channel[n] = '\0';
    return true;
}

void vitals_answer(struct exchange *x, struct loop *l,
                   const struct directory *d, struct pipeline *p)
{
    char channel[CHANNEL_NAME_MAX + 1];
    struct question *q;

    if (!read_path(exchange_path(x), channel)) {
        exchange_respond_text(x, 404, "no such resource\n");
        return;
    }
    if (!may_know(x, d, channel)) {
        refuse(x);
        return;
    }
    q = calloc(1, sizeof *q);
    if (q) {
        *q = (struct question){.x = x, .loop = l, .pipeline = p};
        memcpy(q->channel, channel, sizeof channel);
        exchange_on_abort(x, on_abort, q);
        if (!loop_post(pipeline_home(p), ask_home, q)) return;
    }
    exchange_on_abort(x, NULL, NULL);
    free(q);
    exchange_respond_text(x, 503, "the server is busy\n");
}
