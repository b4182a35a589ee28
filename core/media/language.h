/* core/media/language.h — what languages are called: codes of containers to
 * BCP 47, and a name to choose by. Pure; any thread. */
#ifndef CORE_MEDIA_LANGUAGE_H
#define CORE_MEDIA_LANGUAGE_H
#include "core/media/track.h"

/* ISO 639 (two letters, or three of either form) or BCP 47 as somebody sent
 * it, to BCP 47: "eng" → "en", "GER" → "de", "pt_br" → "pt-BR". A language
 * without two letters keeps its three; what is none is "und". out has letters,
 * digits and hyphens only. */
void language_tag(char out[TRACK_LANGUAGE_MAX], const char *said);

/* In the language itself ("Deutsch"), UTF-8, static; NULL where none is
 * known. Of "pt-BR" it is that of "pt". */
const char *language_name(const char *tag);

#endif
