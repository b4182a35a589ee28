#include "ingest/health_priv.h"

#include <stdio.h>

#define NONE INT64_MIN

enum {
    JUMP_US = 10000000,    /* a step of dts past it is a new clock */
    LATE_US = 500000,      /* behind the quickest frame */
    DRIFT_US = 200,        /* a second: clocks differ by 200 ppm at most */
    MISSING_US = 10000000, /* without a frame of a kind: it is missing */
    STANDS_US = 2000000,   /* still for so long costs few bits */
};

void health_init(struct health *h, int64_t now)
{
    *h = (struct health){.began_at = now,
                         .ticked_at = now,
                         .video_slot = -1,
                         .last_at = {now, now},
                         .dts_us = NONE,
                         .pts_us = NONE,
                         .key_dts_us = NONE,
                         .quickest_us = NONE};
}

void health_track(struct health *h, int slot, const struct track_info *info)
{
    struct health_figures *f = &h->figures;

    if (info->kind == TRACK_AUDIO) {
        f->audio = info->codec;
        f->sample_rate = info->sample_rate;
        f->channels = info->channels;
        return;
    }
    if (h->video_slot >= 0 && h->video_slot != slot) return;
    h->video_slot = slot;
    f->video = info->codec;
    f->width = info->width;
    f->height = info->height;
    f->announced_fps =
        info->fps_den ? (double)info->fps_num / info->fps_den : 0;
    h->typical_us = 0;
}

/* What is not there is not told; the other's warning comes by itself. */
void health_track_gone(struct health *h, int slot, enum track_kind kind)
{
    struct health_figures *f = &h->figures;

    if (kind == TRACK_AUDIO) {
        f->audio = CODEC_NONE;
        f->sample_rate = f->channels = 0;
    } else if (slot == h->video_slot) {
        h->video_slot = -1;
        f->video = CODEC_NONE;
        f->width = f->height = 0;
        f->announced_fps = 0;
    }
}

/* --- frames --------------------------------------------------------------- */

/* A step that is much wider than usual has frames missing. The usual one is
 * found as a median is: a little up for each wider step, down for others. */
static void note_step(struct health *h, int64_t step)
{
    int64_t little = h->typical_us / 32;

    if (!h->typical_us)
        h->typical_us = step;
    else if (step > h->typical_us + little)
        h->typical_us += little;
    else if (step < h->typical_us - little)
        h->typical_us -= little;
    if (step <= h->typical_us * 8 / 5) return;
    int64_t missing = (step + h->typical_us / 2) / h->typical_us - 1;
    h->now.missing += (int)missing;
    h->figures.missing += (uint64_t)missing;
}

static void note_arrival(struct health *h, const struct health_frame *f)
{
    int64_t lag = f->arrived_at - f->dts_us;

    if (h->now.frames == 1 || lag < h->now.quickest_us)
        h->now.quickest_us = lag;
    if (h->now.frames == 1 || lag > h->now.slowest_us) h->now.slowest_us = lag;
    if (h->quickest_us == NONE || lag < h->quickest_us) h->quickest_us = lag;
    if (lag - h->quickest_us > LATE_US) h->figures.late++;
}

static void restart_clock(struct health *h)
{
    h->dts_us = h->pts_us = h->key_dts_us = h->quickest_us = NONE;
    h->keyframe_us = 0;
    h->bucket_count = h->bucket_at = 0; /* lags of two clocks do not compare */
    h->now = (struct health_bucket){.frames = 1, .us = h->now.us};
}

static void note_video(struct health *h, const struct health_frame *f)
{
    int64_t step = h->dts_us == NONE ? 0 : f->dts_us - h->dts_us;

    if (step < 0 || step > JUMP_US) {
        restart_clock(h);
        step = 0;
    }
    note_arrival(h, f);
    /* A source that promises no rate may give frames as it likes. */
    if (step > 0 && h->figures.announced_fps > 0) note_step(h, step);
    h->dts_us = f->dts_us;
    if (h->pts_us != NONE && f->pts_us < h->pts_us) h->now.reordered++;
    if (h->pts_us == NONE || f->pts_us > h->pts_us) h->pts_us = f->pts_us;
    if (!f->key) return;
    if (h->key_dts_us != NONE) h->keyframe_us = f->dts_us - h->key_dts_us;
    h->key_dts_us = f->dts_us;
}

void health_frame(struct health *h, const struct health_frame *f)
{
    if (f->kind == TRACK_AUDIO) {
        h->now.audio_bytes += (int64_t)f->bytes;
        h->last_at[TRACK_AUDIO] = f->arrived_at;
    } else if (f->kind == TRACK_VIDEO && f->slot == h->video_slot) {
        h->now.video_bytes += (int64_t)f->bytes;
        h->now.frames++;
        h->last_at[TRACK_VIDEO] = f->arrived_at;
        note_video(h, f);
    }
}

void health_line(struct health *h, const struct health_line *l)
{
    struct health_line *was = &h->figures.line;
    double lost_share = was->lost_share, late_share = was->late_share;

    h->now.packets += l->packets - was->packets;
    h->now.lost += l->lost - was->lost;
    h->now.late += l->late - was->late;
    *was = *l;
    was->known = true;
    was->lost_share = lost_share;
    was->late_share = late_share;
}

/* --- once a second -------------------------------------------------------- */

static struct health_bucket sum_up(const struct health *h)
{
    struct health_bucket sum = {0};

    for (int i = 0; i < h->bucket_count; i++) {
        const struct health_bucket *b = &h->buckets[i];
        sum.us += b->us;
        sum.video_bytes += b->video_bytes;
        sum.audio_bytes += b->audio_bytes;
        sum.frames += b->frames;
        sum.missing += b->missing;
        sum.reordered += b->reordered;
        sum.packets += b->packets;
        sum.lost += b->lost;
        sum.late += b->late;
    }
    return sum;
}

static double jitter_us(const struct health *h)
{
    int64_t quickest = INT64_MAX, sum = 0;
    int count = 0;

    for (int i = 0; i < h->bucket_count; i++)
        if (h->buckets[i].frames && h->buckets[i].quickest_us < quickest)
            quickest = h->buckets[i].quickest_us;
    for (int i = 0; i < h->bucket_count; i++) {
        if (!h->buckets[i].frames) continue;
        sum += h->buckets[i].slowest_us - quickest;
        count++;
    }
    return count ? (double)sum / count : 0;
}

static double share(uint64_t part, uint64_t whole)
{
    return part ? (double)part / (double)whole : 0;
}

static void measure(struct health *h, const struct health_bucket *sum,
                    int64_t now)
{
    struct health_figures *f = &h->figures;
    double s = (double)sum->us / 1e6;
    int64_t since = h->key_dts_us == NONE ? 0 : h->dts_us - h->key_dts_us;

    f->uptime_us = now - h->began_at;
    f->video_bps = 8 * (double)sum->video_bytes / s;
    f->audio_bps = 8 * (double)sum->audio_bytes / s;
    f->fps = sum->frames / s;
    f->keyframe_s =
        (double)(since > h->keyframe_us ? since : h->keyframe_us) / 1e6;
    f->jitter_s = jitter_us(h) / 1e6;
    f->b_frames = sum->reordered > 0;
    uint64_t sent = sum->packets + sum->late;
    f->line.lost_share = share(sum->lost, sent > sum->lost ? sent : sum->lost);
    f->line.late_share = share(sum->late, sent);
}

/* A lost packet is asked for again after half a round trip and more, and that
 * may get lost, too: three round trips are the least that mends. */
static unsigned judge_line(const struct health_line *l)
{
    unsigned bits = 0;

    if (!l->known) return 0;
    if (l->late_share > 0.002) bits |= 1u << HEALTH_LATE_PACKETS;
    if (l->latency_s < 3 * l->rtt_s) bits |= 1u << HEALTH_LATENCY;
    if (l->lost_share > 0.05) bits |= 1u << HEALTH_LOSS;
    return bits;
}

/* What holds now, whether it was said or not. */
static unsigned judge(const struct health *h, const struct health_bucket *sum,
                      int64_t now)
{
    const struct health_figures *f = &h->figures;
    bool sees = now - h->last_at[TRACK_VIDEO] < MISSING_US;
    bool hears = now - h->last_at[TRACK_AUDIO] < MISSING_US;
    bool whole = h->bucket_count == HEALTH_SECONDS;
    double pixels = (double)f->width * f->height;
    unsigned bits = judge_line(&f->line) | health_content_judge(&h->content);

    if (!sees && hears) bits |= 1u << HEALTH_NO_VIDEO;
    if (!hears && sees) bits |= 1u << HEALTH_NO_AUDIO;
    if (!sum->frames) return bits;
    if (f->keyframe_s > 3) bits |= 1u << HEALTH_KEYFRAMES;
    if (f->b_frames) bits |= 1u << HEALTH_B_FRAMES;
    if (f->jitter_s > 0.3) bits |= 1u << HEALTH_UNEVEN;
    if (!whole) return bits;
    if (f->announced_fps > 0 && f->fps < 0.85 * f->announced_fps)
        bits |= 1u << HEALTH_FRAME_RATE;
    if (sum->missing * 50 > sum->frames) bits |= 1u << HEALTH_MISSING_FRAMES;
    if (pixels >= 640 * 360 && f->video_bps < 100e3 &&
        h->content.still_us < STANDS_US)
        bits |= 1u << HEALTH_BITRATE_LOW;
    if (f->video_bps > 8e6 && f->video_bps > 0.25 * pixels * f->fps)
        bits |= 1u << HEALTH_BITRATE_HIGH;
    return bits;
}

/* What counted its own seconds does not flap: it is told, and over, at once. */
static int ticks_to_turn(enum health_warning w, bool said)
{
    if (w == HEALTH_SILENT || w == HEALTH_BLACK || w == HEALTH_FROZEN) return 1;
    return said ? HEALTH_ENDS : HEALTH_BEGINS;
}

void health_tick(struct health *h, int64_t now, unsigned *began,
                 unsigned *ended)
{
    struct health_bucket sum;
    unsigned holds, was = h->figures.warnings;

    *began = *ended = 0;
    if (now <= h->ticked_at) return;
    h->now.us = now - h->ticked_at;
    h->ticked_at = now;
    h->buckets[h->bucket_at] = h->now;
    h->now = (struct health_bucket){0};
    h->bucket_at = (h->bucket_at + 1) % HEALTH_SECONDS;
    if (h->bucket_count < HEALTH_SECONDS) h->bucket_count++;
    if (h->quickest_us != NONE) h->quickest_us += DRIFT_US;
    sum = sum_up(h);
    measure(h, &sum, now);
    health_content_forget(h, now);
    holds = judge(h, &sum, now);
    for (int i = 0; i < HEALTH_WARNINGS; i++) {
        bool said = was >> i & 1, is = holds >> i & 1;
        h->held[i] = said == is ? 0 : (int8_t)(h->held[i] + 1);
        if (h->held[i] < ticks_to_turn(i, said)) continue;
        h->held[i] = 0;
        *(said ? ended : began) |= 1u << i;
    }
    h->figures.warnings = (was | *began) & ~*ended;
}

/* --- words ---------------------------------------------------------------- */

const char *health_name(enum health_warning w)
{
    static const char *const names[HEALTH_WARNINGS] = {
        "keyframes", "b_frames",     "frame_rate",   "missing_frames",
        "uneven",    "bitrate_low",  "bitrate_high", "no_audio",
        "no_video",  "late_packets", "latency",      "loss",
        "silent",    "clipping",     "black",        "frozen",
    };

    return names[w];
}

/* Four round trips, in tens of ms. */
static double fitting_ms(const struct health_line *l)
{
    return 10 * (double)(int64_t)(l->rtt_s * 400 + 0.999);
}

/* More latency is no cure for who has it: then the line is too full. */
static void late_text(const struct health_line *l, char out[HEALTH_TEXT_SIZE])
{
    double share = l->late_share * 100;

    if (l->latency_s < 4 * l->rtt_s)
        snprintf(out, HEALTH_TEXT_SIZE,
                 "%.1f %% of packets arrive too late: raise the latency of "
                 "%.0f ms to 4 × RTT = %.0f ms in the SRT URL",
                 share, l->latency_s * 1000, fitting_ms(l));
    else
        snprintf(out, HEALTH_TEXT_SIZE,
                 "%.1f %% of packets arrive too late, with a latency of %.0f "
                 "ms: the line is too full: lower the bitrate or use a cable",
                 share, l->latency_s * 1000);
}

void health_text(const struct health_figures *f, enum health_warning w,
                 char out[HEALTH_TEXT_SIZE])
{
#define SAY(...) snprintf(out, HEALTH_TEXT_SIZE, __VA_ARGS__)
    *out = '\0';
    switch (w) {
    case HEALTH_KEYFRAMES:
        SAY("keyframe interval is %.1f s: set it to 2 s in OBS → Output",
            f->keyframe_s);
        break;
    case HEALTH_B_FRAMES:
        SAY("the encoder sends B-frames, which real-time viewers cannot be "
            "shown as they are: set B-frames to 0 in OBS → Output");
        break;
    case HEALTH_FRAME_RATE:
        SAY("%.1f frames a second arrive of %.1f announced: choose a faster "
            "encoder preset, a smaller picture or a lower frame rate",
            f->fps, f->announced_fps);
        break;
    case HEALTH_MISSING_FRAMES:
        SAY("frames are missing: the line or the encoder drops them: lower "
            "the bitrate, use a cable, or publish over SRT");
        break;
    case HEALTH_UNEVEN:
        SAY("frames arrive unevenly (%.0f ms): the line is too full: lower "
            "the bitrate or use a cable",
            f->jitter_s * 1000);
        break;
    case HEALTH_BITRATE_LOW:
        SAY("video is %.0f kbit/s for %ux%u: set 2500 to 6000 kbit/s in OBS → "
            "Output",
            f->video_bps / 1000, f->width, f->height);
        break;
    case HEALTH_BITRATE_HIGH:
        SAY("video is %.1f Mbit/s: 2.5 to 6 are enough for a lecture, and "
            "reach more viewers untouched",
            f->video_bps / 1e6);
        break;
    case HEALTH_NO_AUDIO:
        SAY("no sound for 10 s: add a microphone, or unmute it, in OBS → "
            "Audio Mixer");
        break;
    case HEALTH_NO_VIDEO:
        SAY("no picture for 10 s: check the scene's sources in OBS");
        break;
    case HEALTH_LATE_PACKETS: late_text(&f->line, out); break;
    case HEALTH_LATENCY:
        SAY("the SRT latency of %.0f ms is too short for a round trip of %.0f "
            "ms: set 4 × RTT = %.0f ms in the SRT URL",
            f->line.latency_s * 1000, f->line.rtt_s * 1000,
            fitting_ms(&f->line));
        break;
    case HEALTH_LOSS:
        SAY("the line loses %.0f %% of packets (SRT sends them again): lower "
            "the bitrate or use a cable",
            f->line.lost_share * 100);
        break;
    case HEALTH_SILENT:
        SAY("no sound for %.0f s: is the microphone muted in OBS → Audio "
            "Mixer?",
            f->silent_s);
        break;
    case HEALTH_CLIPPING:
        SAY("the sound is too loud and distorts: pull the fader down in OBS → "
            "Audio Mixer, until its peaks stay yellow");
        break;
    case HEALTH_BLACK:
        SAY("the picture is black for %.0f s: is the camera covered, or the "
            "scene's source hidden in OBS → Sources?",
            f->black_s);
        break;
    case HEALTH_FROZEN:
        SAY("the picture stands still for %.0f s, after it moved all the "
            "time: does the camera or the capture hang? Restart it",
            f->still_s);
        break;
    case HEALTH_WARNINGS: break;
    }
#undef SAY
}
