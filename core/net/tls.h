/* core/net/tls.h — TLS for servers: one struct tls_server per certificate,
 * shared by every loop, and a session per connection that turns records into
 * bytes and back through buffers of its loop. Knows no HTTP: RTMPS uses it
 * the same way.
 *
 *   socket ──in──► tls_session_open() ──plain──► protocol
 *   socket ◄─out── tls_session_seal() ◄──plain── protocol
 *
 * Records of many calls gather in io->out; the owner sends them in one go. */
#ifndef CORE_NET_TLS_H
#define CORE_NET_TLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_server;
struct tls_session;

struct tls_server_conf {
    const char *cert,
        *key; /* PEM files; "auto": self-signed, in data_dir/tls */
    const char *data_dir;
    const char *const *hosts; /* names and addresses for "auto", NULL-ended;
                                 localhost, 127.0.0.1 and ::1 are added */
    bool offers_http;         /* ALPN h2 and http/1.1 */
};

/* Gives a server, ready for sessions of any loop. 0, ERR_NOTFOUND or
 * ERR_SYNTAX (certificate or key; logged), ERR_IO, ERR_NOMEM. */
int tls_server_create(struct tls_server **out,
                      const struct tls_server_conf *conf);
/* Reads the files again: sessions from now on use them, those there go on.
 * On error the old certificate stays. Any thread, one at a time. */
int tls_server_reload(struct tls_server *t);
/* Takes *t; sessions may outlive it. NULL is fine. */
void tls_server_free(struct tls_server **t);

/* One per loop, shared by its sessions: the owner points in at what the socket
 * gave, and empties out. */
struct tls_io {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len, out_room;
};
enum {
    TLS_RECORD_PLAIN_MAX = 16384,
    /* What sealing one record, or one turn of a handshake, may append. */
    TLS_OUT_MARGIN = 64 * 1024,
};

/* Gives a session of one connection; io must outlive it. 0 or ERR_NOMEM. */
int tls_session_create(struct tls_session **out, struct tls_server *t,
                       struct tls_io *io);
void tls_session_free(struct tls_session **s);

/* Opens what lies in io->in, the handshake included (its answers go to
 * io->out). Call until it returns ERR_AGAIN (all of io->in is used). 0 and
 * *n > 0 bytes in plain; ERR_CLOSED (close_notify), ERR_SYNTAX (not TLS, or a
 * broken record; why for the log in tls_session_why()). */
int tls_session_open(struct tls_session *s, uint8_t *plain, size_t size,
                     size_t *n);
bool tls_session_is_ready(const struct tls_session *s); /* handshake done */
bool tls_session_is_http2(const struct tls_session *s); /* ALPN said h2 */
const char *tls_session_why(const struct tls_session *s);
/* Appends data as records; at most TLS_RECORD_PLAIN_MAX bytes.
 * 0, ERR_ORDER (handshake not done) or ERR_IO (out is full, or broken). */
int tls_session_seal(struct tls_session *s, const uint8_t *data, size_t len);
/* Appends close_notify. */
void tls_session_close(struct tls_session *s);

#endif
