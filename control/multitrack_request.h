/* control/multitrack_request.h — what OBS asks before it goes live with
 * Multitrack Video: who it is, what its machine has, what picture it makes
 * (its GetClientConfiguration, schema 2025-01-25). Pure; any thread.
 * Unknown fields are let go; those that count are checked, and the sentence
 * about a wrong one names it and its bound. */
#ifndef CONTROL_MULTITRACK_REQUEST_H
#define CONTROL_MULTITRACK_REQUEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MULTITRACK_BODY_MAX = 64 << 10,
    MULTITRACK_DEPTH_MAX = 16,
    MULTITRACK_GPUS_MAX = 16,
    MULTITRACK_CANVASES_MAX = 8,
    MULTITRACK_ENCODERS_MAX = 256, /* that a client names */
    MULTITRACK_KEY_MAX = 256,
    MULTITRACK_SIDE_MAX = 16384, /* pixels */
    MULTITRACK_FPS_MAX = 240,
    MULTITRACK_KBPS_MAX = 10000000,
    MULTITRACK_TEXT_SIZE = 96,
    MULTITRACK_WHY_SIZE = 256,
};

/* Encoders that a client may have. */
enum {
    MULTITRACK_NVENC = 1 << 0,
    MULTITRACK_AMF = 1 << 1,
    MULTITRACK_QSV = 1 << 2,
    MULTITRACK_X264 = 1 << 3,
};

struct multitrack_gpu {
    uint32_t vendor; /* PCI's */
    char model[MULTITRACK_TEXT_SIZE];
};

struct multitrack_request {
    char key[MULTITRACK_KEY_MAX + 1];  /* without the query behind it */
    char client[MULTITRACK_TEXT_SIZE]; /* "obs-studio 31.1.2" */
    char system[MULTITRACK_TEXT_SIZE]; /* "Windows", … */
    /* It speaks an older schema: nothing below was read. */
    bool is_old;
    bool lists_encoders; /* else `encoders` holds all of them */
    unsigned encoders;   /* bits */
    bool has_h264;
    struct multitrack_gpu gpus[MULTITRACK_GPUS_MAX];
    int gpu_count;
    int composing; /* index of the one that draws; 0 unless said */
    uint32_t cores;
    /* Of the first canvas: others are not for this server. */
    uint32_t width, height; /* what it means to send */
    uint32_t canvas_width, canvas_height;
    uint32_t fps_num, fps_den;
    uint32_t kbps, tracks; /* at most; 0: not said */
    uint32_t audio_channels;
    bool vod_audio; /* a second sound for recordings is wanted */
};

/* Borrows body. Written only on success, but for *out being zeroed. 0, or with
 * why: ERR_SYNTAX (not such a request), ERR_RANGE (a field), ERR_LIMIT (size,
 * nesting). */
int multitrack_read(struct multitrack_request *out, const char *body,
                    size_t len, char why[MULTITRACK_WHY_SIZE]);

#endif
