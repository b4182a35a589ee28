/* Any bytes as a playlist of a foreign server: read, then held against the
 * rules, against itself and as a successor. */
#include "packager/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct m3u8 *a = NULL, *b = NULL;
    struct lint l = {0};

    if (len > 65536 || m3u8_parse(&a, (const char *)data, len / 2)) return 0;
    if (!m3u8_parse(&b, (const char *)data + len / 2, len - len / 2)) {
        lint_successor(&l, a, b);
        lint_delta(&l, a, b);
        lint_siblings(&l, a, b);
    }
    lint_media(&l, a);
    lint_multivariant(&l, a);
    m3u8_free(&a);
    m3u8_free(&b);
    return 0;
}
