/* ingest/health_priv.h — health's parts among themselves: health.c (frames, the
 * line, the words), health_content.c (what is in sound and picture). */
#ifndef INGEST_HEALTH_PRIV_H
#define INGEST_HEALTH_PRIV_H
#include "ingest/health.h"

/* What nobody measures any more is not known. Each tick. */
void health_content_forget(struct health *h, int64_t now);
/* The bits that hold. */
unsigned health_content_judge(const struct health_content *s);

#endif
