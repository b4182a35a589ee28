/* tests/sdp_file.h — offers of tests/data/sdp as text. */
#ifndef TESTS_SDP_FILE_H
#define TESTS_SDP_FILE_H
#include <stdio.h>

#include "tests/harness.h"

enum { SDP_FILE_MAX = 16 << 10 };

static size_t sdp_file(const char *name, char text[SDP_FILE_MAX])
{
    char path[128];

    snprintf(path, sizeof path, "tests/data/sdp/%s.sdp", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(text, 1, SDP_FILE_MAX - 1, f);
    fclose(f);
    text[n] = 0;
    return n;
}

#endif
