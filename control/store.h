/* control/store.h — channels on disk: SQLite with a write-ahead log, so that
 * the command line may change them while the server runs. Keys are stored as
 * hashes. One thread per handle. */
#ifndef CONTROL_STORE_H
#define CONTROL_STORE_H
#include <stdint.h>

#include "control/channel.h"

struct store_db;

/* Opens or makes DATA_DIR/lectern.db and brings its schema up to date.
 * 0, ERR_NOMEM, ERR_IO (why holds the sentence), ERR_UNSUPPORTED (made by a
 * newer version). */
int store_db_open(struct store_db **out, const char *data_dir, char why[256]);
void store_db_close(struct store_db **db);

/* 0, ERR_EXISTS, ERR_RANGE (a field) or ERR_IO. */
int store_db_add(struct store_db *db, const struct channel *c);
/* 0, ERR_NOTFOUND or ERR_IO. */
int store_db_remove(struct store_db *db, const char *name);
/* Another key for a channel, or with zeros none. 0, ERR_NOTFOUND or ERR_IO. */
int store_db_set_key(struct store_db *db, const char *name,
                     const uint8_t hash[KEY_HASH_BYTES]);
/* Written only on success. 0, ERR_NOTFOUND or ERR_IO. */
int store_db_find(struct store_db *db, const char *name, struct channel *out);
/* Calls each for every channel, by name. 0 or ERR_IO. */
int store_db_each(struct store_db *db,
                  void (*each)(const struct channel *c, void *arg), void *arg);
/* Grows whenever another handle or process changed the file. */
int64_t store_db_version(struct store_db *db);

#endif
