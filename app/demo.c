#include "app/demo.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"

enum { RETRY_US = 2000000 };

/* A lecture stands in for a slide with a moving hand: a test picture, a clock
 * that shows how late one watches, a soft tone. */
#define PICTURE                                                                \
    "testsrc2=size=1280x720:rate=30,"                                          \
    "drawbox=x=0:y=600:w=1280:h=120:color=black@0.7:t=fill,"                   \
    "drawtext=text='Lectern demo lecture  %{localtime\\:%T}':"                 \
    "x=40:y=632:fontsize=56:fontcolor=white"
#define SOUND "sine=frequency=330:sample_rate=48000,volume=0.05"

struct demo {
    struct demo_conf conf;
    char *url;
    struct timer retry;
    uv_process_t *child; /* NULL when none runs */
    bool closing;
};

static void on_closed(uv_handle_t *h)
{
    free(h);
}

static void on_exit_of_child(uv_process_t *child, int64_t status, int signal)
{
    struct demo *d = child->data;

    (void)status;
    (void)signal;
    uv_close((uv_handle_t *)child, on_closed);
    if (!d) return; /* freed meanwhile */
    d->child = NULL;
    timer_set(&d->retry, loop_now(d->conf.loop) + RETRY_US);
}

static void start(void *arg)
{
    struct demo *d = arg;
    char *args[] = {"ffmpeg",  "-nostdin",    "-loglevel",
                    "fatal",   "-re",         "-f",
                    "lavfi",   "-i",          PICTURE,
                    "-re",     "-f",          "lavfi",
                    "-i",      SOUND,         "-c:v",
                    "libx264", "-preset",     "ultrafast",
                    "-tune",   "zerolatency", "-profile:v",
                    "main",    "-pix_fmt",    "yuv420p",
                    "-b:v",    "2500k",       "-maxrate",
                    "2500k",   "-bufsize",    "2500k",
                    "-g",      "60",          "-sc_threshold",
                    "0",       "-c:a",        "aac",
                    "-b:a",    "96k",         "-ac",
                    "2",       "-f",          "flv",
                    d->url,    NULL};
    uv_process_options_t options = {
        .file = args[0], .args = args, .exit_cb = on_exit_of_child};

    if (d->conf.is_busy(d->conf.arg)) {
        timer_set(&d->retry, loop_now(d->conf.loop) + RETRY_US);
        return;
    }
    d->child = calloc(1, sizeof *d->child);
    if (!d->child) return;
    int code = uv_spawn(loop_uv(d->conf.loop), d->child, &options);
    d->child->data = d;
    if (code == 0) return;
    log_warn("app", "demo",
             log_s("problem", "the demo lecture needs ffmpeg on the PATH"),
             log_s("error", uv_strerror(code)));
    uv_close((uv_handle_t *)d->child, on_closed);
    d->child = NULL;
}

int demo_create(struct demo **out, const struct demo_conf *conf)
{
    struct demo *d = calloc(1, sizeof *d);

    if (!d) return ERR_NOMEM;
    d->conf = *conf;
    d->url = strdup(conf->url);
    if (!d->url) {
        free(d);
        return ERR_NOMEM;
    }
    timer_init(&d->retry, conf->loop, start, d);
    timer_set(&d->retry, loop_now(conf->loop) + 1);
    *out = d;
    return 0;
}

void demo_free(struct demo **d)
{
    struct demo *old = *d;

    *d = NULL;
    if (!old) return;
    timer_cancel(&old->retry);
    if (old->child) {
        old->child->data = NULL;
        uv_process_kill(old->child, SIGTERM);
    }
    free(old->url);
    free(old);
}
