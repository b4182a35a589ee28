#include "app/answer.h"

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/net/server.h"

void answer_with(struct exchange *x, struct response **r, int err)
{
    if (err)
        exchange_respond_text(x, 503, "out of memory\n");
    else
        exchange_respond(x, *r);
    response_unref(r);
}

void answer_json(struct exchange *x, int status, struct buf **text,
                 bool any_origin)
{
    struct response *r = NULL;
    struct slice body = {0};
    int err = ERR_NOMEM;

    if (*text) {
        body = slice_take(text);
        err = response_create(&r, status);
    }
    if (!err) err = response_header(r, "content-type", "application/json");
    if (!err) err = response_header(r, "cache-control", "no-store");
    if (!err && any_origin) err = response_cors(r);
    if (!err) err = response_body(r, body);
    slice_unref(&body);
    answer_with(x, &r, err);
}
