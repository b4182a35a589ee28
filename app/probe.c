#include "app/probe.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void probe_worker_path(char *out, size_t size, const char *setting)
{
    char self[4096];
    ssize_t n;

    if (*setting) {
        snprintf(out, size, "%s", setting);
        return;
    }
    n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash) *slash = 0;
    snprintf(out, size, "%s/lectern-transcode", slash ? self : ".");
}

int probe_main(int argc, char **argv)
{
    char path[4200];

    (void)argv;
    if (argc > 1) {
        fputs("usage: lectern probe\n", stderr);
        return 2;
    }
    probe_worker_path(path, sizeof path, "");
    execl(path, path, "--probe", (char *)NULL);
    fprintf(stderr, "lectern: cannot start %s\n", path);
    return 1;
}
