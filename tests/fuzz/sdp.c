/* tests/fuzz/sdp.c — offers: parsed, negotiated both ways, answered; what we
 * answer must parse, with a section for each of the offer's. */
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/rtc/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct sdp *offer,
                         const struct rtc_negotiated *n, bool sends)
{
    static const struct rtc_credentials local = {"L0calUf",
                                                 "0123456789abcdef01234567"};
    static const struct rtc_candidate candidates[] = {
        {"198.51.100.4", 8189, false}, {"198.51.100.4", 8189, true}};
    const struct rtc_answer a = {
        .sends = sends,
        .negotiated = n,
        .local = &local,
        .fingerprint = "00:11",
        .candidates = candidates,
        .candidate_count = 2,
        .video_ssrc = 1,
        .rtx_ssrc = 2,
        .audio_ssrc = 3,
        .cname = "c",
    };
    struct builder b;
    struct sdp *s = NULL;
    char why[160];

    INVARIANT(n->video.used || n->audio.used);
    INVARIANT(!n->video.used || n->video.h264_count > 0);
    builder_init(&b, 2 * SDP_BYTES_MAX);
    INVARIANT(!rtc_answer_write(&b, offer, &a));
    if (b.len <= SDP_BYTES_MAX) {
        INVARIANT(!sdp_parse(&s, (char *)builder_data(&b), b.len, why));
        INVARIANT(s->media_count == offer->media_count);
        sdp_free(&s);
    }
    builder_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rtc_negotiated n;
    struct sdp *s = NULL;
    char why[160] = "";
    char *text = malloc(size ? size : 1); /* exact: reading past it shows */

    if (size) memcpy(text, data, size);
    if (!sdp_parse(&s, text, size, why)) {
        for (int video = 0; video < 2; video++)
            for (int audio = 0; audio < 2; audio++)
                if (!rtc_negotiate_play(&n, s, video, audio, 77, why))
                    check_answer(s, &n, true);
        if (!rtc_negotiate_publish(&n, s, why)) check_answer(s, &n, false);
    }
    INVARIANT(strlen(why) < sizeof why);
    sdp_free(&s);
    free(text);
    return 0;
}
