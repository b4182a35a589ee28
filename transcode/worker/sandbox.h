/* transcode/worker/sandbox.h — what the child gives up before it reads the
 * first byte of a stranger's bitstream. */
#ifndef TRANSCODE_WORKER_SANDBOX_H
#define TRANSCODE_WORKER_SANDBOX_H
#include <stdbool.h>

/* Limits, no_new_privs, and a filter that refuses sockets, files and programs.
 * hardware: drivers need files and address space: those stay. Best effort: a
 * kernel without filters still gets the limits. */
void sandbox_enter(bool hardware);

#endif
