#include "dockerfile/expand.h"

#include <string.h>

#include "dockerfile/dockerfile.h"
#include "dockerfile/excerpt.h"
#include "dockerfile/lex.h"
#include "dockerfile/pattern.h"
#include "dockerfile/words.h"

/* How deep ${a:-${b:-…}} may nest: each level is a call. */
#define MAX_DEPTH 100

typedef struct {
    const char *at, *end;
    const KilnLexMode *mode;
    bool keep_escapes; /* as in the mode, or within a pattern */
    guint depth;
    /* Splitting to words; only what is outside of ${} takes part. */
    GPtrArray *words; /* NULL: not wanted */
    GString *word;
    bool in_word;
} Lex;

static bool lex_until(Lex *lex, char stop, GString *out, GError **error);

G_GNUC_PRINTF(2, 3)
static bool fail(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *shown = g_utf8_make_valid(message, -1);
    g_set_error_literal(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION, shown);
    return false;
}

static bool at_end(const Lex *lex)
{
    return lex->at == lex->end;
}

static char peek(const Lex *lex)
{
    return at_end(lex) ? '\0' : *lex->at;
}

/* Length of the character that is next: whole if it is UTF-8, else a byte. */
static gsize next_length(const Lex *lex, gunichar *c)
{
    *c = g_utf8_get_char_validated(lex->at, lex->end - lex->at);
    if (*c < (gunichar)-2)
        return (gsize)g_unichar_to_utf8(*c, NULL);
    *c = 0xFFFD;
    return 1;
}

static void word_add(Lex *lex, const char *text, gsize length)
{
    if (!lex->words || lex->depth > 0)
        return;
    g_string_append_len(lex->word, text, (gssize)length);
    lex->in_word = true;
}

static void word_end(Lex *lex)
{
    if (lex->word->len == 0)
        return; /* empty quotes make no word, as in BuildKit */
    g_ptr_array_add(lex->words, g_strndup(lex->word->str, lex->word->len));
    g_string_truncate(lex->word, 0);
    lex->in_word = false;
}

/* Text whose white space divides words. */
static void word_add_split(Lex *lex, const char *text, gsize length)
{
    if (!lex->words || lex->depth > 0)
        return;
    const char *end = text + length;
    while (text < end) {
        gsize n = kiln_space_at(text, end);
        if (n == 0)
            word_add(lex, text, 1);
        else if (lex->in_word)
            word_end(lex);
        text += MAX(n, 1);
    }
}

static const char *get(const Lex *lex, const char *name)
{
    return lex->mode->lookup ? lex->mode->lookup(name, lex->mode->data) : NULL;
}

/* A variable's name: letters, digits and "_", only digits, or one special character ("$?"). May be
 * empty. */
static char *lex_name(Lex *lex)
{
    const char *start = lex->at;
    gunichar c;
    if (at_end(lex))
        return g_strdup("");
    gsize length = next_length(lex, &c);
    if (g_unichar_isdigit(c)) {
        do {
            lex->at += length;
        } while (!at_end(lex) && ((length = next_length(lex, &c)), g_unichar_isdigit(c)));
    } else if (c < 0x80 && c != 0 && strchr("@*#?-$!", (int)c)) {
        lex->at += length;
    } else {
        while (!at_end(lex) && ((length = next_length(lex, &c)),
                                c == '_' || g_unichar_isalpha(c) || g_unichar_isdigit(c)))
            lex->at += length;
    }
    return g_strndup(start, (gsize)(lex->at - start));
}

/* What stands in ${} up to `stop`. `missing` says what is amiss if that does not come. */
static char *lex_operand(Lex *lex, char stop, bool pattern, const char *missing, GError **error)
{
    if (lex->depth >= MAX_DEPTH) {
        fail(error, "substitutions are nested more than %d deep", MAX_DEPTH);
        return NULL;
    }
    bool keep = lex->keep_escapes;
    lex->keep_escapes = pattern;
    lex->depth++;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) inner = NULL;
    bool ok = lex_until(lex, stop, out, &inner);
    lex->depth--;
    lex->keep_escapes = keep;
    if (ok)
        return g_strndup(out->str, out->len);
    if (at_end(lex))
        fail(error, "%s", missing);
    else
        g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
}

static bool bad_operator(const char *name, const char *op, GError **error)
{
    g_autofree char *shown = kiln_excerpt_text(op, strlen(op));
    return fail(error,
                "${%s%s…}: unsupported operator %s; there are :- - :+ + :? ? # ## %% %%%% / //",
                name, shown, shown);
}

/* ${name/pattern/replacement}, the first "/" already read. */
static bool lex_replace(Lex *lex, const char *name, GString *out, GError **error)
{
    bool all = peek(lex) == '/';
    if (all)
        lex->at++;
    g_autofree char *pattern =
        lex_operand(lex, '/', true, "${…/…: the / before the replacement is missing", error);
    if (!pattern)
        return false;
    g_autofree char *replacement =
        lex_operand(lex, '}', true, "${…/…/…: the closing } is missing", error);
    if (!replacement)
        return false;
    const char *value = get(lex, name);
    if (!value && lex->mode->keep_unset) {
        g_string_append_printf(out, "${%s/%s/%s}", name, pattern, replacement);
        return true;
    }
    g_autofree char *result =
        kiln_pattern_replace(pattern, value ? value : "", replacement, all, error);
    if (!result)
        return false;
    g_string_append(out, result);
    return true;
}

/* ${name#p}, ${name%p}: the operator doubled takes the longest match. */
static bool apply_trim(char op, const char *word, const char *value, GString *out, GError **error)
{
    bool longest = *word == op;
    g_autofree char *result =
        kiln_pattern_trim(longest ? word + 1 : word, value ? value : "", op == '%', longest, error);
    if (!result)
        return false;
    g_string_append(out, result);
    return true;
}

/* ${name OP word}; `op` is "-", ":-", "#" … and is read. */
static bool lex_operator(Lex *lex, const char *name, const char *op, GString *out, GError **error)
{
    bool colon = op[0] == ':';
    char kind = op[strlen(op) - 1];
    bool pattern = kind == '#' || kind == '%';
    if (colon && pattern)
        return bad_operator(name, op, error);
    g_autofree char *word = lex_operand(lex, '}', pattern, "${…: the closing } is missing", error);
    if (!word)
        return false;

    const char *value = get(lex, name);
    bool unset = !value || (colon && *value == '\0');
    if (!value && lex->mode->keep_unset) {
        g_string_append_printf(out, "${%s%s%s}", name, op, word);
        return true;
    }
    switch (kind) {
    case '-':
        g_string_append(out, unset ? word : value);
        return true;
    case '+':
        g_string_append(out, unset ? "" : word);
        return true;
    case '?':
        if (unset)
            return fail(error, "%s: %s", name,
                        *word   ? word
                        : value ? "the variable is empty and must not be"
                                : "the variable is not set and must be");
        g_string_append(out, value);
        return true;
    case '#':
    case '%':
        return apply_trim(kind, word, value, out, error);
    default:
        return bad_operator(name, op, error);
    }
}

/* ${…}, behind the brace. */
static bool lex_braces(Lex *lex, GString *out, GError **error)
{
    if (at_end(lex))
        return fail(error, "${: the closing } is missing");
    if (strchr("{}:", peek(lex)))
        return fail(error, "${%c: the name of a variable is missing", peek(lex));
    g_autofree char *name = lex_name(lex);
    if (at_end(lex))
        return fail(error, "${%s: the closing } is missing", name);

    char op[8] = {0};
    gunichar c;
    gsize length = next_length(lex, &c);
    memcpy(op, lex->at, length);
    lex->at += length;
    switch (c) {
    case '}': {
        const char *value = get(lex, name);
        if (value)
            g_string_append(out, value);
        else if (lex->mode->keep_unset)
            g_string_append_printf(out, "${%s}", name);
        return true;
    }
    case ':':
        if (at_end(lex))
            return fail(error, "${%s:: the closing } is missing", name);
        length = next_length(lex, &c);
        memcpy(op + 1, lex->at, length);
        lex->at += length;
        return lex_operator(lex, name, op, out, error);
    case '-':
    case '+':
    case '?':
    case '#':
    case '%':
        return lex_operator(lex, name, op, out, error);
    case '/':
        return lex_replace(lex, name, out, error);
    default:
        return bad_operator(name, op, error);
    }
}

static bool lex_dollar(Lex *lex, GString *out, GError **error)
{
    lex->at++;
    if (peek(lex) == '{') {
        lex->at++;
        return lex_braces(lex, out, error);
    }
    g_autofree char *name = lex_name(lex);
    const char *value = *name ? get(lex, name) : NULL;
    if (value)
        g_string_append(out, value);
    else if (*name == '\0' || lex->mode->keep_unset)
        g_string_append_printf(out, "$%s", name);
    return true;
}

static bool lex_single_quote(Lex *lex, GString *out, GError **error)
{
    const char *close = memchr(lex->at + 1, '\'', (gsize)(lex->end - lex->at - 1));
    if (!close) {
        lex->at = lex->end;
        return fail(error, "a ' is not closed");
    }
    const char *from = lex->mode->keep_quotes ? lex->at : lex->at + 1;
    const char *to = lex->mode->keep_quotes ? close + 1 : close;
    g_string_append_len(out, from, to - from);
    lex->at = close + 1;
    return true;
}

static bool lex_double_quote(Lex *lex, GString *out, GError **error)
{
    if (lex->mode->keep_quotes)
        g_string_append_c(out, '"');
    lex->at++;
    while (!at_end(lex)) {
        if (*lex->at == '$') {
            if (!lex_dollar(lex, out, error))
                return false;
            continue;
        }
        char c = *lex->at++;
        if (c == '"') {
            if (lex->mode->keep_quotes)
                g_string_append_c(out, '"');
            return true;
        }
        if (c == lex->mode->escape) {
            if (lex->keep_escapes)
                g_string_append_c(out, c);
            if (at_end(lex))
                break;
            /* Between double quotes only these can be escaped; before others the character stays.
             */
            if (*lex->at == '"' || *lex->at == '$' || *lex->at == lex->mode->escape)
                c = *lex->at++;
        }
        g_string_append_c(out, c);
    }
    return fail(error, "a \" is not closed");
}

/* "<<" and the blanks behind it stay together, so that "<< EOF" is one word. */
static void lex_less_than(Lex *lex, GString *out)
{
    const char *start = lex->at++;
    if (peek(lex) == '<') {
        do {
            lex->at++;
        } while (!at_end(lex) && strchr(" \t\r", *lex->at));
    }
    g_string_append_len(out, start, lex->at - start);
}

static void lex_plain(Lex *lex, GString *out)
{
    gunichar ignored;
    gsize length = next_length(lex, &ignored);
    if (*lex->at != lex->mode->escape) {
        g_string_append_len(out, lex->at, (gssize)length);
        word_add_split(lex, lex->at, length);
        lex->at += length;
        return;
    }
    if (lex->keep_escapes) {
        g_string_append_c(out, *lex->at);
        word_add(lex, lex->at, 1);
    }
    lex->at++;
    if (at_end(lex))
        return; /* an escape character at the very end vanishes */
    length = next_length(lex, &ignored);
    g_string_append_len(out, lex->at, (gssize)length);
    word_add(lex, lex->at, length);
    lex->at += length;
}

/* Expands up to `stop`, which is read too; 0 is the end of the text. */
static bool lex_until(Lex *lex, char stop, GString *out, GError **error)
{
    while (!at_end(lex)) {
        gsize before = out->len;
        bool quotes = !lex->mode->ignore_quotes, ok = true;
        char c = *lex->at;
        if (stop && c == stop) {
            lex->at++;
            return true;
        }
        if (c == '$') {
            ok = lex_dollar(lex, out, error);
            if (ok)
                word_add_split(lex, out->str + before, out->len - before);
            else
                return false;
            continue;
        }
        if (c == '\'' && quotes)
            ok = lex_single_quote(lex, out, error);
        else if (c == '"' && quotes)
            ok = lex_double_quote(lex, out, error);
        else if (c == '<')
            lex_less_than(lex, out);
        else {
            lex_plain(lex, out);
            continue;
        }
        if (!ok)
            return false;
        word_add(lex, out->str + before, out->len - before);
    }
    return stop == 0 || fail(error, "the closing %c is missing", stop);
}

bool kiln_lex(const char *text, gsize length, const KilnLexMode *mode, char **result,
              GPtrArray *words, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) word = g_string_new(NULL);
    Lex lex = {
        .at = text,
        .end = text + length,
        .mode = mode,
        .keep_escapes = mode->keep_escapes,
        .words = words,
        .word = word,
    };
    /* Go's text/scanner, which BuildKit reads words with, passes over one. */
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        lex.at += 3;
    if (!lex_until(&lex, 0, out, error))
        return false;
    if (words)
        word_end(&lex);
    if (result)
        *result = g_strndup(out->str, out->len);
    return true;
}

static char *expand(const char *word, const KilnLexMode *mode, GError **error)
{
    char *result = NULL;
    return kiln_lex(word, strlen(word), mode, &result, NULL, error) ? result : NULL;
}

char *kiln_expand_word(const char *word, char escape, KilnLookupFunc lookup, void *data,
                       GError **error)
{
    KilnLexMode mode = {.escape = escape, .lookup = lookup, .data = data};
    return expand(word, &mode, error);
}

char *kiln_expand_raw(const char *word, char escape, KilnLookupFunc lookup, void *data,
                      GError **error)
{
    KilnLexMode mode = {.escape = escape, .ignore_quotes = true, .lookup = lookup, .data = data};
    return expand(word, &mode, error);
}

char **kiln_expand_words(const char *word, char escape, KilnLookupFunc lookup, void *data,
                         GError **error)
{
    KilnLexMode mode = {.escape = escape, .lookup = lookup, .data = data};
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    if (!kiln_lex(word, strlen(word), &mode, NULL, words, error))
        return NULL;
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_steal(words, NULL);
}
