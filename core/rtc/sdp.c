#include "core/rtc/sdp.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rtc/sdp_priv.h"

enum { PAYLOAD_TYPE_MAX = 127, PORT_MAX = 65535 };

/* --- sections ------------------------------------------------------------- */

/* The layers that the section both lists and describes, in the list's order. */
static void end_section(struct sdp_parsing *p)
{
    struct sdp_media *m = p->media;

    for (int i = 0; i < p->layer_count; i++)
        for (int j = 0; j < p->send_count; j++)
            if (sdp_same(p->layers[i], p->sends[j]) &&
                m->rid_count < SDP_RIDS_MAX) {
                m->rids[m->rid_count++] = p->layers[i];
                break;
            }
    p->layer_count = p->send_count = 0;
}

static enum sdp_kind kind_of(struct sdp_text name)
{
    if (sdp_is(name, "audio")) return SDP_AUDIO;
    if (sdp_is(name, "video")) return SDP_VIDEO;
    return sdp_is(name, "application") ? SDP_APPLICATION : SDP_OTHER;
}

static int read_formats(struct sdp_parsing *p, struct sdp_media *m)
{
    struct sdp_text rest = m->formats;
    uint32_t pt;
    int count = 0;

    while (sdp_next_word(&rest).len)
        count++;
    if (!count || count > SDP_CODECS_MAX)
        return sdp_fail(p, ERR_LIMIT, "not 1 to %d formats", SDP_CODECS_MAX);
    m->codecs = calloc((size_t)count, sizeof *m->codecs);
    if (!m->codecs) return sdp_fail(p, ERR_NOMEM, "out of memory");
    rest = m->formats;
    for (struct sdp_text word; (word = sdp_next_word(&rest)).len;) {
        if (!sdp_number(word, PAYLOAD_TYPE_MAX, &pt))
            return sdp_fail(p, ERR_SYNTAX, "a payload type is not 0 to 127");
        m->codecs[m->codec_count].channels = 1;
        m->codecs[m->codec_count++].payload_type = (uint8_t)pt;
    }
    return 0;
}

/* "video 9 UDP/TLS/RTP/SAVPF 96 97" */
static int read_media(struct sdp_parsing *p, struct sdp_text line)
{
    struct sdp *s = p->out;
    struct sdp_text name = sdp_next_word(&line), port = sdp_next_word(&line);
    struct sdp_text protocol = sdp_next_word(&line),
                    first = sdp_cut(&port, "/");
    uint32_t number;

    end_section(p);
    line = sdp_trim(line);
    if (!sdp_is_token(name) || !sdp_is_token(protocol) || !line.len)
        return sdp_fail(p, ERR_SYNTAX, "not \"m=kind port protocol formats\"");
    if (!sdp_number(first, PORT_MAX, &number))
        return sdp_fail(p, ERR_SYNTAX, "the port is not a number");
    if (s->media_count == SDP_MEDIA_MAX)
        return sdp_fail(p, ERR_LIMIT, "more than %d sections", SDP_MEDIA_MAX);
    struct sdp_media *m = p->media = &s->media[s->media_count++];
    *m = p->session;
    m->kind = kind_of(name);
    m->name = name;
    m->protocol = protocol;
    m->port = (uint16_t)number;
    m->formats = line;
    return m->kind == SDP_AUDIO || m->kind == SDP_VIDEO ? read_formats(p, m)
                                                        : 0;
}

/* --- lines ---------------------------------------------------------------- */

/* The next line without its end: LF, or CR LF. 0, ERR_AGAIN (no more),
 * ERR_LIMIT, ERR_SYNTAX. */
static int next_line(struct sdp_parsing *p, struct sdp_text *rest,
                     struct sdp_text *line)
{
    if (!rest->len) return ERR_AGAIN;
    p->line++;
    if (p->line > SDP_LINES_MAX)
        return sdp_fail(p, ERR_LIMIT, "more than %d lines", SDP_LINES_MAX);
    const char *end = memchr(rest->at, '\n', rest->len);
    *line =
        (struct sdp_text){rest->at, end ? (size_t)(end - rest->at) : rest->len};
    size_t used = end ? line->len + 1 : line->len;
    rest->at += used;
    rest->len -= used;
    if (line->len && line->at[line->len - 1] == '\r') line->len--;
    for (size_t i = 0; i < line->len; i++)
        if ((unsigned char)line->at[i] < ' ' && line->at[i] != '\t')
            return sdp_fail(p, ERR_SYNTAX, "a control character");
    if (line->len && (line->len < 2 || line->at[1] != '=' ||
                      line->at[0] < 'a' || line->at[0] > 'z'))
        return sdp_fail(p, ERR_SYNTAX, "not \"letter=value\"");
    return 0;
}

static struct sdp_text value_of(struct sdp_text line)
{
    return (struct sdp_text){line.at + 2, line.len - 2};
}

static int read_lines(struct sdp_parsing *p, struct sdp_text rest)
{
    struct sdp_text line;
    int err;

    while (!(err = next_line(p, &rest, &line))) {
        if (p->line == 1 && !sdp_is(line, "v=0"))
            return sdp_fail(p, ERR_SYNTAX, "an offer begins with v=0");
        if (!line.len) continue;
        if (line.at[0] == 'm') err = read_media(p, value_of(line));
        if (line.at[0] == 'a') err = sdp_read_attribute(p, value_of(line));
        if (err) return err;
    }
    if (err != ERR_AGAIN) return err;
    end_section(p);
    return p->line ? 0 : sdp_fail(p, ERR_SYNTAX, "nothing was sent");
}

int sdp_parse(struct sdp **out, const char *text, size_t len, char why[160])
{
    struct sdp_parsing p = {.session.direction = SDP_SENDRECV, .why = why};
    struct sdp *s;

    p.media = &p.session;
    if (len > SDP_BYTES_MAX)
        return sdp_fail(&p, ERR_LIMIT, "more than %d bytes", SDP_BYTES_MAX);
    s = p.out = calloc(1, sizeof *s);
    if (!s) return sdp_fail(&p, ERR_NOMEM, "out of memory");
    int err = read_lines(&p, (struct sdp_text){text, len});
    if (err) {
        sdp_free(&s);
        return err;
    }
    *out = s;
    return 0;
}

void sdp_free(struct sdp **s)
{
    struct sdp *last = *s;

    *s = NULL;
    if (!last) return;
    for (int i = 0; i < last->media_count; i++)
        free(last->media[i].codecs);
    free(last);
}

/* --- fragments ------------------------------------------------------------ */

static int read_fragment_line(struct sdp_parsing *p, struct sdp_fragment *f,
                              struct sdp_text line)
{
    struct sdp_text value = value_of(line), name = sdp_cut(&value, ":");

    if (sdp_is(name, "candidate")) f->candidates++;
    if (sdp_is(name, "end-of-candidates")) f->end_of_candidates = true;
    if (sdp_is(name, "ice-ufrag")) return sdp_read_ufrag(p, sdp_trim(value));
    if (sdp_is(name, "ice-pwd")) return sdp_read_pwd(p, sdp_trim(value));
    return 0;
}

int sdp_fragment_parse(struct sdp_fragment *out, const char *text, size_t len,
                       char why[160])
{
    struct sdp_parsing p = {.why = why};
    struct sdp_media first = {0}, others = {0};
    struct sdp_text rest = {text, len}, line;
    struct sdp_fragment f = {0};
    int err, sections = 0;

    p.media = &p.session;
    if (len > SDP_BYTES_MAX)
        return sdp_fail(&p, ERR_LIMIT, "more than %d bytes", SDP_BYTES_MAX);
    while (!(err = next_line(&p, &rest, &line))) {
        if (!line.len) continue;
        if (line.at[0] == 'm') p.media = sections++ ? &others : &first;
        if (line.at[0] == 'a') err = read_fragment_line(&p, &f, line);
        if (err) return err;
    }
    if (err != ERR_AGAIN) return err;
    if (!p.line) return sdp_fail(&p, ERR_SYNTAX, "nothing was sent");
    f.ufrag = first.ufrag.len ? first.ufrag : p.session.ufrag;
    f.pwd = first.pwd.len ? first.pwd : p.session.pwd;
    *out = f;
    return 0;
}
