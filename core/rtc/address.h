/* core/rtc/address.h — which addresses of this machine an answer names. */
#ifndef CORE_RTC_ADDRESS_H
#define CORE_RTC_ADDRESS_H
#include "core/net/tcp.h"
#include "core/rtc/host.h"

/* As rtc_host_conf.public_addresses says. Fills at most HOST_ADDRESSES_MAX,
 * IPv4 first, global ones before private ones. 0 or ERR_SYNTAX (listen or an
 * address; why). */
int address_find(char out[][ADDRESS_TEXT_MAX], int *count, const char *listen,
                 const char *const *given, char why[256]);

#endif
