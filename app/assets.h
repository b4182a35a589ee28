/* app/assets.h — the pages, carried inside the program (web/embed.sh). */
#ifndef APP_ASSETS_H
#define APP_ASSETS_H

struct asset {
    const char *name; /* "/watch.html" */
    const unsigned char *data, *end;
};
extern const struct asset web_assets[]; /* ends with name NULL */

#endif
