#include "transcode/worker/probe.h"

#include <libavutil/hwcontext.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transcode/worker/decoder.h"
#include "transcode/worker/encoder.h"

enum {
    PICTURES = 5,
    WIDTH = 256,
    HEIGHT = 144,
    TIME_BOX_S = 10, /* a cold GPU driver takes seconds to wake */
};

struct clip {
    struct slice config;
    struct encoded units[PICTURES];
    int count;
};

static AVFrame *picture(int i)
{
    AVFrame *f = av_frame_alloc();

    if (!f) return NULL;
    f->format = AV_PIX_FMT_NV12;
    f->width = WIDTH;
    f->height = HEIGHT;
    if (av_frame_get_buffer(f, 0) < 0) {
        av_frame_free(&f);
        return NULL;
    }
    for (int y = 0; y < HEIGHT; y++)
        memset(f->data[0] + y * f->linesize[0], (y * 3 + i * 16) & 0xff, WIDTH);
    for (int y = 0; y < HEIGHT / 2; y++)
        memset(f->data[1] + y * f->linesize[1], 128, WIDTH);
    f->pts = i * 3000;
    return f;
}

/* Encodes the clip; true: every picture came out at once (no delay). */
static bool encode(const char *name, struct clip *out)
{
    struct encoder_conf conf = {.hardware = true, .only = name};
    struct encoder *e = NULL;
    AVFrame *f = picture(0);
    bool at_once = true;

    *out = (struct clip){0};
    conf.info.width = WIDTH;
    conf.info.height = HEIGHT;
    conf.info.fps_num = 30;
    conf.info.fps_den = 1;
    conf.info.bitrate_bps = 500000;
    conf.like = f;
    if (!f || encoder_open(&e, &conf)) {
        av_frame_free(&f);
        return false;
    }
    for (int i = 0; i < PICTURES && f; i++) {
        if (encoder_send(e, f, i == 0)) break;
        while (out->count < PICTURES &&
               !encoder_receive(e, &out->units[out->count]))
            out->count++;
        at_once &= out->count >= i;
        av_frame_free(&f);
        f = picture(i + 1);
    }
    av_frame_free(&f);
    if (encoder_config(e, &out->config)) at_once = false;
    encoder_free(&e);
    return at_once && out->count == PICTURES;
}

static void count_picture(AVFrame *f, void *arg)
{
    (void)f;
    ++*(int *)arg;
}

/* wanted: "software" or the device that must have been used. */
static bool decode(const char *wanted)
{
    struct track_info info = {.id = 1,
                              .kind = TRACK_VIDEO,
                              .codec = CODEC_H264,
                              .timescale = VIDEO_TIMESCALE};
    struct track *t = NULL;
    struct decoder *d = NULL;
    struct clip clip;
    int count = 0;

    if (!encode("libx264", &clip) || track_create(&t, &info, clip.config))
        return false;
    if (decoder_open(&d, t, strcmp(wanted, "software") != 0, count_picture,
                     &count))
        return false;
    for (int i = 0; i < clip.count; i++) {
        struct frame f = {.pts = clip.units[i].pts, .dts = clip.units[i].dts};
        if (clip.units[i].key) f.flags = FRAME_KEY;
        decoder_feed(d, &f, &clip.units[i].payload);
    }
    decoder_drain(d);
    return count == PICTURES && !strcmp(decoder_device(d), wanted);
}

static bool works_in_a_child(const char *encoder, const char *device)
{
    struct clip clip;
    int status;
    pid_t pid = fork();

    if (pid < 0) return false;
    if (!pid) {
        alarm(TIME_BOX_S);
        bool ok = encoder ? encode(encoder, &clip) : decode(device);
        _exit(ok ? 0 : 1);
    }
    if (waitpid(pid, &status, 0) != pid) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void probe_print(FILE *out)
{
    static const char *const devices[] = {"cuda", "vaapi", "qsv", "software"};

    fputs("{\"encoders\":[", out);
    fflush(out); /* or each child would print it again */
    for (int i = 0; encoder_names[i]; i++) {
        bool works = works_in_a_child(encoder_names[i], NULL);
        fprintf(out, "%s{\"name\":\"%s\",\"works\":%s}", i ? "," : "",
                encoder_names[i], works ? "true" : "false");
        fflush(out);
    }
    fputs("],\"decoders\":[", out);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        fflush(out);
        bool works = works_in_a_child(NULL, devices[i]);
        fprintf(out, "%s{\"name\":\"h264\",\"device\":\"%s\",\"works\":%s}",
                i ? "," : "", devices[i], works ? "true" : "false");
    }
    fputs("]}\n", out);
}
