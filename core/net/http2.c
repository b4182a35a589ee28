#include "core/base/err.h"
#include "core/net/server_priv.h"

int http2_shared_create(struct http2_shared **out)
{
    *out = NULL;
    return 0;
}
void http2_shared_free(struct http2_shared **h)
{
    (void)h;
}
int http2_begin(struct conn *c)
{
    (void)c;
    return ERR_UNSUPPORTED;
}
void http2_input(struct conn *c, const uint8_t *data, size_t len)
{
    (void)c, (void)data, (void)len;
}
void http2_respond(struct exchange *x, struct response *r)
{
    (void)x, (void)r;
}
void http2_forget(struct exchange *x)
{
    (void)x;
}
void http2_pump(struct conn *c)
{
    (void)c;
}
void http2_drain(struct conn *c)
{
    (void)c;
}
void http2_abort(struct conn *c)
{
    (void)c;
}
void http2_free(struct http2 **h)
{
    (void)h;
}
void http2_arm(struct conn *c)
{
    (void)c;
}
void http2_on_deadline(struct conn *c)
{
    (void)c;
}
void http2_head_free(struct http2_head **h)
{
    (void)h;
}
