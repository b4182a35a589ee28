/* app/realtime.h — the process's WebRTC: one certificate, the threads for
 * handshakes, and on each loop a host with its WHEP and WHIP. Made before the
 * loops run; all of it is silent where webrtc.listen is empty. */
#ifndef APP_REALTIME_H
#define APP_REALTIME_H
#include <stdbool.h>

struct bus;
struct ingest_door;
struct loop;
struct metrics;
struct realtime;
struct server;
struct settings;

struct realtime_conf {
    const struct settings *settings; /* borrowed */
    struct metrics *metrics;
    struct loop *const *loops; /* borrowed */
    int loop_count;
};

/* Opens the sockets: UDP of loop i at the port of webrtc.listen + i, ICE-TCP
 * at that port. On error why names the setting. Gives NULL where WebRTC is
 * turned off. 0, ERR_NOMEM, ERR_IO, ERR_BUSY, ERR_SYNTAX. */
int realtime_create(struct realtime **out, const struct realtime_conf *conf,
                    char why[256]);
/* What loop `at` serves: publishers go through door; find answers for
 * channels that have no stream. Before realtime_join(). */
struct realtime_place {
    int at;
    const struct ingest_door *door;
    bool (*is_channel)(const char *name, void *arg);
    void *arg;
    struct server *const *servers; /* NULL entries are stepped over */
    int server_count;
};
int realtime_serve(struct realtime *r, const struct realtime_place *place);
/* All loops are served: lets them know each other. 0 or ERR_NOMEM. */
int realtime_join(struct realtime *r);
/* Any thread: a stream began (shares bus) or ended (NULL). */
void realtime_stream(struct realtime *r, const char *channel, struct bus *bus);
/* On loop `at`: sessions end. */
void realtime_drain(struct realtime *r, int at);
/* Of the first loop, or -1. */
int realtime_port(const struct realtime *r);
/* The loops stopped, the HTTP servers are closed. Takes *r; NULL is fine. */
void realtime_free(struct realtime **r);

#endif
