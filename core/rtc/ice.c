#include "core/rtc/ice.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"

enum { LOOP_CHARS = 2, LOOP_BITS = 5 };

static const char ICE_CHARS[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";
static const char LOOP_ALPHABET[32] = "abcdefghijklmnopqrstuvwxyz234567";

/* c is zeroed. */
static int make_credentials(struct rtc_credentials *c, unsigned loop)
{
    uint8_t random[ICE_UFRAG_BYTES + ICE_PWD_BYTES];
    char *ufrag = c->ufrag, *pwd = c->pwd;

    if (RAND_bytes(random, sizeof random) != 1) {
        ERR_clear_error();
        return ERR_IO;
    }
    ufrag[0] = LOOP_ALPHABET[loop >> LOOP_BITS & 31];
    ufrag[1] = LOOP_ALPHABET[loop & 31];
    for (int i = LOOP_CHARS; i < ICE_UFRAG_BYTES; i++)
        ufrag[i] = ICE_CHARS[random[i] & 63];
    for (int i = 0; i < ICE_PWD_BYTES; i++)
        pwd[i] = ICE_CHARS[random[ICE_UFRAG_BYTES + i] & 63];
    return 0;
}

int ice_loop_of_ufrag(const char *ufrag, size_t len)
{
    int loop = 0;

    if (len != ICE_UFRAG_BYTES) return -1;
    for (int i = 0; i < LOOP_CHARS; i++) {
        const char *at = memchr(LOOP_ALPHABET, ufrag[i], sizeof LOOP_ALPHABET);

        if (!at) return -1;
        loop = loop << LOOP_BITS | (int)(at - LOOP_ALPHABET);
    }
    return loop;
}

int ice_init(struct ice *i, unsigned loop, const struct rtc_credentials *remote,
             int64_t now)
{
    struct rtc_credentials local = {{0}, {0}};
    int err;

    INVARIANT(loop < ICE_LOOPS_MAX);
    err = make_credentials(&local, loop);
    if (err) return err;
    memset(i, 0, sizeof *i);
    i->local = local;
    snprintf(i->remote_ufrag, sizeof i->remote_ufrag, "%s", remote->ufrag);
    i->loop = loop;
    i->selected = -1;
    i->started_at = now;
    return 0;
}

int ice_restart(struct ice *i, const struct rtc_credentials *remote,
                char dropped[ICE_UFRAG_BYTES + 1])
{
    struct rtc_credentials local = {{0}, {0}};
    int err = make_credentials(&local, i->loop);

    if (err) return err;
    dropped[0] = 0;
    /* If the other side never used `local`, what it does use stays good. */
    if (i->local_used || !i->previous.ufrag[0])
        i->previous = i->local;
    else
        memcpy(dropped, i->local.ufrag, ICE_UFRAG_BYTES + 1);
    i->local = local;
    i->local_used = false;
    snprintf(i->remote_ufrag, sizeof i->remote_ufrag, "%s", remote->ufrag);
    return 0;
}

/* RFC 8445 §7.3: the first of two names is ours; the second is not judged. */
static bool is_named(const struct stun_message *m, const char *ufrag)
{
    size_t n = strlen(ufrag);

    return n && m->username && m->username_len > n && m->username[n] == ':' &&
           !memcmp(m->username, ufrag, n);
}

/* The credentials of ours that signed it, or NULL. */
static const struct rtc_credentials *find_signer(const struct ice *i,
                                                 const struct stun_message *m)
{
    const struct rtc_credentials *c = NULL;

    if (is_named(m, i->local.ufrag)) c = &i->local;
    if (is_named(m, i->previous.ufrag)) c = &i->previous;
    return c && stun_is_signed_by(m, c->pwd) ? c : NULL;
}

static int find_path(const struct ice *i, const struct net_path *path)
{
    for (int n = 0; n < i->path_count; n++)
        if (!memcmp(&i->paths[n].path, path, sizeof *path)) return n;
    return -1;
}

static void remove_path(struct ice *i, int n)
{
    i->path_count--;
    memmove(&i->paths[n], &i->paths[n + 1],
            (size_t)(i->path_count - n) * sizeof i->paths[0]);
    if (i->selected == n)
        i->selected = -1;
    else if (i->selected > n)
        i->selected--;
}

/* The one unheard longest that is not selected. */
static int find_oldest(const struct ice *i)
{
    int oldest = -1;

    for (int n = 0; n < i->path_count; n++)
        if (n != i->selected &&
            (oldest < 0 || i->paths[n].heard_at < i->paths[oldest].heard_at))
            oldest = n;
    return oldest;
}

static int prove_path(struct ice *i, const struct net_path *path,
                      struct ice_result *out)
{
    if (i->path_count == ICE_PATHS_MAX) {
        int oldest = find_oldest(i);

        out->dropped = true;
        out->dropped_path = i->paths[oldest].path;
        remove_path(i, oldest);
    }
    out->added = true;
    i->paths[i->path_count].path = *path;
    return i->path_count++;
}

static void end_restart(struct ice *i, struct ice_result *out)
{
    i->local_used = true;
    if (!i->previous.ufrag[0]) return;
    out->ended_restart = true;
    memcpy(out->ended_ufrag, i->previous.ufrag, sizeof out->ended_ufrag);
    memset(&i->previous, 0, sizeof i->previous);
}

static void accept_check(struct ice *i, const struct stun_message *m,
                         const struct net_path *from, int64_t now,
                         struct ice_result *out)
{
    int n = find_path(i, from);

    if (n < 0) n = prove_path(i, from, out);
    i->paths[n].heard_at = i->heard_at = now;
    i->heard = true;
    if (n != i->selected && (m->use_candidate || i->selected < 0)) {
        i->selected = n;
        out->selected_changed = true;
    }
}

void ice_input(struct ice *i, const uint8_t *data, size_t len,
               const struct net_path *from, int64_t now, struct ice_result *out)
{
    const struct rtc_credentials *signer;
    struct stun_message m;
    char pwd[ICE_PWD_BYTES + 1];

    memset(out, 0, sizeof *out);
    if (stun_parse(&m, data, len) || m.type != STUN_REQUEST) return;
    signer = find_signer(i, &m);
    if (!signer) return;
    memcpy(pwd, signer->pwd, sizeof pwd);
    if (m.unknown_count) {
        out->reply_len = stun_write_unknown(out->reply, &m, pwd);
        return;
    }
    out->reply_len =
        stun_write_success(out->reply, &m, from->ip, from->port, pwd);
    if (!out->reply_len) return;
    out->valid = true;
    if (signer == &i->local && !i->local_used) end_restart(i, out);
    accept_check(i, &m, from, now, out);
}

bool ice_is_proved(const struct ice *i, const struct net_path *path)
{
    return find_path(i, path) >= 0;
}

const struct net_path *ice_selected(const struct ice *i)
{
    return i->selected < 0 ? NULL : &i->paths[i->selected].path;
}

bool ice_forget(struct ice *i, const struct net_path *path)
{
    int n = find_path(i, path), latest = -1;

    if (n < 0) return false;
    remove_path(i, n);
    if (i->selected >= 0) return false;
    for (n = 0; n < i->path_count; n++)
        if (latest < 0 || i->paths[n].heard_at > i->paths[latest].heard_at)
            latest = n;
    i->selected = latest;
    return true;
}

int64_t ice_deadline(const struct ice *i)
{
    return i->heard ? i->heard_at + ICE_CONSENT_US
                    : i->started_at + ICE_FIRST_CHECK_US;
}

bool ice_is_dead(const struct ice *i, int64_t now)
{
    return now >= ice_deadline(i);
}
