/* transcode/worker/main.c — lectern-transcode: reads the wire on descriptor 0,
 * writes it on 1, and ends when its input does. Started by lectern, one for
 * each stream that is transcoded. */
#include <errno.h>
#include <libavutil/log.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "transcode/worker/job.h"
#include "transcode/worker/probe.h"
#include "transcode/worker/sandbox.h"

enum { READ_BYTES = 256 << 10 };

/* 0: all records in data were taken. */
static int take_bytes(struct job *j, struct wire_decoder *d,
                      const uint8_t *data, size_t len)
{
    struct wire_record r;
    int err;

    while (!(err = wire_feed(d, &data, &len, &r))) {
        err = job_take(j, &r);
        wire_record_release(&r);
        if (err) return err;
    }
    return err == ERR_AGAIN ? 0 : err;
}

static ssize_t read_some(uint8_t *data, size_t size)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};

    for (;;) {
        ssize_t n = read(0, data, size);
        if (n >= 0 || (errno != EAGAIN && errno != EINTR)) return n;
        if (errno == EAGAIN) poll(&p, 1, -1);
    }
}

static int serve(bool hardware)
{
    static uint8_t bytes[READ_BYTES];
    static const struct wire_record hello = {.type = WIRE_HELLO,
                                             .v.hello.version = WIRE_VERSION};
    static const struct wire_record end = {.type = WIRE_END};
    struct wire_decoder decoder;
    struct job *job = NULL;
    struct sink sink;
    ssize_t n = 1;
    int err;

    sink_init(&sink, 1);
    wire_decoder_init(&decoder);
    err = job_create(&job, hardware, &sink);
    if (!err) err = sink_put(&sink, &hello);
    while (!err && (n = read_some(bytes, sizeof bytes)) > 0)
        err = take_bytes(job, &decoder, bytes, (size_t)n);
    /* Input that ends without END is a parent that went away: no one reads,
     * but a capture piped in may end so. */
    if (!err && !n) err = job_take(job, &end);
    job_free(&job);
    if (err == ERR_CLOSED) sink_put(&sink, &end);
    wire_decoder_release(&decoder);
    sink_release(&sink);
    if (err == ERR_CLOSED) return 0;
    log_error("transcode", "child_failed", log_s("err", err_name(err)),
              log_s("why", err_text(err)));
    return 1;
}

int main(int argc, char **argv)
{
    bool hardware = false;

    av_log_set_level(AV_LOG_QUIET);
    if (argc == 2 && !strcmp(argv[1], "--probe")) {
        probe_print(stdout);
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "--hardware")) {
        hardware = true;
    } else if (argc != 1) {
        fputs("usage: lectern-transcode [--hardware] | --probe\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* the terminal's; the parent ends us */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sandbox_enter(hardware);
    return serve(hardware);
}
