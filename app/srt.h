/* app/srt.h — the process's SRT ingest: one server for all loops, with a
 * directory of its own, since libsrt asks on threads that have no loop. */
#ifndef APP_SRT_H
#define APP_SRT_H

struct channel;
struct directory;
struct loop;
struct metrics;
struct pipeline;
struct settings;
struct srt_ingest;

struct srt_ingest_conf {
    const struct settings *settings;
    struct loop *const *loops; /* copied; the first is home */
    int loop_count;
    struct directory *directory; /* the first one; shared */
    const struct channel *demo;  /* a second key for one channel, or NULL;
                                    borrowed for life */
    struct pipeline *pipeline;   /* where publishers go; borrowed */
    struct metrics *metrics;
};

/* Listens. Gives NULL where SRT is turned off. On error why names the setting.
 * 0, ERR_NOMEM or what srt_server_create() says. */
int srt_ingest_create(struct srt_ingest **out,
                      const struct srt_ingest_conf *conf, char why[256]);
/* Any thread: a new directory; shares d. s may be NULL here and below. */
void srt_ingest_set_directory(struct srt_ingest *s, struct directory *d);
/* Publishers leave; on_done is called on the first loop. Not with NULL. */
void srt_ingest_drain(struct srt_ingest *s, void (*on_done)(void *arg),
                      void *arg);
/* -1: none. */
int srt_ingest_port(const struct srt_ingest *s);
/* The loops stopped; pipeline and loops still exist. Takes *s. */
void srt_ingest_free(struct srt_ingest **s);

#endif
