/* ingest/ear.h — hears on a bus's loop what keyframes are wished for, and says
 * so on another loop. Belongs to that other loop, as do its owner and fn. */
#ifndef INGEST_EAR_H
#define INGEST_EAR_H
#include <stdint.h>

#include "core/media/bus.h"

struct ear;
struct loop;

/* fn(track_id, arg) is called on loop, never from within a call of the
 * owner's, and not after ear_close(). Shares b. 0 or ERR_NOMEM, ERR_LIMIT
 * (mailbox full). */
int ear_open(struct ear **out, struct bus *b, struct loop *loop, bus_asked *fn,
             void *arg);
/* Takes *e and sets it NULL; NULL is fine. */
void ear_close(struct ear **e);

#endif
