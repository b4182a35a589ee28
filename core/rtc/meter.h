/* core/rtc/meter.h — sums of the last second, in buckets of 50 ms: rates of
 * what was sent or delivered. Instants may come a little out of order. Pure;
 * one thread; embedded, {0} is empty. */
#ifndef CORE_RTC_METER_H
#define CORE_RTC_METER_H
#include <stdbool.h>
#include <stdint.h>

enum { METER_BUCKETS = 20, METER_BUCKET_US = 50000 };

struct meter {
    bool started;
    int64_t first_at, last_at;
    int64_t sums[METER_BUCKETS];
};

void meter_add(struct meter *m, int64_t at, int64_t n);
/* Brings it to now although nothing is to be added. */
void meter_idle(struct meter *m, int64_t now);
/* Of the last span_us (a second at most); *seen_us: how much of that lies
 * between the first and the last instant. */
int64_t meter_sum(const struct meter *m, int64_t span_us, int64_t *seen_us);
/* Bytes as bit/s over span_us; 0: less than least_us was seen. */
int64_t meter_rate(const struct meter *m, int64_t span_us, int64_t least_us);

#endif
