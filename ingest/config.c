#include "ingest/config.h"

#include <string.h>

int config_replace(struct buf **config, struct builder *b, bool *changed)
{
    struct buf *made;
    int err = builder_seal(b, &made);

    if (err) return err;
    *changed = !*config || buf_len(*config) != buf_len(made) ||
               memcmp(buf_data(*config), buf_data(made), buf_len(made)) != 0;
    if (*changed) {
        buf_unref(config);
        *config = made;
    } else {
        buf_unref(&made);
    }
    return 0;
}
