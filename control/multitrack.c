#include "control/multitrack.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/media/scale.h"

enum {
    VENDOR_NVIDIA = 0x10de,
    VENDOR_AMD = 0x1002,
    VENDOR_INTEL = 0x8086,
    SOFTWARE_CORES = 8,  /* fewer encode no ladder beside OBS itself */
    CORES_PER_TRACK = 4, /* of x264 at veryfast */
    LADDER_MIN = 2,      /* tracks */
    LADDER_GOOD = 3,     /* worth a lower top */
    SIDE_MAX = 4096,     /* of H.264 in hardware */
    LINES_1440 = 1440,
    LINES_2160 = 2160,
    AUDIO_KBPS = 160,
    SURROUND_KBPS = 320,
};

/* --- who encodes ------------------------------------------------------------
 */

struct maker {
    const char *id;
    unsigned bit;
    uint32_t vendor;
    int most; /* tracks at once, on common cards */
};

static const struct maker makers[] = {
    {"obs_nvenc_h264_tex", MULTITRACK_NVENC, VENDOR_NVIDIA, 5},
    {"h264_texture_amf", MULTITRACK_AMF, VENDOR_AMD, 4},
    {"obs_qsv11_v2", MULTITRACK_QSV, VENDOR_INTEL, 4},
};

/* A client that does not list its encoders has AMF on Windows only, and on a
 * Mac none of them. */
static bool is_there(const struct multitrack_request *q, const struct maker *m)
{
    bool mac = strstr(q->system, "mac") || strstr(q->system, "Darwin");

    if (q->lists_encoders) return q->encoders & m->bit;
    return !mac && (m->bit != MULTITRACK_AMF || !strstr(q->system, "Linux"));
}

static const struct maker *maker_of(const struct multitrack_request *q,
                                    uint32_t vendor)
{
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (makers[i].vendor == vendor && is_there(q, &makers[i]))
            return &makers[i];
    return NULL;
}

/* The card that draws the picture has it at hand; another has to be given it.
 */
static const struct maker *find_maker(const struct multitrack_request *q)
{
    const struct maker *m = NULL;

    if (q->composing < q->gpu_count)
        m = maker_of(q, q->gpus[q->composing].vendor);
    for (int i = 0; !m && i < q->gpu_count; i++)
        m = maker_of(q, q->gpus[i].vendor);
    return m;
}

/* Returns how many tracks it can encode; 0: none, with why. */
static int choose_encoder(struct multitrack_plan *out,
                          const struct multitrack_request *q)
{
    const struct maker *m = q->has_h264 ? find_maker(q) : NULL;

    if (m) {
        out->encoder = m->id;
        return m->most;
    }
    if (q->has_h264 && q->encoders & MULTITRACK_X264 &&
        q->cores >= SOFTWARE_CORES) {
        out->encoder = "obs_x264";
        int most = (int)(q->cores / CORES_PER_TRACK);
        return most < MULTITRACK_RUNGS_MAX ? most : MULTITRACK_RUNGS_MAX;
    }
    snprintf(out->why, sizeof out->why,
             "No hardware encoder for H.264 was found (graphics card: %.60s), "
             "and %u processor cores are too few to encode several pictures: "
             "%d are wanted.",
             q->gpu_count ? q->gpus[0].model : "none", q->cores,
             SOFTWARE_CORES);
    return 0;
}

/* --- what it encodes --------------------------------------------------------
 */

struct frame_of {
    uint32_t width, height, lines; /* what OBS means to send */
    uint32_t limit;                /* lines of its canvas */
    uint32_t fps;
};

static uint32_t rate_of(uint32_t lines, uint32_t fps)
{
    uint32_t kbps = scale_bps(lines, fps) / 1000;

    if (lines * 10 >= LINES_2160 * 9) return kbps / 5 * 16;
    return lines * 10 >= LINES_1440 * 9 ? kbps / 5 * 9 : kbps;
}

static struct multitrack_rung make_rung(const struct multitrack_request *q,
                                        const struct frame_of *f,
                                        uint32_t lines)
{
    struct multitrack_rung r = {
        .width = scale_side(f->width, lines, f->lines),
        .height = scale_side(f->height, lines, f->lines),
        .fps_num = q->fps_num,
    };
    uint32_t step = scale_step(lines, f->fps);

    if (r.width > f->width) r.width = f->width & ~1U;
    if (r.height > f->height) r.height = f->height & ~1U;
    r.fps_den = q->fps_den * step;
    r.kbps = rate_of(lines, f->fps / step);
    return r;
}

static bool is_allowed(const struct multitrack_rung *r,
                       const struct multitrack_conf *conf)
{
    return r->width <= SIDE_MAX && r->height <= SIDE_MAX &&
           (!conf->source_pixels ||
            (int64_t)r->width * r->height <= conf->source_pixels);
}

static void drop(struct multitrack_plan *p, int at)
{
    p->count--;
    for (int i = at; i < p->count; i++)
        p->rungs[i] = p->rungs[i + 1];
}

/* Keeps the first and the last, and what lies evenly between. The smallest
 * rung goes first: it is for those who could watch nothing else. */
static void thin_out(struct multitrack_plan *p, int most)
{
    const struct multitrack_rung *last = &p->rungs[p->count - 1];

    if (p->count <= most) return;
    if (p->count > LADDER_MIN && scale_lines(last->width, last->height) ==
                                     scale_rungs[SCALE_RUNGS - 1].lines)
        p->count--;
    if (p->count <= most) return;
    for (int i = 0; i < most; i++)
        p->rungs[i] = p->rungs[i * (p->count - 1) / (most - 1)];
    p->count = most;
}

static void make_rungs(struct multitrack_plan *p,
                       const struct multitrack_request *q,
                       const struct frame_of *f, uint32_t top, int most)
{
    struct multitrack_plan all = *p;
    struct multitrack_rung rungs[SCALE_RUNGS + 1];
    int count = 0;

    rungs[count++] = make_rung(q, f, top);
    for (int i = 0; i < SCALE_RUNGS; i++)
        if (scale_is_below(scale_rungs[i].lines, top))
            rungs[count++] = make_rung(q, f, scale_rungs[i].lines);
    /* Of one above 1080p the last is left out: five are plenty. */
    all.count = count > MULTITRACK_RUNGS_MAX ? MULTITRACK_RUNGS_MAX : count;
    memcpy(all.rungs, rungs, (size_t)all.count * sizeof *rungs);
    thin_out(&all, most);
    *p = all;
}

static uint32_t sum_of(const struct multitrack_plan *p)
{
    uint32_t sum = 0;

    for (int i = 0; i < p->count; i++)
        sum += p->rungs[i].kbps;
    return sum;
}

/* False: not even at three quarters of its rates. */
static bool fit(struct multitrack_plan *p, uint32_t budget, int least)
{
    if (p->count < least) return false;
    while (sum_of(p) / 4 * 3 > budget && p->count > least)
        drop(p, 1);
    uint32_t sum = sum_of(p);
    if (sum / 4 * 3 > budget) return false;
    for (int i = 0; sum > budget && i < p->count; i++)
        p->rungs[i].kbps =
            (uint32_t)((uint64_t)p->rungs[i].kbps * budget / sum);
    return true;
}

/* The next top below `lines`; 0: none. */
static uint32_t lower_top(uint32_t lines)
{
    static const uint32_t tops[] = {LINES_2160, LINES_1440, 1080,
                                    720,        480,        360};

    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
        if (tops[i] < lines) return tops[i];
    return 0;
}

/* Written only on success. */
static bool search(struct multitrack_plan *out,
                   const struct multitrack_request *q,
                   const struct multitrack_conf *conf, const struct frame_of *f,
                   int most, uint32_t budget, int least)
{
    struct multitrack_plan p = *out;

    for (uint32_t top = f->limit; top; top = lower_top(top)) {
        make_rungs(&p, q, f, top, most);
        if (!is_allowed(&p.rungs[0], conf) || !fit(&p, budget, least)) continue;
        *out = p;
        return true;
    }
    return false;
}

/* --- whether ----------------------------------------------------------------
 */

static uint32_t budget_of(const struct multitrack_plan *p,
                          const struct multitrack_request *q,
                          const struct multitrack_conf *conf)
{
    int64_t most = conf->source_kbps ? conf->source_kbps / 10 * 9 : INT32_MAX;
    uint32_t audio = p->audio_kbps * (q->vod_audio ? 2 : 1);

    if (q->kbps && q->kbps < most) most = q->kbps;
    return most > audio ? (uint32_t)(most - audio) : 0;
}

static struct frame_of frame_of(const struct multitrack_request *q)
{
    uint32_t canvas = scale_lines(q->canvas_width, q->canvas_height);
    struct frame_of f = {
        .width = q->width,
        .height = q->height,
        .lines = scale_lines(q->width, q->height),
        .fps = (uint32_t)(((uint64_t)q->fps_num + q->fps_den / 2) / q->fps_den),
    };

    f.limit = (f.lines < canvas ? f.lines : canvas) & ~1U;
    return f;
}

static bool find_ladder(struct multitrack_plan *out,
                        const struct multitrack_request *q,
                        const struct multitrack_conf *conf)
{
    struct frame_of f = frame_of(q);
    int most = choose_encoder(out, q);
    uint32_t budget = budget_of(out, q, conf);

    if (!most) return false;
    if (q->tracks && q->tracks < (uint32_t)most) most = (int)q->tracks;
    if (most < LADDER_MIN) {
        snprintf(out->why, sizeof out->why,
                 "Only %d video track is allowed (Maximum Video Tracks in "
                 "OBS): %d are wanted.",
                 most, LADDER_MIN);
        return false;
    }
    if (search(out, q, conf, &f, most, budget, LADDER_GOOD) ||
        search(out, q, conf, &f, most, budget, LADDER_MIN))
        return true;
    snprintf(out->why, sizeof out->why,
             "A picture of %ux%u leaves no room for smaller ones, or %u kbit/s "
             "for all video tracks (Maximum Streaming Bandwidth in OBS, "
             "limits.source_kbps here) are too few.",
             q->width, q->height, budget);
    return false;
}

void multitrack_plan(struct multitrack_plan *out,
                     const struct multitrack_request *q,
                     const struct multitrack_conf *conf)
{
    *out = (struct multitrack_plan){
        .outcome = MULTITRACK_LADDER,
        .audio_kbps = q->audio_channels > 2 ? SURROUND_KBPS : AUDIO_KBPS};
    if (!strcmp(conf->policy, "OFF"))
        snprintf(out->why, sizeof out->why,
                 "Multitrack Video is off for this channel.");
    else if (!conf->rtmp_port && !conf->rtmps_port)
        snprintf(out->why, sizeof out->why,
                 "This server takes no RTMP (rtmp.listen, rtmps.listen).");
    else if (q->is_old)
        snprintf(out->why, sizeof out->why,
                 "This version of OBS Studio (%.60s) is too old for "
                 "Multitrack Video here: it takes 31.1 or later.",
                 q->client);
    else if (find_ladder(out, q, conf))
        return;
    out->outcome = strcmp(conf->policy, "REQUIRE") ? MULTITRACK_SINGLE
                                                   : MULTITRACK_REFUSED;
    out->encoder = NULL;
    out->count = 0;
}

/* --- addresses --------------------------------------------------------------
 */

int multitrack_host(char out[MULTITRACK_HOST_MAX + 1], const char *header)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    size_t n;

    if (*header == '[') {
        n = 1 + strspn(header + 1, "0123456789abcdefABCDEF:.");
        if (n < 3 || header[n] != ']') return ERR_SYNTAX;
        n++;
    } else {
        n = strspn(header, name);
    }
    if (!n || n > MULTITRACK_HOST_MAX) return ERR_SYNTAX;
    if (header[n] && (header[n] != ':' ||
                      header[n + 1 + strspn(header + n + 1, "0123456789")]))
        return ERR_SYNTAX;
    memcpy(out, header, n);
    out[n] = '\0';
    return 0;
}
