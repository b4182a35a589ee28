#include "packager/m3u8.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum { ATTRIBUTES_MAX = 32 };

struct attribute {
    const char *name;
    char *value; /* without quotes */
};

struct attributes {
    struct attribute list[ATTRIBUTES_MAX];
    int count;
};

/* What holds until the next URI line. */
struct pending {
    bool has_extinf, discontinuity, gap, byterange, pdt_has_ms;
    int64_t duration_us, pdt_us;
    const char *map;
    int first_part;
    bool has_variant;
    struct m3u8_variant variant;
};

/* --- values --------------------------------------------------------------- */

/* Decimal seconds to µs, rounded; -1 if there is no number. */
static int64_t parse_seconds(const char *s)
{
    char *end;
    double v;

    if (!s || !*s || strspn(s, "0123456789.") == 0) return -1;
    v = strtod(s, &end);
    if (end == s || !(v >= 0) || v > 1e9) return -1;
    return (int64_t)(v * 1e6 + 0.5);
}

static int64_t parse_integer(const char *s)
{
    int64_t v = 0;

    if (!s || *s < '0' || *s > '9') return -1;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (v > INT64_MAX / 16) return -1;
        v = v * 10 + (*s - '0');
    }
    return *s ? -1 : v;
}

static int digits(const char **s, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if (**s < '0' || **s > '9') return -1;
        v = v * 10 + (*(*s)++ - '0');
    }
    return v;
}

static bool skip(const char **s, char c)
{
    if (**s != c) return false;
    ++*s;
    return true;
}

/* Days since 1970 of a Gregorian date. */
static int64_t days(int y, int m, int d)
{
    y -= m <= 2;
    int era = y / 400, yoe = y - era * 400;
    int doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return (int64_t)era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy -
           719468;
}

static int parse_fraction(const char **s, int *count)
{
    int us = 0, scale = 100000;

    *count = 0;
    while (**s >= '0' && **s <= '9') {
        us += (*(*s)++ - '0') * scale;
        scale /= 10;
        ++*count;
    }
    return us;
}

/* ISO 8601, "2026-11-22T10:00:00.000Z" or with "+01:00"; -1 if it is not. */
static int64_t parse_date(const char *s, bool *has_ms)
{
    int y, mo, d, h, mi, sec, us = 0, n = 0, zone = 0;

    *has_ms = false;
    if ((y = digits(&s, 4)) < 1 || !skip(&s, '-') || (mo = digits(&s, 2)) < 1 ||
        mo > 12 || !skip(&s, '-') || (d = digits(&s, 2)) < 1 ||
        !skip(&s, 'T') || (h = digits(&s, 2)) < 0 || !skip(&s, ':') ||
        (mi = digits(&s, 2)) < 0 || !skip(&s, ':') || (sec = digits(&s, 2)) < 0)
        return -1;
    if (skip(&s, '.')) us = parse_fraction(&s, &n);
    *has_ms = n >= 3;
    if (*s == '+' || *s == '-') {
        int sign = *s++ == '+' ? 1 : -1;
        int zh = digits(&s, 2), zm;

        skip(&s, ':');
        zm = digits(&s, 2);
        if (zh < 0 || zm < 0) return -1;
        zone = sign * (zh * 3600 + zm * 60);
    }
    return ((days(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec) - zone) *
               1000000 +
           us;
}

/* NAME=value,NAME="quo,ted" in place. False if it does not parse. */
static bool parse_attributes(struct attributes *a, char *s)
{
    a->count = 0;
    while (*s) {
        while (*s == ' ')
            s++;
        char *eq = strchr(s, '=');
        if (!eq || a->count == ATTRIBUTES_MAX) return false;
        *eq = '\0';
        struct attribute *at = &a->list[a->count++];
        at->name = s;
        s = eq + 1;
        if (*s == '"') {
            at->value = ++s;
            s = strchr(s, '"');
            if (!s) return false;
            *s++ = '\0';
        } else {
            at->value = s;
            s += strcspn(s, ",");
        }
        if (*s && *s != ',') return false;
        if (*s) *s++ = '\0';
    }
    return true;
}

static const char *get(const struct attributes *a, const char *name)
{
    for (int i = 0; i < a->count; i++)
        if (!strcmp(a->list[i].name, name)) return a->list[i].value;
    return NULL;
}

static bool is_yes(const struct attributes *a, const char *name)
{
    const char *v = get(a, name);

    return v && !strcmp(v, "YES");
}

/* --- growing lists -------------------------------------------------------- */

/* Room for one more of `size` bytes; capacity doubles at powers of two. */
static void *grow(void **list, int count, size_t size)
{
    if (count >= M3U8_ENTRIES_MAX) return NULL;
    if ((count & (count - 1)) == 0) {
        size_t room = count ? (size_t)count * 2 : 1;
        void *more = realloc(*list, room * size);

        if (!more) return NULL;
        *list = more;
    }
    return (char *)*list + (size_t)count * size;
}

#define ADD(p, list, count)                                                    \
    grow((void **)&(p)->list, (p)->count, sizeof *(p)->list)

/* --- tags ----------------------------------------------------------------- */

static void read_server_control(struct m3u8 *p, const struct attributes *a)
{
    p->server_control_count++;
    p->can_block = is_yes(a, "CAN-BLOCK-RELOAD");
    p->part_hold_back_us = parse_seconds(get(a, "PART-HOLD-BACK"));
    p->hold_back_us = parse_seconds(get(a, "HOLD-BACK"));
    p->can_skip_us = parse_seconds(get(a, "CAN-SKIP-UNTIL"));
    p->can_skip_dateranges = is_yes(a, "CAN-SKIP-DATERANGES");
}

static int read_part(struct m3u8 *p, const struct attributes *a)
{
    struct m3u8_part *part = ADD(p, parts, part_count);

    if (!part) return ERR_LIMIT;
    p->part_count++;
    *part = (struct m3u8_part){
        .duration_us = parse_seconds(get(a, "DURATION")),
        .uri = get(a, "URI"),
        .independent = is_yes(a, "INDEPENDENT"),
        .gap = is_yes(a, "GAP"),
        .byterange = get(a, "BYTERANGE") != NULL,
    };
    return 0;
}

static int read_hint(struct m3u8 *p, const struct attributes *a)
{
    struct m3u8_hint *h = ADD(p, hints, hint_count);

    if (!h) return ERR_LIMIT;
    p->hint_count++;
    *h = (struct m3u8_hint){get(a, "TYPE"), get(a, "URI")};
    return 0;
}

static int read_report(struct m3u8 *p, const struct attributes *a)
{
    struct m3u8_report *r = ADD(p, reports, report_count);

    if (!r) return ERR_LIMIT;
    p->report_count++;
    *r = (struct m3u8_report){get(a, "URI"), parse_integer(get(a, "LAST-MSN")),
                              parse_integer(get(a, "LAST-PART"))};
    return 0;
}

static int read_media(struct m3u8 *p, const struct attributes *a)
{
    struct m3u8_media *m = ADD(p, media, media_count);

    if (!m) return ERR_LIMIT;
    p->media_count++;
    p->multivariant = true;
    *m = (struct m3u8_media){
        .type = get(a, "TYPE"),
        .group = get(a, "GROUP-ID"),
        .name = get(a, "NAME"),
        .language = get(a, "LANGUAGE"),
        .uri = get(a, "URI"),
        .channels = get(a, "CHANNELS"),
        .is_default = is_yes(a, "DEFAULT"),
        .autoselect = is_yes(a, "AUTOSELECT"),
    };
    return 0;
}

static void read_variant(struct m3u8 *p, struct pending *next,
                         const struct attributes *a)
{
    const char *rate = get(a, "FRAME-RATE");

    p->multivariant = true;
    next->has_variant = true;
    next->variant = (struct m3u8_variant){
        .codecs = get(a, "CODECS"),
        .resolution = get(a, "RESOLUTION"),
        .audio = get(a, "AUDIO"),
        .bandwidth = parse_integer(get(a, "BANDWIDTH")),
        .average_bandwidth = parse_integer(get(a, "AVERAGE-BANDWIDTH")),
        .frame_rate = rate ? strtod(rate, NULL) : 0,
    };
}

/* Tags with an attribute list; 0, or an error that ends the reading. */
static int read_list_tag(struct m3u8 *p, struct pending *next, const char *name,
                         const struct attributes *a)
{
    if (!strcmp(name, "PART")) return read_part(p, a);
    if (!strcmp(name, "PRELOAD-HINT")) return read_hint(p, a);
    if (!strcmp(name, "RENDITION-REPORT")) return read_report(p, a);
    if (!strcmp(name, "MEDIA")) return read_media(p, a);
    if (!strcmp(name, "SERVER-CONTROL")) {
        read_server_control(p, a);
    } else if (!strcmp(name, "PART-INF")) {
        p->part_inf_count++;
        p->part_target_us = parse_seconds(get(a, "PART-TARGET"));
    } else if (!strcmp(name, "STREAM-INF")) {
        read_variant(p, next, a);
    } else if (!strcmp(name, "SKIP")) {
        p->skip_count++;
        p->skipped = parse_integer(get(a, "SKIPPED-SEGMENTS"));
        if (p->skipped < 0) p->bad_lines++;
    } else if (!strcmp(name, "MAP")) {
        next->map = get(a, "URI");
        if (next->first_part < p->part_count) p->late_heads++;
    }
    return 0;
}

static void count_late(struct m3u8 *p)
{
    if (p->segment_count) p->late_sequences++;
}

static bool read_value_tag(struct m3u8 *p, struct pending *next,
                           const char *name, char *value)
{
    int64_t n = parse_integer(value);
    bool is_number = true;

    if (!strcmp(name, "VERSION")) {
        p->version_count++;
        p->version = n > 0 && n < 1000 ? (int)n : 0;
    } else if (!strcmp(name, "TARGETDURATION")) {
        p->target_duration_count++;
        p->target_duration_s = n;
    } else if (!strcmp(name, "MEDIA-SEQUENCE")) {
        p->media_sequence_count++;
        p->media_sequence = n < 0 ? 0 : (uint64_t)n;
        count_late(p);
    } else if (!strcmp(name, "DISCONTINUITY-SEQUENCE")) {
        p->discontinuity_sequence_count++;
        p->discontinuity_sequence = n < 0 ? 0 : (uint64_t)n;
        count_late(p);
    } else {
        is_number = false;
    }
    if (is_number) {
        if (n < 0) p->bad_lines++;
        return true;
    }
    if (!strcmp(name, "PROGRAM-DATE-TIME")) {
        next->pdt_us = parse_date(value, &next->pdt_has_ms);
        if (next->pdt_us < 0) p->bad_lines++;
        if (next->first_part < p->part_count) p->late_heads++;
        return true;
    }
    if (!strcmp(name, "PLAYLIST-TYPE")) {
        p->playlist_type = value;
        return true;
    }
    return false;
}

static bool read_flag_tag(struct m3u8 *p, struct pending *next,
                          const char *name)
{
    if (!strcmp(name, "DISCONTINUITY")) {
        next->discontinuity = true;
        if (next->first_part < p->part_count) p->late_heads++;
    } else if (!strcmp(name, "GAP")) {
        next->gap = true;
    } else if (!strcmp(name, "ENDLIST")) {
        p->ended = true;
    } else if (!strcmp(name, "INDEPENDENT-SEGMENTS")) {
        p->independent_segments = true;
    } else {
        return false;
    }
    return true;
}

static int read_tag(struct m3u8 *p, struct pending *next, char *line)
{
    char *value = strchr(line, ':');
    struct attributes a;

    if (!strncmp(line, "#EXTINF:", 8)) {
        next->has_extinf = true;
        next->duration_us = parse_seconds(line + 8);
        if (next->duration_us < 0) p->bad_lines++;
        return 0;
    }
    if (strncmp(line, "#EXT-X-", 7)) return 0;
    if (value) *value++ = '\0';
    line += 7;
    if (!strcmp(line, "BYTERANGE")) next->byterange = true;
    if (read_flag_tag(p, next, line)) return 0;
    if (!value) return 0;
    if (read_value_tag(p, next, line, value)) return 0;
    if (strcmp(line, "PART") && strcmp(line, "PRELOAD-HINT") &&
        strcmp(line, "RENDITION-REPORT") && strcmp(line, "MEDIA") &&
        strcmp(line, "SERVER-CONTROL") && strcmp(line, "PART-INF") &&
        strcmp(line, "STREAM-INF") && strcmp(line, "SKIP") &&
        strcmp(line, "MAP"))
        return 0;
    if (!parse_attributes(&a, value)) p->bad_lines++;
    return read_list_tag(p, next, line, &a);
}

/* --- lines ---------------------------------------------------------------- */

static int end_segment(struct m3u8 *p, struct pending *next, const char *uri)
{
    struct m3u8_segment *s = ADD(p, segments, segment_count);

    if (!s) return ERR_LIMIT;
    *s = (struct m3u8_segment){
        .msn = p->media_sequence + (p->skipped > 0 ? (uint64_t)p->skipped : 0) +
               (uint64_t)p->segment_count,
        .duration_us = uri ? next->duration_us : -1,
        .uri = uri,
        .map = next->map,
        .pdt_us = next->pdt_us,
        .pdt_has_ms = next->pdt_has_ms,
        .discontinuity = next->discontinuity,
        .gap = next->gap,
        .byterange = next->byterange,
        .first_part = next->first_part,
        .part_count = p->part_count - next->first_part,
    };
    p->segment_count++;
    if (s->duration_us > 0) p->duration_us += s->duration_us;
    for (int i = s->first_part; s->duration_us < 0 && i < p->part_count; i++)
        if (p->parts[i].duration_us > 0)
            p->duration_us += p->parts[i].duration_us;
    *next = (struct pending){.duration_us = -1,
                             .pdt_us = -1,
                             .map = next->map,
                             .first_part = p->part_count};
    return 0;
}

static int read_uri(struct m3u8 *p, struct pending *next, const char *line)
{
    if (!next->has_variant) {
        if (p->multivariant) return 0;
        if (!next->has_extinf) p->bad_lines++;
        return end_segment(p, next, line);
    }
    struct m3u8_variant *v = ADD(p, variants, variant_count);
    if (!v) return ERR_LIMIT;
    p->variant_count++;
    *v = next->variant;
    v->uri = line;
    next->has_variant = false;
    return 0;
}

static int read_lines(struct m3u8 *p)
{
    struct pending next = {.duration_us = -1, .pdt_us = -1};
    char *at = p->text;
    int err = 0, n = 0;

    while (!err && *at) {
        char *line = at;
        size_t len = strcspn(at, "\n");

        at += len;
        if (*at) *at++ = '\0';
        if (len && line[len - 1] == '\r') line[--len] = '\0';
        if (n++ == 0) p->first_line = !strcmp(line, "#EXTM3U");
        if (!len) continue;
        err =
            *line == '#' ? read_tag(p, &next, line) : read_uri(p, &next, line);
    }
    if (!err && next.first_part < p->part_count)
        err = end_segment(p, &next, NULL);
    return err;
}

int m3u8_parse(struct m3u8 **out, const char *text, size_t len)
{
    struct m3u8 *p;
    int err = ERR_NOMEM;

    if (len > M3U8_BYTES_MAX) return ERR_LIMIT;
    p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    p->target_duration_s = -1;
    p->part_hold_back_us = p->hold_back_us = p->can_skip_us =
        p->part_target_us = -1;
    p->text = malloc(len + 1);
    if (p->text) {
        memcpy(p->text, text, len);
        p->text[len] = '\0';
        err = read_lines(p);
    }
    if (err) {
        m3u8_free(&p);
        return err;
    }
    *out = p;
    return 0;
}

void m3u8_free(struct m3u8 **p)
{
    struct m3u8 *gone = *p;

    *p = NULL;
    if (!gone) return;
    free(gone->segments);
    free(gone->parts);
    free(gone->hints);
    free(gone->reports);
    free(gone->variants);
    free(gone->media);
    free(gone->text);
    free(gone);
}

const struct m3u8_segment *m3u8_find(const struct m3u8 *p, uint64_t msn)
{
    for (int i = p->segment_count - 1; i >= 0; i--)
        if (p->segments[i].msn == msn) return &p->segments[i];
    return NULL;
}
