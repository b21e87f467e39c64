#include "dockerfile/json.h"

#include <string.h>

#define MAX_DEPTH 10000 /* Go's encoding/json refuses deeper nesting */

typedef struct {
    const char *text;
    gsize at, end;
} Reader;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char peek(Reader *r)
{
    while (r->at < r->end && is_space(r->text[r->at]))
        r->at++;
    return r->at < r->end ? r->text[r->at] : '\0';
}

static bool take(Reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->at++;
    return true;
}

static bool hex4(Reader *r, guint *value)
{
    *value = 0;
    if (r->end - r->at < 4)
        return false;
    for (int n = 0; n < 4; n++) {
        int digit = g_ascii_xdigit_value(r->text[r->at + (gsize)n]);
        if (digit < 0)
            return false;
        *value = *value * 16 + (guint)digit;
    }
    r->at += 4;
    return true;
}

/* \uXXXX, the "\u" already read; a surrogate pair is one character, half a pair is U+FFFD. */
static bool unicode_escape(Reader *r, GString *out, bool *nul)
{
    guint c;
    if (!hex4(r, &c))
        return false;
    if (c >= 0xD800 && c <= 0xDBFF && r->end - r->at >= 6 && r->text[r->at] == '\\' &&
        r->text[r->at + 1] == 'u') {
        Reader ahead = {r->text, r->at + 2, r->end};
        guint low;
        if (hex4(&ahead, &low) && low >= 0xDC00 && low <= 0xDFFF) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            r->at = ahead.at;
        }
    }
    if (c == 0)
        *nul = true;
    else
        g_string_append_unichar(out, c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c);
    return true;
}

/* A string; its opening quote is next. */
static bool read_string(Reader *r, GString *out, bool *nul)
{
    static const char escapes[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (!take(r, '"'))
        return false;
    while (r->at < r->end) {
        char c = r->text[r->at++];
        if (c == '"')
            return true;
        if ((guchar)c < 0x20)
            return false;
        if (c != '\\') {
            g_string_append_c(out, c);
            continue;
        }
        if (r->at == r->end)
            return false;
        c = r->text[r->at++];
        const char *known = c ? strchr(escapes, c) : NULL;
        if (known)
            g_string_append_c(out, values[known - escapes]);
        else if (c != 'u' || !unicode_escape(r, out, nul))
            return false;
    }
    return false;
}

static gsize digits(Reader *r)
{
    gsize from = r->at;
    while (r->at < r->end && g_ascii_isdigit(r->text[r->at]))
        r->at++;
    return r->at - from;
}

static bool next_is(Reader *r, const char *set)
{
    return r->at < r->end && strchr(set, r->text[r->at]);
}

static bool read_number(Reader *r)
{
    if (next_is(r, "-"))
        r->at++;
    if (next_is(r, "0"))
        r->at++;
    else if (digits(r) == 0)
        return false;
    if (next_is(r, ".")) {
        r->at++;
        if (digits(r) == 0)
            return false;
    }
    if (next_is(r, "eE")) {
        r->at++;
        if (next_is(r, "+-"))
            r->at++;
        if (digits(r) == 0)
            return false;
    }
    return true;
}

static bool read_scalar(Reader *r)
{
    static const char *const literals[] = {"true", "false", "null"};
    if (peek(r) == '"') {
        g_autoptr(GString) ignored = g_string_new(NULL);
        return read_string(r, ignored, &(bool){false});
    }
    for (gsize n = 0; n < G_N_ELEMENTS(literals); n++) {
        gsize length = strlen(literals[n]);
        if (r->end - r->at >= length && memcmp(r->text + r->at, literals[n], length) == 0) {
            r->at += length;
            return true;
        }
    }
    return read_number(r);
}

/* In an object a key and a colon come before each value. */
static bool read_key(Reader *r, const GString *open)
{
    if (open->len == 0 || open->str[open->len - 1] != '}')
        return true;
    g_autoptr(GString) ignored = g_string_new(NULL);
    return read_string(r, ignored, &(bool){false}) && take(r, ':');
}

/* Any value. `open` is the stack of closing brackets awaited, so that hostile nesting costs no C
 * stack. */
static bool skip_value(Reader *r)
{
    g_autoptr(GString) open = g_string_new(NULL);
    while (true) {
        char c = peek(r);
        bool done = true;
        if (c == '[' || c == '{') {
            r->at++;
            g_string_append_c(open, c == '[' ? ']' : '}');
            if (open->len >= MAX_DEPTH)
                return false;
            done = peek(r) == open->str[open->len - 1];
            if (!done && !read_key(r, open))
                return false;
        } else if (!read_scalar(r)) {
            return false;
        }
        while (done) {
            if (open->len == 0)
                return true;
            if (take(r, open->str[open->len - 1])) {
                g_string_truncate(open, open->len - 1);
            } else {
                if (!take(r, ',') || !read_key(r, open))
                    return false;
                done = false;
            }
        }
    }
}

/* Go's encoding/json gives U+FFFD for a byte that is not UTF-8. */
static char *valid_copy(KilnArena *arena, const GString *value)
{
    if (g_utf8_validate_len(value->str, value->len, NULL))
        return kiln_arena_copy(arena, value->str, value->len);
    g_autofree char *valid = g_utf8_make_valid(value->str, (gssize)value->len);
    return kiln_arena_copy(arena, valid, strlen(valid));
}

/* `value` is only filled and emptied. */
static bool read_element(Reader *r, KilnArena *arena, GString *value, GPtrArray *strings,
                         GArray *spans, KilnJsonForm *form, KilnSpan *bad)
{
    bool is_string = peek(r) == '"', nul = false;
    KilnSpan span = {r->at, r->at};
    if (is_string) {
        g_string_truncate(value, 0);
        if (!read_string(r, value, &nul))
            return false;
        g_ptr_array_add(strings, valid_copy(arena, value));
        span.end = r->at;
        g_array_append_val(spans, span);
    } else if (!skip_value(r)) {
        return false;
    }
    span.end = r->at;
    if ((nul || !is_string) && *form == KILN_JSON_STRINGS) {
        *form = nul ? KILN_JSON_NUL : KILN_JSON_MIXED;
        *bad = span;
    }
    return true;
}

KilnJsonForm kiln_json_strings(const char *text, KilnSpan span, KilnArena *arena,
                               GPtrArray *strings, GArray *spans, KilnSpan *bad)
{
    Reader r = {text, span.start, span.end};
    KilnJsonForm form = KILN_JSON_STRINGS;
    guint count = strings->len;
    if (!take(&r, '['))
        return KILN_JSON_NOT;
    g_autoptr(GString) value = g_string_new(NULL);
    bool valid = true;
    if (peek(&r) != ']') {
        do {
            valid = read_element(&r, arena, value, strings, spans, &form, bad);
        } while (valid && take(&r, ','));
    }
    valid = valid && take(&r, ']');
    (void)peek(&r);
    if (valid && r.at == r.end && form == KILN_JSON_STRINGS)
        return form;
    g_ptr_array_set_size(strings, (gint)count);
    g_array_set_size(spans, count);
    return valid && r.at == r.end ? form : KILN_JSON_NOT;
}
