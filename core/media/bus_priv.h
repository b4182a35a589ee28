/* core/media/bus_priv.h — what bus.c lends to wishes.c. */
#ifndef CORE_MEDIA_BUS_PRIV_H
#define CORE_MEDIA_BUS_PRIV_H
#include "core/media/bus.h"

struct wishes *bus_wishes(struct bus *b);

#endif
