/* Any bytes as init segment and fragment of a foreign server. */
#include "packager/boxes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct boxes_init init;
    struct boxes_fragment f;

    if (boxes_read_init(&init, data, len)) {
        init.track_count = 1;
        init.tracks[0].id = 1;
        init.tracks[0].timescale = 90000;
        init.tracks[0].default_duration = init.tracks[0].default_size = 1;
        init.tracks[0].default_flags = 0;
    }
    boxes_read_fragment(&f, &init, data, len);
    return 0;
}
