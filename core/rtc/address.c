#include "core/rtc/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/base/err.h"

/* In the order in which answers name them. */
enum rank {
    RANK_V4_GLOBAL,
    RANK_V4_PRIVATE,
    RANK_V6_GLOBAL,
    RANK_V6_PRIVATE,
    RANK_LOOPBACK_V4,
    RANK_LOOPBACK_V6,
    RANKS,
    RANK_NONE,
};

static enum rank rank_of_v4(uint32_t a)
{
    if (a >> 24 == 127) return RANK_LOOPBACK_V4;
    if (!a || a >> 16 == 0xa9fe) return RANK_NONE; /* link-local */
    if (a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 ||
        a >> 22 == 0x191) /* 100.64/10 */
        return RANK_V4_PRIVATE;
    return RANK_V4_GLOBAL;
}

static enum rank rank_of(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return rank_of_v4(
            ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr));
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(v6)) return RANK_LOOPBACK_V6;
    if (IN6_IS_ADDR_LINKLOCAL(v6) || IN6_IS_ADDR_UNSPECIFIED(v6))
        return RANK_NONE;
    return (v6->s6_addr[0] & 0xfe) == 0xfc ? RANK_V6_PRIVATE : RANK_V6_GLOBAL;
}

static void add(char out[][ADDRESS_TEXT_MAX], int *count, const char *text)
{
    for (int i = 0; i < *count; i++)
        if (!strcmp(out[i], text)) return;
    if (*count < HOST_ADDRESSES_MAX)
        snprintf(out[(*count)++], ADDRESS_TEXT_MAX, "%s", text);
}

static void add_of_rank(char out[][ADDRESS_TEXT_MAX], int *count,
                        const uv_interface_address_t *all, int n, bool v4_only,
                        int rank)
{
    char text[ADDRESS_TEXT_MAX];

    for (int i = 0; i < n; i++) {
        const struct sockaddr *a = (const struct sockaddr *)&all[i].address;
        if ((int)rank_of(a) != rank) continue;
        if (v4_only && a->sa_family != AF_INET) continue;
        tcp_format_host(text, a);
        add(out, count, text);
    }
}

static void add_interfaces(char out[][ADDRESS_TEXT_MAX], int *count,
                           bool v4_only)
{
    uv_interface_address_t *all = NULL;
    int n = 0;

    if (uv_interface_addresses(&all, &n)) n = 0;
    for (int rank = 0; rank < RANKS; rank++) {
        if (rank == RANK_LOOPBACK_V4 && *count) break;
        add_of_rank(out, count, all, n, v4_only, rank);
    }
    if (n) uv_free_interface_addresses(all, n);
    if (!*count) add(out, count, "127.0.0.1");
}

static bool is_address(const char *text, int family)
{
    uint8_t bytes[16];

    return inet_pton(family, text, bytes) == 1;
}

static int add_given(char out[][ADDRESS_TEXT_MAX], int *count,
                     const char *const *given, char why[256])
{
    for (int pass = 0; pass < 2; pass++) {
        for (const char *const *at = given; *at; at++) {
            if (!is_address(*at, AF_INET) && !is_address(*at, AF_INET6)) {
                snprintf(why, 256, "\"%.200s\" is not an IP address", *at);
                return ERR_SYNTAX;
            }
            if (is_address(*at, pass ? AF_INET6 : AF_INET))
                add(out, count, *at);
        }
    }
    return 0;
}

int address_find(char out[][ADDRESS_TEXT_MAX], int *count, const char *listen,
                 const char *const *given, char why[256])
{
    struct sockaddr_storage a;
    char host[ADDRESS_TEXT_MAX];

    *count = 0;
    if (tcp_parse_address(listen, &a)) {
        snprintf(why, 256, "\"%.200s\" is not an address and port", listen);
        return ERR_SYNTAX;
    }
    if (given && *given) return add_given(out, count, given, why);
    tcp_format_host(host, (struct sockaddr *)&a);
    if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0)
        add(out, count, host);
    else
        add_interfaces(out, count, a.ss_family == AF_INET);
    return 0;
}
