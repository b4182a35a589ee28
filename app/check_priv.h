/* app/check_priv.h — the bodies behind `lectern check`:
 *   check.c        arguments, the multivariant playlist, the report
 *   check_watch.c  one rendition: reloads, directives
 *   check_media.c  its parts, segments and inits                             */
#ifndef APP_CHECK_PRIV_H
#define APP_CHECK_PRIV_H
#include <stdbool.h>
#include <stdint.h>

#include "core/net/fetch.h"
#include "packager/boxes.h"
#include "packager/lint.h"
#include "packager/m3u8.h"

enum {
    CHECK_WATCHES_MAX = 32,
    CHECK_FINDINGS_MAX = 256,
    CHECK_PIECES_MAX = 64, /* segments being put together */
    CHECK_PARTS_MAX = 64,  /* of one of them */
    CHECK_MAPS_MAX = 8,    /* inits remembered */
};

struct finding {
    char rule[40], section[24], where[64], detail[320];
    bool must;
    int count;
};

struct check {
    struct fetcher *fetcher;
    const char *url;
    bool json;
    int seconds;
    int64_t until; /* monotonic µs */
    int64_t target_us;
    struct m3u8 *multivariant;
    struct watch *watches[CHECK_WATCHES_MAX];
    int watch_count;
    struct finding findings[CHECK_FINDINGS_MAX];
    int finding_count;
    int requests, playlists, parts, segments, version;
    bool failed; /* the stream could not be read */
};

/* A segment whose parts are collected, to be compared with the whole. */
struct piece {
    uint64_t msn;   /* 0: free; a piece of msn 0 is not collected */
    int part_count; /* -1 until it is closed */
    int got;
    struct slice parts[CHECK_PARTS_MAX];
    struct boxes_fragment boxes[CHECK_PARTS_MAX];
    bool asked[CHECK_PARTS_MAX];
    bool discontinuity, asked_whole, checked;
    int map; /* of watch.maps; -1: none */
};

struct watch {
    struct check *check;
    char name[64], url[FETCH_URL_MAX];
    struct lint lint;
    struct m3u8 *last;  /* newest full or delta list */
    struct m3u8 *first; /* newest full list */
    struct map_seen {
        char uri[128];
        struct boxes_init init;
        bool there;
    } maps[CHECK_MAPS_MAX]; /* a ring */
    int map_count;
    struct piece pieces[CHECK_PIECES_MAX];
    int64_t end_dts; /* of the last segment whose parts were checked */
    uint64_t end_msn;
    int end_map;
    int64_t asked_at;
    uint64_t asked_msn;
    int64_t asked_part; /* -1: none */
    double peak_bps;
    int reloads, failures;
    uint64_t probed_msn; /* asked for with a part past the limit */
};

/* --- check.c --- */
void check_found(struct check *c, const char *where, const char *rule,
                 const char *section, bool must, const char *detail);
/* What every answer must have; kind: "playlist", "media" or "error". */
void check_headers(struct watch *w, const struct fetch_answer *a,
                   const char *kind);
bool check_get(struct watch *w, const char *url, bool gzip, fetch_done *done,
               void *arg);

/* --- check_watch.c --- */
int watch_create(struct watch **out, struct check *c, const char *name,
                 const char *url);
void watch_free(struct watch **w);
/* Asks for the list, the forbidden directives, then reloads till the end. */
void watch_start(struct watch *w);
/* Once a second: reads lists that cannot be waited for again. */
void watch_poll(struct watch *w);

/* --- check_media.c --- */
/* A new list: fetches what is new in it. */
void media_follow(struct watch *w, const struct m3u8 *p);
void media_release(struct watch *w);

#endif
