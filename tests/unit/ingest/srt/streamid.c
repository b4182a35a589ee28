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
};

static const struct sample samples[] = {
    {"demo-key", 0, SRT_MODE_UNSAID, "demo-key", "", false},
    {"live/demo-key", 0, SRT_MODE_UNSAID, "demo-key", "", false},
    {"/a/b/c", 0, SRT_MODE_UNSAID, "c", "", false},
    {"publish:demo-key", 0, SRT_MODE_PUBLISH, "demo-key", "", false},
    {"publish/demo-key", 0, SRT_MODE_PUBLISH, "demo-key", "", false},
    {"publish:live/k1", 0, SRT_MODE_PUBLISH, "k1", "", false},
    {"publish:demo:me:k1", 0, SRT_MODE_PUBLISH, "k1", "demo", false},
    {"publish:demo:me", ERR_SYNTAX, 0, "", "", false},
    {"read:demo", 0, SRT_MODE_REQUEST, "demo", "", false},
    {"play/demo", 0, SRT_MODE_REQUEST, "demo", "", false},
    {"live/k1?m=publish", 0, SRT_MODE_PUBLISH, "k1", "", false},
    {"k1?token=1&m=request", 0, SRT_MODE_REQUEST, "k1", "", false},
    {"k1?m=", ERR_SYNTAX, 0, "", "", false},
    {"a:b", 0, SRT_MODE_UNSAID, "a:b", "", false},
    {"#!::m=publish,r=demo,u=k1", 0, SRT_MODE_PUBLISH, "k1", "demo", false},
    {"#!::u=k1,r=live/demo", 0, SRT_MODE_UNSAID, "k1", "demo", false},
    {"#!::u=k1", 0, SRT_MODE_UNSAID, "k1", "", false},
    {"#!::u=k=1,m=request,", 0, SRT_MODE_REQUEST, "k=1", "", false},
    {"#!::r=live/k1,m=publish", 0, SRT_MODE_PUBLISH, "k1", "", true},
    {"#!::h=example.org/live/k1,m=publish", 0, SRT_MODE_PUBLISH, "k1", "",
     true},
    {"#!::r=k1,s=77,t=stream,x=1,company_a=b,m=bidirectional", 0,
     SRT_MODE_BIDIRECTIONAL, "k1", "", true},
    {"%23!::m=publish,u=k%2b1%,r=demo", 0, SRT_MODE_PUBLISH, "k+1%", "demo",
     false},
    {"%23!%3A%3Au%3dk1", 0, SRT_MODE_UNSAID, "k1", "", false},
    {"%23!::u=a%00b", ERR_SYNTAX, 0, "", "", false},
    {"a%20b", 0, SRT_MODE_UNSAID, "a%20b", "", false},
    {"#!::r=k1,t=file", ERR_UNSUPPORTED, 0, "", "", false},
    {"#!::r=k1,r=k2", ERR_SYNTAX, 0, "", "", false},
    {"#!::r=k1,m=steal", ERR_SYNTAX, 0, "", "", false},
    {"#!::r", ERR_SYNTAX, 0, "", "", false},
    {"#!::=x", ERR_SYNTAX, 0, "", "", false},
    {"#!::r=a,,u=b", ERR_SYNTAX, 0, "", "", false},
    {"#!::", ERR_NOTFOUND, 0, "", "", false},
    {"#!::m=publish", ERR_NOTFOUND, 0, "", "", false},
    {"#!:{r:a}", ERR_SYNTAX, 0, "", "", false},
    {"#!", ERR_SYNTAX, 0, "", "", false},
    {"", ERR_NOTFOUND, 0, "", "", false},
    {"/", ERR_NOTFOUND, 0, "", "", false},
    {"publish:", ERR_NOTFOUND, 0, "", "", false},
    {"key\n", ERR_SYNTAX, 0, "", "", false},
    {"k\xc3\xa9y", 0, SRT_MODE_UNSAID, "k\xc3\xa9y", "", false},
    {"#!::a=1,b=1,c=1,d=1,e=1,f=1,g=1,i=1,j=1,k=1,l=1,n=1,o=1,p=1,q=1,v=1,w=1",
     ERR_LIMIT, 0, "", "", false},
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
            id.from_resource != s->from_resource)
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
