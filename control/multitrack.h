/* control/multitrack.h — the ladder that a lecturer's own machine encodes:
 * OBS's Multitrack Video asks for it before it goes live, and sends what the
 * answer says. What it sends needs no transcoding here. Pure; any thread.
 *
 *   multitrack_read() ──request──► multitrack_plan() ──► multitrack_write()
 *
 * A ladder has keyframes each 2 s, no B-frames, CBR, the source's cadence or a
 * whole fraction of it, and the sizes of core/media/scale.h, never larger than
 * the canvas. Its sum keeps to what OBS allows and to 9 parts in 10 of what
 * the server does; for that it is thinned out from above the middle, its rates
 * are lowered by a quarter at most, and then its top is. */
#ifndef CONTROL_MULTITRACK_H
#define CONTROL_MULTITRACK_H
#include "control/multitrack_request.h"

enum { MULTITRACK_RUNGS_MAX = 5, MULTITRACK_HOST_MAX = 255 };

enum multitrack_outcome {
    MULTITRACK_LADDER,
    MULTITRACK_SINGLE,  /* one track is sent, as without Multitrack Video */
    MULTITRACK_REFUSED, /* the channel requires a ladder and gets none */
};

struct multitrack_conf {
    const char *policy;                 /* the channel's: OFF, ALLOW, REQUIRE */
    int64_t source_kbps, source_pixels; /* the server's limits; 0: none */
    const char *host;                   /* see multitrack_host() */
    int rtmp_port, rtmps_port;          /* 0: it does not listen */
    /* RTMPS has a certificate that encoders trust; else it is named only where
     * there is nothing else. */
    bool rtmps_trusted;
    const char *config_id;
};

struct multitrack_rung {
    uint32_t width, height, fps_num, fps_den, kbps;
};

struct multitrack_plan {
    enum multitrack_outcome outcome;
    const char *encoder; /* static: one of OBS's ids; NULL: no ladder */
    struct multitrack_rung rungs[MULTITRACK_RUNGS_MAX]; /* best first */
    int count;
    uint32_t audio_kbps;
    char why[MULTITRACK_WHY_SIZE]; /* there is no ladder: plain text */
};

void multitrack_plan(struct multitrack_plan *out,
                     const struct multitrack_request *q,
                     const struct multitrack_conf *conf);

/* Gives the answer's JSON; end it with free(). NULL without memory. */
char *multitrack_write(const struct multitrack_plan *plan,
                       const struct multitrack_request *q,
                       const struct multitrack_conf *conf);
/* The same for who gets nothing; sentence: plain text. */
char *multitrack_write_error(const char *sentence);

/* Of a Host header, "name:8080" or "[::1]:8080": the part that names the
 * machine. 0 or ERR_SYNTAX. */
int multitrack_host(char out[MULTITRACK_HOST_MAX + 1], const char *header);

#endif
