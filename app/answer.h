/* app/answer.h — how this room's resources answer: what was made, or 503 where
 * there was no memory to make it. On the exchange's loop. */
#ifndef APP_ANSWER_H
#define APP_ANSWER_H
#include <stdbool.h>

struct buf;
struct exchange;
struct response;

/* Answers with r unless err says that it is not whole. Takes *r. */
void answer_with(struct exchange *x, struct response **r, int err);

/* Answers with a JSON document that nobody may keep; any_origin: pages of
 * other hosts may read it. Takes *text; NULL: there was no memory for it. */
void answer_json(struct exchange *x, int status, struct buf **text,
                 bool any_origin);

#endif
