/* transcode/worker/sink.h — where the child's records go: one descriptor,
 * written whole and in order by any of its threads. Waiting for a slow reader
 * is the child's brake: encoders stop, then the decoder, then the parent sheds.
 * Locks live here and in lane.c: the child's threads meet nowhere else. */
#ifndef TRANSCODE_WORKER_SINK_H
#define TRANSCODE_WORKER_SINK_H
#include <pthread.h>
#include <stdint.h>

#include "core/media/wire.h"

struct sink {
    int fd;
    pthread_mutex_t lock;
};

void sink_init(struct sink *s, int fd);
void sink_release(struct sink *s);
/* Borrows r. 0 or ERR_CLOSED (the reader is gone). Any thread. */
int sink_put(struct sink *s, const struct wire_record *r);
/* A named figure, for the parent's counters. */
int sink_stat(struct sink *s, const char *name, int64_t value);

#endif
