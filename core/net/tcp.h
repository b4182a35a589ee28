/* core/net/tcp.h — addresses in text and listening sockets, so that every
 * server binds alike. */
#ifndef CORE_NET_TCP_H
#define CORE_NET_TCP_H
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct loop;

enum { ADDRESS_TEXT_MAX = 64 };

/* "127.0.0.1:80", "[::1]:80", ":80" (any), "0.0.0.0:0" (port chosen by the
 * system). 0, ERR_SYNTAX or ERR_RANGE (port). Pure. */
int tcp_parse_address(const char *text, struct sockaddr_storage *out);
/* "127.0.0.1:80" or "[::1]:80" into out; address_host() leaves the port out. */
void tcp_format_address(char out[ADDRESS_TEXT_MAX], const struct sockaddr *a);
void tcp_format_host(char out[ADDRESS_TEXT_MAX], const struct sockaddr *a);
bool tcp_is_loopback(const struct sockaddr *a);
int tcp_port(const struct sockaddr *a);
/* Is a in list: addresses and prefixes ("192.0.2.1 10.0.0.0/8,2001:db8::/32"),
 * separated by spaces or commas? Words that are neither match nothing. */
bool tcp_is_listed(const char *list, const struct sockaddr *a);

/* Sets up handle on l, binds and listens. With shared set, SO_REUSEPORT lets
 * each loop listen on the same address. on_connection is libuv's.
 * 0, ERR_USAGE (address text), ERR_BUSY (in use), ERR_DENIED, ERR_IO; on
 * error handle is being closed if it was initialised: wait for its loop. */
int tcp_listen(uv_tcp_t *handle, struct loop *l, const char *address,
               bool shared, uv_connection_cb on_connection);
/* The port really bound; -1 on error. */
int tcp_bound_port(const uv_tcp_t *handle);

#endif
