#include "control/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum { SCHEMA_VERSION = 3, BUSY_MS = 3000 };

struct store_db {
    sqlite3 *db;
};

/* Step n brings the schema from version n to n + 1. */
static const char *const migrations[SCHEMA_VERSION] = {
    "CREATE TABLE channel ("
    " name TEXT PRIMARY KEY, type TEXT NOT NULL, latency TEXT NOT NULL,"
    " key_hash BLOB NOT NULL, created_at INTEGER NOT NULL"
    " DEFAULT (unixepoch())) STRICT",
    "ALTER TABLE channel ADD COLUMN srt_passphrase TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE channel ADD COLUMN multitrack TEXT NOT NULL DEFAULT 'ALLOW'",
};

static int64_t pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t v = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        v = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return v;
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : ERR_IO;
}

static int migrate(sqlite3 *db)
{
    char sql[64];
    int err;

    if (pragma(db, "PRAGMA user_version") == SCHEMA_VERSION) return 0;
    err = run(db, "BEGIN IMMEDIATE");
    if (err) return err;
    /* Another process may have been here while we waited. */
    int64_t version = pragma(db, "PRAGMA user_version");
    if (version < 0 || version > SCHEMA_VERSION) err = ERR_UNSUPPORTED;
    for (; !err && version < SCHEMA_VERSION; version++)
        err = run(db, migrations[version]);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", SCHEMA_VERSION);
    if (!err) err = run(db, sql);
    if (run(db, err ? "ROLLBACK" : "COMMIT") && !err) err = ERR_IO;
    return err;
}

int store_db_open(struct store_db **out, const char *data_dir, char why[256])
{
    struct store_db *s = calloc(1, sizeof *s);
    char path[4096];
    int err = ERR_IO;

    if (!s) return ERR_NOMEM;
    snprintf(path, sizeof path, "%s/lectern.db", data_dir);
    if (sqlite3_open(path, &s->db) == SQLITE_OK) {
        sqlite3_busy_timeout(s->db, BUSY_MS);
        err = run(s->db, "PRAGMA journal_mode = WAL");
        if (!err) err = run(s->db, "PRAGMA synchronous = NORMAL");
        if (!err) err = migrate(s->db);
    }
    if (err) {
        snprintf(why, 256, "%.180s: %s", path,
                 err == ERR_UNSUPPORTED ? "made by a newer version"
                                        : sqlite3_errmsg(s->db));
        store_db_close(&s);
        return err;
    }
    *out = s;
    return 0;
}

void store_db_close(struct store_db **db)
{
    struct store_db *s = *db;

    *db = NULL;
    if (!s) return;
    sqlite3_close(s->db);
    free(s);
}

int store_db_add(struct store_db *db, const struct channel *c)
{
    sqlite3_stmt *s = NULL;
    int code;

    if (channel_check_name(c->name) || channel_check_type(c->type) ||
        channel_check_latency(c->latency) ||
        channel_check_multitrack(c->multitrack) ||
        channel_check_passphrase(c->passphrase))
        return ERR_RANGE;
    if (sqlite3_prepare_v2(db->db,
                           "INSERT INTO channel (name, type, latency, key_hash,"
                           " srt_passphrase, multitrack)"
                           " VALUES (?, ?, ?, ?, ?, ?)",
                           -1, &s, NULL) != SQLITE_OK)
        return ERR_IO;
    sqlite3_bind_text(s, 1, c->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, c->type, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, c->latency, -1, SQLITE_STATIC);
    sqlite3_bind_blob(s, 4, c->key_hash, KEY_HASH_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, c->passphrase, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 6, c->multitrack, -1, SQLITE_STATIC);
    code = sqlite3_step(s);
    sqlite3_finalize(s);
    if (code == SQLITE_DONE) return 0;
    return code == SQLITE_CONSTRAINT ? ERR_EXISTS : ERR_IO;
}

int store_db_remove(struct store_db *db, const char *name)
{
    sqlite3_stmt *s = NULL;
    int code;

    if (sqlite3_prepare_v2(db->db, "DELETE FROM channel WHERE name = ?", -1, &s,
                           NULL) != SQLITE_OK)
        return ERR_IO;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    code = sqlite3_step(s);
    sqlite3_finalize(s);
    if (code != SQLITE_DONE) return ERR_IO;
    return sqlite3_changes(db->db) ? 0 : ERR_NOTFOUND;
}

int store_db_set_key(struct store_db *db, const char *name,
                     const uint8_t hash[KEY_HASH_BYTES])
{
    sqlite3_stmt *s = NULL;
    int code;

    if (sqlite3_prepare_v2(db->db,
                           "UPDATE channel SET key_hash = ? WHERE name = ?", -1,
                           &s, NULL) != SQLITE_OK)
        return ERR_IO;
    sqlite3_bind_blob(s, 1, hash, KEY_HASH_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, name, -1, SQLITE_STATIC);
    code = sqlite3_step(s);
    sqlite3_finalize(s);
    if (code != SQLITE_DONE) return ERR_IO;
    return sqlite3_changes(db->db) ? 0 : ERR_NOTFOUND;
}

static void copy_text(char *out, size_t size, sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);

    snprintf(out, size, "%s", text ? text : "");
}

#define COLUMNS                                                                \
    "SELECT name, type, latency, key_hash, srt_passphrase, multitrack "

/* Of a row of COLUMNS; false: its hash is of another length. */
static bool read_channel(struct channel *c, sqlite3_stmt *s)
{
    *c = (struct channel){0};
    copy_text(c->name, sizeof c->name, s, 0);
    copy_text(c->type, sizeof c->type, s, 1);
    copy_text(c->latency, sizeof c->latency, s, 2);
    copy_text(c->passphrase, sizeof c->passphrase, s, 4);
    copy_text(c->multitrack, sizeof c->multitrack, s, 5);
    if (sqlite3_column_bytes(s, 3) != KEY_HASH_BYTES) return false;
    memcpy(c->key_hash, sqlite3_column_blob(s, 3), KEY_HASH_BYTES);
    return true;
}

int store_db_find(struct store_db *db, const char *name, struct channel *out)
{
    struct channel c;
    sqlite3_stmt *s = NULL;
    int code;

    if (sqlite3_prepare_v2(db->db, COLUMNS "FROM channel WHERE name = ?", -1,
                           &s, NULL) != SQLITE_OK)
        return ERR_IO;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    code = sqlite3_step(s);
    bool found = code == SQLITE_ROW && read_channel(&c, s);
    sqlite3_finalize(s);
    if (found) *out = c;
    if (code != SQLITE_ROW && code != SQLITE_DONE) return ERR_IO;
    return found ? 0 : ERR_NOTFOUND;
}

int store_db_each(struct store_db *db,
                  void (*each)(const struct channel *c, void *arg), void *arg)
{
    sqlite3_stmt *s = NULL;
    int code;

    if (sqlite3_prepare_v2(db->db, COLUMNS "FROM channel ORDER BY name", -1, &s,
                           NULL) != SQLITE_OK)
        return ERR_IO;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct channel c;
        if (read_channel(&c, s)) each(&c, arg);
    }
    sqlite3_finalize(s);
    return code == SQLITE_DONE ? 0 : ERR_IO;
}

int64_t store_db_version(struct store_db *db)
{
    return pragma(db->db, "PRAGMA data_version");
}
