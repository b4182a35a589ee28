/* What containers call a language, and what a learner reads. */
#include "tests/harness.h"

#include "core/media/language.h"

static void test_codes_become_tags(void **state)
{
    static const char *const pairs[][2] = {
        {"eng", "en"},
        {"GER", "de"},
        {"deu", "de"},
        {"chi", "zh"},
        {"zho", "zh"},
        {"cze", "cs"},
        {"fre", "fr"},
        {"nob", "nb"},
        {"de", "de"},
        {"EN", "en"},
        {"gsw", "gsw"},
        {"qaa", "qaa"},
        {"pt_br", "pt-BR"},
        {"eng-gb", "en-GB"},
        {"zh-hant", "zh-Hant"},
        {"zh-hant-tw", "zh-Hant-TW"},
        {"es-419", "es-419"},
        {"sl-rozaj-biske", "sl-rozaj"},
        {"", "und"},
        {"und", "und"},
        {"e1g", "und"},
        {"\xff\xff\xff", "und"},
        {"english", "und"},
        {"de-", "und"},
        {"de\"", "und"},
        {"d", "und"},
        {"en\n", "und"},
        {"de-12345678", "de-12345678"},
    };
    char out[TRACK_LANGUAGE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        language_tag(out, pairs[i][0]);
        assert_string_equal(out, pairs[i][1]);
    }
}

/* Every code of two letters that there is: in order, once, and named. */
static void test_all_two_letter_codes(void **state)
{
    char out[TRACK_LANGUAGE_MAX], said[3] = "";
    int named = 0;

    (void)state;
    for (char a = 'a'; a <= 'z'; a++) {
        for (char b = 'a'; b <= 'z'; b++) {
            said[0] = a;
            said[1] = b;
            language_tag(out, said);
            assert_string_equal(out, said);
            named += language_name(said) != NULL;
        }
    }
    assert_int_equal(named, 184);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(language_name("de"), "Deutsch");
    assert_string_equal(language_name("pt-BR"), "Português");
    assert_string_equal(language_name("ja"), "日本語");
    assert_string_equal(language_name("qaa"), "Original");
    assert_null(language_name("und"));
    assert_null(language_name("gsw"));
    assert_null(language_name(""));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_codes_become_tags),
    cmocka_unit_test(test_all_two_letter_codes),
    cmocka_unit_test(test_names),
};
HARNESS_MAIN(tests)
