/* transcode/worker/probe.h — which encoders and decoders really work here:
 * each is opened at 256x144 and does five pictures, in a process of its own
 * that may hang or crash. */
#ifndef TRANSCODE_WORKER_PROBE_H
#define TRANSCODE_WORKER_PROBE_H
#include <stdio.h>

/* One JSON object: {"encoders":[{"name":…,"works":…}],"decoders":[…]}. */
void probe_print(FILE *out);

#endif
