#include "control/multitrack_request.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

static const char known_schema[] = "2025-01-25";

/* The first error stands; what is read after it is of no matter. */
struct reading {
    char *why;
    int err;
};

__attribute__((format(printf, 3, 4))) static void complain(struct reading *r,
                                                           int err,
                                                           const char *format,
                                                           ...)
{
    va_list args;

    if (r->err) return;
    r->err = err;
    va_start(args, format);
    vsnprintf(r->why, MULTITRACK_WHY_SIZE, format, args);
    va_end(args);
}

/* --- fields ----------------------------------------------------------------
 */

/* The last word of a path is the key; NULL where it is absent or null. */
static json_t *field(const json_t *in, const char *path)
{
    const char *dot = strrchr(path, '.');
    json_t *v = json_object_get(in, dot ? dot + 1 : path);

    return json_is_null(v) ? NULL : v;
}

static json_t *object(struct reading *r, const json_t *in, const char *path)
{
    json_t *v = field(in, path);

    if (!json_is_object(v))
        complain(r, ERR_SYNTAX, "%s: must be an object", path);
    return v;
}

/* Cut to what fits: for people. */
static void text(struct reading *r, char out[MULTITRACK_TEXT_SIZE],
                 const json_t *in, const char *path)
{
    const json_t *v = field(in, path);

    if (v && !json_is_string(v))
        complain(r, ERR_SYNTAX, "%s: must be a string", path);
    else if (v)
        snprintf(out, MULTITRACK_TEXT_SIZE, "%s", json_string_value(v));
}

static uint32_t number(struct reading *r, const json_t *in, const char *path,
                       uint32_t least, uint32_t most, int64_t unless)
{
    const json_t *v = field(in, path);
    json_int_t n = v ? json_integer_value(v) : unless;

    if ((v && !json_is_integer(v)) || n < least || n > most) {
        complain(r, ERR_RANGE, "%s: must be a whole number from %u to %u", path,
                 least, most);
        return least;
    }
    return (uint32_t)n;
}

/* NULL where it is absent; else at most so many. */
static json_t *array(struct reading *r, const json_t *in, const char *path,
                     size_t most)
{
    json_t *v = field(in, path);

    if (v && !json_is_array(v))
        complain(r, ERR_SYNTAX, "%s: must be an array", path);
    else if (json_array_size(v) > most)
        complain(r, ERR_LIMIT, "%s: more than %zu", path, most);
    return r->err ? NULL : v;
}

/* --- parts -----------------------------------------------------------------
 */

/* "2025-01-25": later ones are taken for supersets of what we know. */
static bool is_schema(const char *v)
{
    static const char form[] = "0000-00-00";

    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == '0' ? v[i] < '0' || v[i] > '9' : v[i] != form[i])
            return false;
    return true;
}

static void read_schema(struct reading *r, struct multitrack_request *q,
                        const json_t *in)
{
    const char *v = json_string_value(field(in, "schema_version"));

    if (!v || !is_schema(v))
        complain(r, ERR_SYNTAX,
                 "schema_version: must be a date such as 2025-01-25");
    else
        q->is_old = strcmp(v, known_schema) < 0;
}

static void read_key(struct reading *r, struct multitrack_request *q,
                     const json_t *in)
{
    const char *v = json_string_value(field(in, "authentication"));
    size_t n = v ? strcspn(v, "?") : 0;

    if (!n || n > MULTITRACK_KEY_MAX) {
        complain(r, ERR_RANGE,
                 "authentication: must be the stream key, 1 to %d characters",
                 MULTITRACK_KEY_MAX);
        return;
    }
    memcpy(q->key, v, n);
    q->key[n] = '\0';
}

static unsigned encoder_bit(const char *id)
{
    if (!id) return 0;
    if (!strcmp(id, "obs_nvenc_h264_tex")) return MULTITRACK_NVENC;
    if (!strcmp(id, "h264_texture_amf")) return MULTITRACK_AMF;
    if (!strcmp(id, "obs_qsv11_v2")) return MULTITRACK_QSV;
    return strcmp(id, "obs_x264") ? 0 : MULTITRACK_X264;
}

static void read_encoders(struct reading *r, struct multitrack_request *q,
                          const json_t *client)
{
    json_t *codecs =
        array(r, client, "client.supported_codecs", MULTITRACK_ENCODERS_MAX);
    json_t *ids =
        array(r, client, "client.supported_encoders", MULTITRACK_ENCODERS_MAX);

    q->has_h264 = !codecs;
    for (size_t i = 0; i < json_array_size(codecs); i++) {
        const char *codec = json_string_value(json_array_get(codecs, i));
        q->has_h264 |= codec && !strcmp(codec, "h264");
    }
    q->lists_encoders = ids != NULL;
    q->encoders = ids ? 0 : ~0U;
    for (size_t i = 0; i < json_array_size(ids); i++)
        q->encoders |= encoder_bit(json_string_value(json_array_get(ids, i)));
}

static void read_client(struct reading *r, struct multitrack_request *q,
                        const json_t *in)
{
    json_t *client = object(r, in, "client");
    char name[MULTITRACK_TEXT_SIZE] = "", version[MULTITRACK_TEXT_SIZE] = "";

    text(r, name, client, "client.name");
    text(r, version, client, "client.version");
    snprintf(q->client, sizeof q->client, "%.48s%s%.40s", name,
             *version ? " " : "", version);
    read_encoders(r, q, client);
}

static void read_machine(struct reading *r, struct multitrack_request *q,
                         const json_t *in)
{
    json_t *machine = object(r, in, "capabilities");
    json_t *cpu = object(r, machine, "capabilities.cpu");

    q->cores = number(r, cpu, "capabilities.cpu.physical_cores", 0, 4096, 0);
    text(r, q->system, field(machine, "capabilities.system"),
         "capabilities.system.name");
    json_t *gpus = array(r, machine, "capabilities.gpu", MULTITRACK_GPUS_MAX);
    for (size_t i = 0; i < json_array_size(gpus); i++) {
        const json_t *v = json_array_get(gpus, i);
        struct multitrack_gpu *g = &q->gpus[q->gpu_count++];
        g->vendor =
            number(r, v, "capabilities.gpu.vendor_id", 0, UINT32_MAX, 0);
        text(r, g->model, v, "capabilities.gpu.model");
    }
}

static void read_canvas(struct reading *r, struct multitrack_request *q,
                        const json_t *in)
{
#define CANVAS "preferences.canvases[0]."
    q->width = number(r, in, CANVAS "width", 16, MULTITRACK_SIDE_MAX, 0);
    q->height = number(r, in, CANVAS "height", 16, MULTITRACK_SIDE_MAX, 0);
    q->canvas_width =
        number(r, in, CANVAS "canvas_width", 16, MULTITRACK_SIDE_MAX, q->width);
    q->canvas_height = number(r, in, CANVAS "canvas_height", 16,
                              MULTITRACK_SIDE_MAX, q->height);
    json_t *rate = object(r, in, CANVAS "framerate");
    q->fps_num =
        number(r, rate, CANVAS "framerate.numerator", 1, 1000000000, 0);
    q->fps_den = number(r, rate, CANVAS "framerate.denominator", 1, 1000000, 0);
    uint64_t most = (uint64_t)q->fps_den * MULTITRACK_FPS_MAX;
    if (q->fps_num < q->fps_den || q->fps_num > most)
        complain(r, ERR_RANGE, "%s: must be from 1 to %d frames a second",
                 CANVAS "framerate", MULTITRACK_FPS_MAX);
}

static void read_preferences(struct reading *r, struct multitrack_request *q,
                             const json_t *in)
{
    json_t *p = object(r, in, "preferences");
    json_t *canvases =
        array(r, p, "preferences.canvases", MULTITRACK_CANVASES_MAX);

    if (!json_array_size(canvases))
        complain(r, ERR_SYNTAX, "preferences.canvases: must be 1 to %d",
                 MULTITRACK_CANVASES_MAX);
    read_canvas(r, q, json_array_get(canvases, 0));
    q->kbps = number(r, p, "preferences.maximum_aggregate_bitrate", 0,
                     MULTITRACK_KBPS_MAX, 0);
    q->tracks = number(r, p, "preferences.maximum_video_tracks", 0, 1000, 0);
    q->audio_channels = number(r, p, "preferences.audio_channels", 1, 8, 2);
    q->composing =
        (int)number(r, p, "preferences.composition_gpu_index", 0, 1000, 0);
    q->vod_audio = json_is_true(field(p, "preferences.vod_track_audio"));
}

/* --- the whole -------------------------------------------------------------
 */

/* Before a parser that calls itself sees it. */
static bool is_too_deep(const char *body, size_t len)
{
    int depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (quoted && body[i] == '\\')
            i++;
        else if (body[i] == '"')
            quoted = !quoted;
        else if (!quoted && (body[i] == '{' || body[i] == '['))
            depth++;
        else if (!quoted && (body[i] == '}' || body[i] == ']'))
            depth--;
        if (depth > MULTITRACK_DEPTH_MAX) return true;
    }
    return false;
}

static void read_all(struct reading *r, struct multitrack_request *q,
                     const json_t *in)
{
    if (!json_is_object(in)) {
        complain(r, ERR_SYNTAX, "the body: must be a JSON object");
        return;
    }
    read_key(r, q, in);
    read_schema(r, q, in);
    if (r->err) return;
    read_client(r, q, in);
    if (q->is_old) return;
    read_machine(r, q, in);
    read_preferences(r, q, in);
}

int multitrack_read(struct multitrack_request *out, const char *body,
                    size_t len, char why[MULTITRACK_WHY_SIZE])
{
    struct multitrack_request q = {0};
    struct reading r = {.why = why};
    json_error_t at;
    json_t *in;

    memset(out, 0, sizeof *out);
    if (len > MULTITRACK_BODY_MAX)
        complain(&r, ERR_LIMIT, "the body: more than %d bytes",
                 MULTITRACK_BODY_MAX);
    else if (is_too_deep(body, len))
        complain(&r, ERR_LIMIT, "the body: nested more than %d deep",
                 MULTITRACK_DEPTH_MAX);
    if (r.err) return r.err;
    in = json_loadb(body, len, JSON_REJECT_DUPLICATES, &at);
    if (in)
        read_all(&r, &q, in);
    else /* not at.text: it quotes the body, which holds a key */
        complain(&r, ERR_SYNTAX, "the body: malformed JSON at line %d, %d",
                 at.line, at.column);
    json_decref(in);
    if (!r.err) *out = q;
    return r.err;
}
