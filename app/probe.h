/* app/probe.h — `lectern probe`: which encoders and decoders really opened,
 * asked of lectern-transcode, since no codec is loaded here. */
#ifndef APP_PROBE_H
#define APP_PROBE_H
#include <stddef.h>

/* argv[0] is "probe". Exit status 0, 1 or 2. */
int probe_main(int argc, char **argv);

/* The path of lectern-transcode: as set, or beside this program. */
void probe_worker_path(char *out, size_t size, const char *setting);

#endif
