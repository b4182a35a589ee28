#include "core/base/err.h"

const char *err_name(int e)
{
    switch (e) {
    case 0: return "OK";
#define X(name, text)                                                          \
    case ERR_##name: return #name;
        ERR_MAP(X)
#undef X
    default: return "UNKNOWN";
    }
}

const char *err_text(int e)
{
    switch (e) {
    case 0: return "fine";
#define X(name, text)                                                          \
    case ERR_##name: return text;
        ERR_MAP(X)
#undef X
    default: return "unknown error";
    }
}
