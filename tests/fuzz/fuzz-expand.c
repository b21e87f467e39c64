/* Expansion of words. The first line of the input is the value of $v, the second that of $w, the
 * rest is the word. */
#include "dockerfile/expand.h"
#include "fuzz.h"

static const char *lookup(const char *name, void *data)
{
    char **values = data;
    if (strcmp(name, "v") == 0)
        return values[0];
    return strcmp(name, "w") == 0 && values[0] ? values[1] : NULL;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autofree char *text = fuzz_string(data, size);
    g_auto(GStrv) parts = g_strsplit(text, "\n", 3);
    guint count = g_strv_length(parts);
    if (count == 0)
        return 0;
    const char *word = parts[count - 1];
    for (const char *escape = "\\`"; *escape; escape++) {
        g_autoptr(GError) word_error = NULL, raw_error = NULL, words_error = NULL;
        g_autofree char *one = kiln_expand_word(word, *escape, lookup, parts, &word_error);
        fuzz_result(one != NULL, word_error);
        g_autofree char *raw = kiln_expand_raw(word, *escape, lookup, parts, &raw_error);
        fuzz_result(raw != NULL, raw_error);
        g_auto(GStrv) words = kiln_expand_words(word, *escape, lookup, parts, &words_error);
        fuzz_result(words != NULL, words_error);
        /* Splitting has no say in whether a word can be read. */
        g_assert_true((one != NULL) == (words != NULL));
    }
    return 0;
}
