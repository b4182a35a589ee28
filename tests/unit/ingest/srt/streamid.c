#include "tests/harness.h"

#include <stdio.h>

#include "core/base/err.h"
#include "ingest/srt/streamid.h"

struct sample {
    const char *text;
    int err;
    enum srt_mode mode;
    const char *key, *channel;
    bool from_resource;
    int32_t priority;
};

static const struct sample samples[] = {
    {"demo-key", 0, SRT_MODE_UNSAID, "demo-key", "", false, 0},
    {"live/demo-key", 0, SRT_MODE_UNSAID, "demo-key", "", false, 0},
    {"/a/b/c", 0, SRT_MODE_UNSAID, "c", "", false, 0},
    {"publish:demo-key", 0, SRT_MODE_PUBLISH, "demo-key", "", false, 0},
    {"publish/demo-key", 0, SRT_MODE_PUBLISH, "demo-key", "", false, 0},
    {"publish:live/k1", 0, SRT_MODE_PUBLISH, "k1", "", false, 0},
    {"publish:demo:me:k1", 0, SRT_MODE_PUBLISH, "k1", "demo", false, 0},
    {"publish:demo:me", ERR_SYNTAX, 0, "", "", false, 0},
    {"read:demo", 0, SRT_MODE_REQUEST, "demo", "", false, 0},
    {"play/demo", 0, SRT_MODE_REQUEST, "demo", "", false, 0},
    {"live/k1?m=publish", 0, SRT_MODE_PUBLISH, "k1", "", false, 0},
    {"k1?token=1&m=request", 0, SRT_MODE_REQUEST, "k1", "", false, 0},
    {"k1?m=", ERR_SYNTAX, 0, "", "", false, 0},
    {"k1?priority=2", 0, SRT_MODE_UNSAID, "k1", "", false, 2},
    {"k1?clientConfigId=x&m=publish&priority=2147483647", 0, SRT_MODE_PUBLISH,
     "k1", "", false, 2147483647},
    {"k1?priority=2147483648", ERR_RANGE, 0, "", "", false, 0},
    {"k1?priority=1&priority=1", ERR_RANGE, 0, "", "", false, 0},
    {"#!::u=k1,priority=2,m=publish", 0, SRT_MODE_PUBLISH, "k1", "", false, 2},
    {"#!::u=k1,priority=", ERR_RANGE, 0, "", "", false, 0},
    {"#!::u=k1,priority=1,priority=2", ERR_SYNTAX, 0, "", "", false, 0},
    {"a:b", 0, SRT_MODE_UNSAID, "a:b", "", false, 0},
    {"#!::m=publish,r=demo,u=k1", 0, SRT_MODE_PUBLISH, "k1", "demo", false, 0},
    {"#!::u=k1,r=live/demo", 0, SRT_MODE_UNSAID, "k1", "demo", false, 0},
    {"#!::u=k1", 0, SRT_MODE_UNSAID, "k1", "", false, 0},
    {"#!::u=k=1,m=request,", 0, SRT_MODE_REQUEST, "k=1", "", false, 0},
    {"#!::r=live/k1,m=publish", 0, SRT_MODE_PUBLISH, "k1", "", true, 0},
    {"#!::h=example.org/live/k1,m=publish", 0, SRT_MODE_PUBLISH, "k1", "", true,
     0},
    {"#!::r=k1,s=77,t=stream,x=1,company_a=b,m=bidirectional", 0,
     SRT_MODE_BIDIRECTIONAL, "k1", "", true, 0},
    {"%23!::m=publish,u=k%2b1%,r=demo", 0, SRT_MODE_PUBLISH, "k+1%", "demo",
     false, 0},
    {"%23!%3A%3Au%3dk1", 0, SRT_MODE_UNSAID, "k1", "", false, 0},
    {"%23!::u=a%00b", ERR_SYNTAX, 0, "", "", false, 0},
    {"a%20b", 0, SRT_MODE_UNSAID, "a%20b", "", false, 0},
    {"#!::r=k1,t=file", ERR_UNSUPPORTED, 0, "", "", false, 0},
    {"#!::r=k1,r=k2", ERR_SYNTAX, 0, "", "", false, 0},
    {"#!::r=k1,m=steal", ERR_SYNTAX, 0, "", "", false, 0},
    {"#!::r", ERR_SYNTAX, 0, "", "", false, 0},
    {"#!::=x", ERR_SYNTAX, 0, "", "", false, 0},
    {"#!::r=a,,u=b", ERR_SYNTAX, 0, "", "", false, 0},
    {"#!::", ERR_NOTFOUND, 0, "", "", false, 0},
    {"#!::m=publish", ERR_NOTFOUND, 0, "", "", false, 0},
    {"#!:{r:a}", ERR_SYNTAX, 0, "", "", false, 0},
    {"#!", ERR_SYNTAX, 0, "", "", false, 0},
    {"", ERR_NOTFOUND, 0, "", "", false, 0},
    {"/", ERR_NOTFOUND, 0, "", "", false, 0},
    {"publish:", ERR_NOTFOUND, 0, "", "", false, 0},
    {"key\n", ERR_SYNTAX, 0, "", "", false, 0},
    {"k\xc3\xa9y", 0, SRT_MODE_UNSAID, "k\xc3\xa9y", "", false, 0},
    {"#!::a=1,b=1,c=1,d=1,e=1,f=1,g=1,i=1,j=1,k=1,l=1,n=1,o=1,p=1,q=1,v=1,w=1",
     ERR_LIMIT, 0, "", "", false, 0},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        struct srt_streamid id = {0};
        int err = srt_streamid_parse(&id, s->text, strlen(s->text));
        if (err != s->err || strcmp(id.key, s->key) ||
            strcmp(id.channel, s->channel) || id.mode != s->mode ||
            id.from_resource != s->from_resource || id.priority != s->priority)
            fail_msg("%s: %s, key %s channel %s mode %d", s->text,
                     err_name(err), id.key, id.channel, id.mode);
    }
}

static void test_bounds(void **state)
{
    char text[STREAMID_MAX + 2];
    struct srt_streamid id;

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(srt_streamid_parse(&id, text, STREAMID_MAX + 1),
                     ERR_LIMIT);
    assert_int_equal(srt_streamid_parse(&id, text, STREAM_KEY_MAX + 1),
                     ERR_LIMIT);
    assert_int_equal(srt_streamid_parse(&id, text, STREAM_KEY_MAX), 0);
    assert_int_equal(strlen(id.key), STREAM_KEY_MAX);
    memcpy(text, "#!::u=k,r=", 10);
    assert_int_equal(srt_streamid_parse(&id, text, 10 + CHANNEL_NAME_MAX + 1),
                     ERR_LIMIT);
    assert_int_equal(srt_streamid_parse(&id, text, 10 + CHANNEL_NAME_MAX), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_forms),
    cmocka_unit_test(test_bounds),
};
HARNESS_MAIN(tests)
