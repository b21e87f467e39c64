#include "dockerfile/words.h"

#include <string.h>

static bool unicode_space(gunichar c)
{
    switch (c) {
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
        return true;
    default:
        return c >= 0x2000 && c <= 0x200A;
    }
}

gsize kiln_space_at(const char *p, const char *end)
{
    if (p >= end)
        return 0;
    guchar c = (guchar)*p;
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    /* White space beyond ASCII begins with one of these bytes: C2 85, C2 A0, E1 9A 80, E2 8x xx, E3
     * 80 80. */
    if (c != 0xC2 && (c < 0xE1 || c > 0xE3))
        return 0;
    gunichar wide = g_utf8_get_char_validated(p, end - p);
    if (wide >= (gunichar)-2 || !unicode_space(wide))
        return 0;
    return c == 0xC2 ? 2 : 3;
}

/* The same for the character that ends before `p`. */
static gsize space_before(const char *begin, const char *p)
{
    for (gsize n = 1; n <= 3 && (gsize)(p - begin) >= n; n++) {
        if (kiln_space_at(p - n, p) == n)
            return n;
    }
    return 0;
}

KilnSpan kiln_span_trim(const char *text, KilnSpan span)
{
    gsize n;
    while ((n = kiln_space_at(text + span.start, text + span.end)) > 0)
        span.start += n;
    while (span.end > span.start && (n = space_before(text + span.start, text + span.end)) > 0)
        span.end -= n;
    return span;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

void kiln_words_blank(const char *text, KilnSpan span, GArray *words)
{
    g_array_set_size(words, 0);
    for (gsize at = span.start; at < span.end;) {
        KilnSpan word = {at, at};
        while (word.end < span.end && !is_blank(text[word.end]))
            word.end++;
        at = word.end + 1;
        if (word.end > word.start)
            g_array_append_val(words, word);
    }
}

void kiln_words_quoted(const char *text, KilnSpan span, char escape, GArray *words)
{
    g_array_set_size(words, 0);
    gsize at = span.start;
    while (true) {
        gsize n;
        while ((n = kiln_space_at(text + at, text + span.end)) > 0)
            at += n;
        if (at >= span.end)
            return;

        KilnSpan word = {at, at};
        char quote = 0;
        while (at < span.end && (quote || kiln_space_at(text + at, text + span.end) == 0)) {
            char c = text[at];
            if (c == escape && quote != '\'') {
                if (at + 1 == span.end) {
                    /* An escape character with nothing behind it is no part of the word. */
                    span.end--;
                    break;
                }
                at += 2;
                continue;
            }
            if (quote ? c == quote : (c == '\'' || c == '"'))
                quote = quote ? 0 : c;
            at++;
        }
        word.end = at;
        if (word.end > word.start)
            g_array_append_val(words, word);
    }
}

/* Reads the flag word at *at into `out` without its quotes and escapes; *at is then behind it. */
static void read_flag(const char *text, gsize *at, gsize end, char escape, GString *out)
{
    char quote = 0;
    while (*at < end && (quote || kiln_space_at(text + *at, text + end) == 0)) {
        char c = text[(*at)++];
        if (quote ? c == quote : (c == '\'' || c == '"')) {
            quote = quote ? 0 : c;
            continue;
        }
        if (c == escape) {
            if (*at == end)
                return;
            c = text[(*at)++];
        }
        g_string_append_c(out, c);
    }
}

bool kiln_words_flag(const char *text, KilnSpan *rest, char escape, GString *word, KilnSpan *place)
{
    *rest = kiln_span_trim(text, *rest);
    if (rest->end - rest->start < 2 || memcmp(text + rest->start, "--", 2) != 0)
        return false;
    gsize at = rest->start;
    g_string_truncate(word, 0);
    read_flag(text, &at, rest->end, escape, word);
    *place = (KilnSpan){rest->start, at};
    rest->start = at;
    if (word->len > strlen("--"))
        return true;
    *rest = kiln_span_trim(text, *rest);
    return false;
}
