#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/multitrack.h"
#include "core/base/err.h"

enum {
    KEYINT_S = 2,
    HTML_SIZE = 6 * 2 * MULTITRACK_WHY_SIZE, /* "&quot;" for each letter */
};

/* --- words ------------------------------------------------------------------
 */

/* OBS shows them as HTML. Letters that a client's own words may have, and a
 * cut may have broken, are not worth their trouble. */
static void escape(char out[HTML_SIZE], const char *text)
{
    size_t n = 0;

    for (; *text && n + 7 < HTML_SIZE; text++) {
        const char *as = *text == '&'    ? "&amp;"
                         : *text == '<'  ? "&lt;"
                         : *text == '>'  ? "&gt;"
                         : *text == '"'  ? "&quot;"
                         : *text == '\'' ? "&#39;"
                                         : NULL;
        if (as)
            n += (size_t)snprintf(out + n, HTML_SIZE - n, "%s", as);
        else
            out[n++] = *text >= ' ' && *text < 0x7f ? *text : '?';
    }
    out[n] = '\0';
}

static json_t *status(const char *result, const char *sentence)
{
    char html[HTML_SIZE];

    escape(html, sentence);
    return json_pack("{s:s, s:s}", "result", result, "html_en_us", html);
}

static json_t *status_of(const struct multitrack_plan *p)
{
    char sentence[2 * MULTITRACK_WHY_SIZE];

    switch (p->outcome) {
    case MULTITRACK_LADDER: return json_pack("{s:s}", "result", "success");
    case MULTITRACK_SINGLE:
        snprintf(sentence, sizeof sentence,
                 "%s OBS can go on with one video track.", p->why);
        return status("warning", sentence);
    default:
        snprintf(sentence, sizeof sentence,
                 "%s This channel takes no stream without it.", p->why);
        return status("error", sentence);
    }
}

/* --- encoders ---------------------------------------------------------------
 */

/* Words of OBS's encoders, each with names of its own for the same things. */
static json_t *settings_of(const char *encoder, uint32_t kbps)
{
    json_t *s = json_pack("{s:s, s:i, s:i, s:i, s:s}", "rate_control", "CBR",
                          "bitrate", (int)kbps, "keyint_sec", KEYINT_S, "bf", 0,
                          "profile", "main");

    if (!strcmp(encoder, "obs_nvenc_h264_tex")) {
        json_object_set_new(s, "preset", json_string("p4"));
        json_object_set_new(s, "tune", json_string("ll"));
        json_object_set_new(s, "multipass", json_string("disabled"));
        json_object_set_new(s, "lookahead", json_false());
    } else if (!strcmp(encoder, "h264_texture_amf")) {
        json_object_set_new(s, "preset", json_string("balanced"));
    } else if (!strcmp(encoder, "obs_qsv11_v2")) {
        json_object_set_new(s, "target_usage", json_string("TU4"));
        json_object_set_new(s, "bframes", json_integer(0));
    } else {
        json_object_set_new(s, "preset", json_string("veryfast"));
        json_object_set_new(s, "tune", json_string("zerolatency"));
    }
    return s;
}

static json_t *encoders_of(const struct multitrack_plan *p)
{
    json_t *all = json_array();

    for (int i = 0; i < p->count; i++) {
        const struct multitrack_rung *r = &p->rungs[i];
        json_array_append_new(
            all,
            json_pack("{s:s, s:i, s:i, s:{s:i, s:i}, s:i, s:o}", "type",
                      p->encoder, "width", (int)r->width, "height",
                      (int)r->height, "framerate", "numerator", (int)r->fps_num,
                      "denominator", (int)r->fps_den, "canvas_index", 0,
                      "settings", settings_of(p->encoder, r->kbps)));
    }
    return all;
}

/* OBS takes its own AAC encoder, whatever is named; another number of channels
 * than its own makes it stop. */
static json_t *sound(const struct multitrack_plan *p, uint32_t channels, int id)
{
    return json_pack("[{s:s, s:i, s:i, s:{s:i}}]", "codec", "ffmpeg_aac",
                     "track_id", id, "channels", (int)channels, "settings",
                     "bitrate", (int)p->audio_kbps);
}

static json_t *sounds_of(const struct multitrack_plan *p,
                         const struct multitrack_request *q)
{
    json_t *all = json_object();

    if (p->count)
        json_object_set_new(all, "live", sound(p, q->audio_channels, 1));
    else
        json_object_set_new(all, "live", json_array());
    if (p->count && q->vod_audio)
        json_object_set_new(all, "vod", sound(p, q->audio_channels, 2));
    return all;
}

/* --- where to ---------------------------------------------------------------
 */

static void add_endpoint(json_t *all, const char *protocol, const char *scheme,
                         const char *host, int port)
{
    json_array_append_new(
        all, json_pack("{s:s, s:o}", "protocol", protocol, "url_template",
                       json_sprintf("%s://%s:%d/live/{stream_key}", scheme,
                                    host, port)));
}

/* OBS takes the first. */
static json_t *endpoints_of(const struct multitrack_conf *c)
{
    json_t *all = json_array();

    if (c->rtmps_port && c->rtmps_trusted)
        add_endpoint(all, "RTMPS", "rtmps", c->host, c->rtmps_port);
    if (c->rtmp_port) add_endpoint(all, "RTMP", "rtmp", c->host, c->rtmp_port);
    if (c->rtmps_port && !c->rtmps_trusted && !c->rtmp_port)
        add_endpoint(all, "RTMPS", "rtmps", c->host, c->rtmps_port);
    return all;
}

/* --- the whole --------------------------------------------------------------
 */

static char *finish(json_t *o)
{
    char *made = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);

    json_decref(o);
    return made;
}

static json_t *meta(const char *config_id)
{
    return json_pack("{s:s, s:s, s:s}", "service", "IVS", "schema_version",
                     "2025-01-25", "config_id", config_id);
}

char *multitrack_write(const struct multitrack_plan *plan,
                       const struct multitrack_request *q,
                       const struct multitrack_conf *conf)
{
    return finish(json_pack("{s:o, s:o, s:o, s:o, s:o}", "meta",
                            meta(conf->config_id), "status", status_of(plan),
                            "ingest_endpoints", endpoints_of(conf),
                            "encoder_configurations", encoders_of(plan),
                            "audio_configurations", sounds_of(plan, q)));
}

char *multitrack_write_error(const char *sentence)
{
    return finish(json_pack("{s:o, s:o, s:[], s:[], s:{s:[]}}", "meta",
                            meta(""), "status", status("error", sentence),
                            "ingest_endpoints", "encoder_configurations",
                            "audio_configurations", "live"));
}
