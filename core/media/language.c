#include "core/media/language.h"

#include <string.h>

/* ISO 639-1, 639-2/T, 639-2/B where it differs, and the name (CLDR). */
static const struct {
    char two[3], three[4], other[4];
    const char *name;
} table[] = {
    /* clang-format off */
    {"aa", "aar", "", "Afar"},
    {"ab", "abk", "", "Abkhazian"},
    {"ae", "ave", "", "Avestan"},
    {"af", "afr", "", "Afrikaans"},
    {"ak", "aka", "", "Akan"},
    {"am", "amh", "", "አማርኛ"},
    {"an", "arg", "", "Aragonese"},
    {"ar", "ara", "", "العربية"},
    {"as", "asm", "", "অসমীয়া"},
    {"av", "ava", "", "Avaric"},
    {"ay", "aym", "", "Aymara"},
    {"az", "aze", "", "Azərbaycan"},
    {"ba", "bak", "", "Башҡорт"},
    {"be", "bel", "", "Беларуская"},
    {"bg", "bul", "", "Български"},
    {"bh", "bih", "", "Bihari"},
    {"bi", "bis", "", "Bislama"},
    {"bm", "bam", "", "Bamanakan"},
    {"bn", "ben", "", "বাংলা"},
    {"bo", "bod", "tib", "བོད་སྐད་"},
    {"br", "bre", "", "Brezhoneg"},
    {"bs", "bos", "", "Bosanski"},
    {"ca", "cat", "", "Català"},
    {"ce", "che", "", "Нохчийн"},
    {"ch", "cha", "", "Chamorro"},
    {"co", "cos", "", "Corsican"},
    {"cr", "cre", "", "Cree"},
    {"cs", "ces", "cze", "Čeština"},
    {"cu", "chu", "", "Church Slavic"},
    {"cv", "chv", "", "Чӑваш чӗлхи"},
    {"cy", "cym", "wel", "Cymraeg"},
    {"da", "dan", "", "Dansk"},
    {"de", "deu", "ger", "Deutsch"},
    {"dv", "div", "", "Divehi"},
    {"dz", "dzo", "", "རྫོང་ཁ"},
    {"ee", "ewe", "", "Eʋegbe"},
    {"el", "ell", "gre", "Ελληνικά"},
    {"en", "eng", "", "English"},
    {"eo", "epo", "", "Esperanto"},
    {"es", "spa", "", "Español"},
    {"et", "est", "", "Eesti"},
    {"eu", "eus", "baq", "Euskara"},
    {"fa", "fas", "per", "فارسی"},
    {"ff", "ful", "", "Pulaar"},
    {"fi", "fin", "", "Suomi"},
    {"fj", "fij", "", "Fijian"},
    {"fo", "fao", "", "Føroyskt"},
    {"fr", "fra", "fre", "Français"},
    {"fy", "fry", "", "Frysk"},
    {"ga", "gle", "", "Gaeilge"},
    {"gd", "gla", "", "Gàidhlig"},
    {"gl", "glg", "", "Galego"},
    {"gn", "grn", "", "Guarani"},
    {"gu", "guj", "", "ગુજરાતી"},
    {"gv", "glv", "", "Gaelg"},
    {"ha", "hau", "", "Hausa"},
    {"he", "heb", "", "עברית"},
    {"hi", "hin", "", "हिन्दी"},
    {"ho", "hmo", "", "Hiri Motu"},
    {"hr", "hrv", "", "Hrvatski"},
    {"ht", "hat", "", "Haitian Creole"},
    {"hu", "hun", "", "Magyar"},
    {"hy", "hye", "arm", "Հայերեն"},
    {"hz", "her", "", "Herero"},
    {"ia", "ina", "", "Interlingua"},
    {"id", "ind", "", "Indonesia"},
    {"ie", "ile", "", "Interlingue"},
    {"ig", "ibo", "", "Igbo"},
    {"ii", "iii", "", "ꆈꌠꉙ"},
    {"ik", "ipk", "", "Inupiaq"},
    {"io", "ido", "", "Ido"},
    {"is", "isl", "ice", "Íslenska"},
    {"it", "ita", "", "Italiano"},
    {"iu", "iku", "", "Inuktitut"},
    {"ja", "jpn", "", "日本語"},
    {"jv", "jav", "", "Jawa"},
    {"ka", "kat", "geo", "ქართული"},
    {"kg", "kon", "", "Kongo"},
    {"ki", "kik", "", "Gikuyu"},
    {"kj", "kua", "", "Kuanyama"},
    {"kk", "kaz", "", "Қазақ тілі"},
    {"kl", "kal", "", "Kalaallisut"},
    {"km", "khm", "", "ខ្មែរ"},
    {"kn", "kan", "", "ಕನ್ನಡ"},
    {"ko", "kor", "", "한국어"},
    {"kr", "kau", "", "Kanuri"},
    {"ks", "kas", "", "کٲشُر"},
    {"ku", "kur", "", "Kurdî"},
    {"kv", "kom", "", "Komi"},
    {"kw", "cor", "", "Kernewek"},
    {"ky", "kir", "", "Кыргызча"},
    {"la", "lat", "", "Latin"},
    {"lb", "ltz", "", "Lëtzebuergesch"},
    {"lg", "lug", "", "Luganda"},
    {"li", "lim", "", "Limburgish"},
    {"ln", "lin", "", "Lingála"},
    {"lo", "lao", "", "ລາວ"},
    {"lt", "lit", "", "Lietuvių"},
    {"lu", "lub", "", "Tshiluba"},
    {"lv", "lav", "", "Latviešu"},
    {"mg", "mlg", "", "Malagasy"},
    {"mh", "mah", "", "Marshallese"},
    {"mi", "mri", "mao", "Māori"},
    {"mk", "mkd", "mac", "Македонски"},
    {"ml", "mal", "", "മലയാളം"},
    {"mn", "mon", "", "Монгол"},
    {"mr", "mar", "", "मराठी"},
    {"ms", "msa", "may", "Melayu"},
    {"mt", "mlt", "", "Malti"},
    {"my", "mya", "bur", "မြန်မာ"},
    {"na", "nau", "", "Nauru"},
    {"nb", "nob", "", "Norsk bokmål"},
    {"nd", "nde", "", "IsiNdebele"},
    {"ne", "nep", "", "नेपाली"},
    {"ng", "ndo", "", "Ndonga"},
    {"nl", "nld", "dut", "Nederlands"},
    {"nn", "nno", "", "Norsk nynorsk"},
    {"no", "nor", "", "Norsk"},
    {"nr", "nbl", "", "South Ndebele"},
    {"nv", "nav", "", "Navajo"},
    {"ny", "nya", "", "Nyanja"},
    {"oc", "oci", "", "Occitan"},
    {"oj", "oji", "", "Ojibwa"},
    {"om", "orm", "", "Oromoo"},
    {"or", "ori", "", "ଓଡ଼ିଆ"},
    {"os", "oss", "", "Ирон"},
    {"pa", "pan", "", "ਪੰਜਾਬੀ"},
    {"pi", "pli", "", "Pali"},
    {"pl", "pol", "", "Polski"},
    {"ps", "pus", "", "پښتو"},
    {"pt", "por", "", "Português"},
    {"qu", "que", "", "Runasimi"},
    {"rm", "roh", "", "Rumantsch"},
    {"rn", "run", "", "Ikirundi"},
    {"ro", "ron", "rum", "Română"},
    {"ru", "rus", "", "Русский"},
    {"rw", "kin", "", "Ikinyarwanda"},
    {"sa", "san", "", "संस्कृत भाषा"},
    {"sc", "srd", "", "Sardu"},
    {"sd", "snd", "", "سنڌي"},
    {"se", "sme", "", "Davvisámegiella"},
    {"sg", "sag", "", "Sängö"},
    {"si", "sin", "", "සිංහල"},
    {"sk", "slk", "slo", "Slovenčina"},
    {"sl", "slv", "", "Slovenščina"},
    {"sm", "smo", "", "Samoan"},
    {"sn", "sna", "", "ChiShona"},
    {"so", "som", "", "Soomaali"},
    {"sq", "sqi", "alb", "Shqip"},
    {"sr", "srp", "", "Српски"},
    {"ss", "ssw", "", "Swati"},
    {"st", "sot", "", "Sesotho"},
    {"su", "sun", "", "Basa Sunda"},
    {"sv", "swe", "", "Svenska"},
    {"sw", "swa", "", "Kiswahili"},
    {"ta", "tam", "", "தமிழ்"},
    {"te", "tel", "", "తెలుగు"},
    {"tg", "tgk", "", "Тоҷикӣ"},
    {"th", "tha", "", "ไทย"},
    {"ti", "tir", "", "ትግርኛ"},
    {"tk", "tuk", "", "Türkmen dili"},
    {"tl", "tgl", "", "Filipino"},
    {"tn", "tsn", "", "Setswana"},
    {"to", "ton", "", "Lea fakatonga"},
    {"tr", "tur", "", "Türkçe"},
    {"ts", "tso", "", "Tsonga"},
    {"tt", "tat", "", "Татар"},
    {"tw", "twi", "", "Akan"},
    {"ty", "tah", "", "Tahitian"},
    {"ug", "uig", "", "ئۇيغۇرچە"},
    {"uk", "ukr", "", "Українська"},
    {"ur", "urd", "", "اردو"},
    {"uz", "uzb", "", "O‘zbek"},
    {"ve", "ven", "", "Venda"},
    {"vi", "vie", "", "Tiếng Việt"},
    {"vo", "vol", "", "Volapük"},
    {"wa", "wln", "", "Walloon"},
    {"wo", "wol", "", "Wolof"},
    {"xh", "xho", "", "IsiXhosa"},
    {"yi", "yid", "", "ייִדיש"},
    {"yo", "yor", "", "Èdè Yorùbá"},
    {"za", "zha", "", "Vahcuengh"},
    {"zh", "zho", "chi", "中文"},
    {"zu", "zul", "", "IsiZulu"},
    /* clang-format on */
};
enum { TABLE_SIZE = sizeof table / sizeof *table };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Two letters are a region, four a script (BCP 47 §2.1.1). */
static size_t put_subtag(char *out, const char *said, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = n == 2 || (n == 4 && !i) ? upper(said[i]) : lower(said[i]);
    return n;
}

/* The language itself; 0: it is none. */
static size_t put_primary(char *out, const char *said, size_t n)
{
    if (n < 2 || n > 3) return 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_letter(said[i])) return 0;
        out[i] = lower(said[i]);
    }
    if (n == 2) return n;
    for (int i = 0; i < TABLE_SIZE; i++) {
        if (memcmp(out, table[i].three, 3) && memcmp(out, table[i].other, 3))
            continue;
        memcpy(out, table[i].two, 3);
        return 2;
    }
    return n;
}

static size_t subtag_length(const char *said)
{
    size_t n = 0;

    while (is_letter(said[n]) || is_digit(said[n]))
        n++;
    return n;
}

void language_tag(char out[TRACK_LANGUAGE_MAX], const char *said)
{
    char made[TRACK_LANGUAGE_MAX] = "";
    size_t n = subtag_length(said), len = put_primary(made, said, n);

    memset(out, 0, TRACK_LANGUAGE_MAX);
    memcpy(out, "und", sizeof "und");
    if (!len) return;
    for (said += n; *said; said += n) {
        if (*said != '-' && *said != '_') return;
        n = subtag_length(++said);
        if (!n || n > 8) return;
        if (len + 1 + n >= sizeof made) break;
        made[len++] = '-';
        len += put_subtag(made + len, said, n);
    }
    memcpy(out, made, len);
    memset(out + len, 0, TRACK_LANGUAGE_MAX - len);
}

const char *language_name(const char *tag)
{
    size_t n = subtag_length(tag);

    /* "reserved for local use"; broadcasters mean the original sound by it */
    if (n == 3 && !memcmp(tag, "qaa", 3)) return "Original";
    for (int i = 0; i < TABLE_SIZE && n == 2; i++)
        if (!memcmp(tag, table[i].two, 2)) return table[i].name;
    return NULL;
}
