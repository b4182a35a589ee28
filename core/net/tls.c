#include "core/net/tls.h"
#include "core/base/err.h"

int tls_session_create(struct tls_session **out, struct tls_server *t,
                       struct tls_io *io)
{
    (void)out, (void)t, (void)io;
    return ERR_UNSUPPORTED;
}
void tls_session_free(struct tls_session **s)
{
    (void)s;
}
int tls_session_open(struct tls_session *s, uint8_t *plain, size_t size,
                     size_t *n)
{
    (void)s, (void)plain, (void)size, (void)n;
    return ERR_SYNTAX;
}
bool tls_session_is_ready(const struct tls_session *s)
{
    (void)s;
    return false;
}
bool tls_session_is_http2(const struct tls_session *s)
{
    (void)s;
    return false;
}
const char *tls_session_why(const struct tls_session *s)
{
    (void)s;
    return "";
}
int tls_session_seal(struct tls_session *s, const uint8_t *data, size_t len)
{
    (void)s, (void)data, (void)len;
    return ERR_IO;
}
void tls_session_close(struct tls_session *s)
{
    (void)s;
}
