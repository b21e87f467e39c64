#include "dockerfile/pattern.h"

#include <string.h>

#include "dockerfile/dockerfile.h"
#include "dockerfile/excerpt.h"

/* Matching is done by following all states of the pattern at once, never by backtracking: a hostile
 * pattern ("*a*a*a*b") costs length times length, not an exponential. */

#define MAX_WORK ((guint64)1 << 31)

/* A text as characters. A byte that is not UTF-8 is a character of its own, so that names in other
 * encodings survive. */
typedef struct {
    guint32 *chars;
    gsize *offsets; /* byte offset of each character and of the end */
    gsize length;
} Text;

enum { ANY = 0x80000000u, STAR = 0x80000001u, BYTE = 0x40000000u };

static void text_clear(Text *text)
{
    g_free(text->chars);
    g_free(text->offsets);
    *text = (Text){0};
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Text, text_clear)

static Text text_new(const char *string)
{
    gsize size = strlen(string);
    Text text = {g_new(guint32, size + 1), g_new(gsize, size + 1), 0};
    for (gsize at = 0; at < size;) {
        gunichar c = g_utf8_get_char_validated(string + at, (gssize)(size - at));
        bool valid = c < (gunichar)-2;
        text.offsets[text.length] = at;
        text.chars[text.length++] = valid ? c : BYTE | (guchar)string[at];
        at += valid ? (gsize)g_unichar_to_utf8(c, NULL) : 1;
    }
    text.offsets[text.length] = size;
    return text;
}

/* Turns the text of a pattern to literals, ANY and STAR, in place. */
static bool compile(Text *p, const char *pattern, GError **error)
{
    gsize out = 0;
    for (gsize at = 0; at < p->length; at++) {
        guint32 c = p->chars[at];
        if (c == '\\') {
            c = at + 1 < p->length ? p->chars[++at] : 0;
            /* "}" and "/" are escaped for the sake of ${} alone. */
            if (c == 0 || c > 0x7f || !strchr("*?\\}/", (int)c)) {
                g_autofree char *shown = kiln_excerpt_text(pattern, strlen(pattern));
                g_set_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION,
                            "the pattern %s has a \\ that is before neither * nor ? nor \\", shown);
                return false;
            }
        } else if (c == '*') {
            c = STAR;
        } else if (c == '?') {
            c = ANY;
        }
        p->chars[out++] = c;
    }
    p->length = out;
    return true;
}

static bool affordable(const Text *pattern, const Text *value, GError **error)
{
    if ((guint64)(pattern->length + 1) * (value->length + 1) < MAX_WORK)
        return true;
    g_set_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION,
                "a pattern of %" G_GSIZE_FORMAT " characters on a value of %" G_GSIZE_FORMAT
                " characters is too much work",
                pattern->length, value->length);
    return false;
}

/* The set of places in the pattern that the characters read so far can have led to. */
typedef struct {
    const guint32 *pattern;
    gsize length;
    gsize *now, *next; /* lists of states */
    gsize count;
    guint8 *marked; /* is a state in the list that is being made? */
} Matcher;

static Matcher matcher_new(const guint32 *pattern, gsize length)
{
    return (Matcher){pattern,
                     length,
                     g_new(gsize, length + 1),
                     g_new(gsize, length + 1),
                     0,
                     g_new0(guint8, length + 1)};
}

static void matcher_clear(Matcher *m)
{
    g_free(m->now);
    g_free(m->next);
    g_free(m->marked);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Matcher, matcher_clear)

/* Adds a state, and those behind it that a star matching nothing leads to. */
static void matcher_add(Matcher *m, gsize *list, gsize *count, gsize state)
{
    while (!m->marked[state]) {
        m->marked[state] = 1;
        list[(*count)++] = state;
        if (state == m->length || m->pattern[state] != STAR)
            return;
        state++;
    }
}

static void matcher_start(Matcher *m)
{
    m->count = 0;
    matcher_add(m, m->now, &m->count, 0);
}

static void matcher_unmark(Matcher *m)
{
    for (gsize n = 0; n < m->count; n++)
        m->marked[m->now[n]] = 0;
}

/* Reads a character. With `again` a match may also begin behind it. */
static void matcher_step(Matcher *m, guint32 c, bool again)
{
    gsize count = 0;
    matcher_unmark(m);
    for (gsize n = 0; n < m->count; n++) {
        gsize state = m->now[n];
        guint32 want = state < m->length ? m->pattern[state] : 0;
        if (state == m->length)
            continue;
        if (want == STAR && c != '\n')
            matcher_add(m, m->next, &count, state);
        else if (want == c || (want == ANY && c != '\n'))
            matcher_add(m, m->next, &count, state + 1);
    }
    if (again)
        matcher_add(m, m->next, &count, 0);
    gsize *list = m->now;
    m->now = m->next;
    m->next = list;
    m->count = count;
}

static bool matcher_done(const Matcher *m)
{
    return m->marked[m->length];
}

/* End of the shortest or longest match that begins at `start`; -1 if there is none. */
static gssize match_end(Matcher *m, const Text *value, gsize start, bool longest)
{
    gssize end = -1;
    matcher_start(m);
    for (gsize at = start;; at++) {
        if (matcher_done(m)) {
            end = (gssize)at;
            if (!longest)
                break;
        }
        if (at == value->length || m->count == 0)
            break;
        matcher_step(m, value->chars[at], false);
    }
    matcher_unmark(m);
    m->count = 0;
    return end;
}

static void reverse(guint32 *chars, gsize length)
{
    for (gsize n = 0; n < length / 2; n++) {
        guint32 c = chars[n];
        chars[n] = chars[length - 1 - n];
        chars[length - 1 - n] = c;
    }
}

char *kiln_pattern_trim(const char *pattern, const char *value, bool at_end, bool longest,
                        GError **error)
{
    g_auto(Text) p = text_new(pattern);
    g_auto(Text) text = text_new(value);
    if (!compile(&p, pattern, error) || !affordable(&p, &text, error))
        return NULL;
    if (at_end) {
        reverse(p.chars, p.length);
        reverse(text.chars, text.length);
    }
    g_auto(Matcher) m = matcher_new(p.chars, p.length);
    gssize end = match_end(&m, &text, 0, longest);
    if (end < 0)
        return g_strdup(value);
    return at_end ? g_strndup(value, text.offsets[text.length - (gsize)end])
                  : g_strdup(value + text.offsets[end]);
}

/* For each place of the text, whether some match begins there: the reversed pattern read over the
 * text from its end. */
static guint8 *match_starts(const Text *pattern, const Text *value)
{
    guint8 *starts = g_new0(guint8, value->length + 1);
    g_autofree guint32 *reversed = g_memdup2(pattern->chars, pattern->length * sizeof(guint32));
    reverse(reversed, pattern->length);
    g_auto(Matcher) m = matcher_new(reversed, pattern->length);
    matcher_start(&m);
    for (gsize at = value->length;; at--) {
        starts[at] = matcher_done(&m);
        if (at == 0)
            return starts;
        matcher_step(&m, value->chars[at - 1], true);
    }
}

char *kiln_pattern_replace(const char *pattern, const char *value, const char *replacement,
                           bool all, GError **error)
{
    g_auto(Text) p = text_new(pattern);
    g_auto(Text) text = text_new(value);
    if (!compile(&p, pattern, error) || !affordable(&p, &text, error))
        return NULL;
    g_autofree guint8 *starts = match_starts(&p, &text);
    g_auto(Matcher) m = matcher_new(p.chars, p.length);
    GString *out = g_string_new(NULL);
    gsize copied = 0;   /* what is before this is in `out` */
    gssize before = -1; /* end of the match before */
    for (gsize at = 0; at <= text.length;) {
        gssize end = starts[at] ? match_end(&m, &text, at, true) : -1;
        if (end < 0) {
            at++;
            continue;
        }
        /* An empty match right behind another does not count (Go's regexp, and sed). */
        if (end > before) {
            g_string_append_len(out, value + text.offsets[copied],
                                (gssize)(text.offsets[at] - text.offsets[copied]));
            g_string_append(out, replacement);
            copied = (gsize)end;
        }
        before = end;
        if (!all)
            break;
        at = (gsize)end > at ? (gsize)end : at + 1;
    }
    g_string_append(out, value + text.offsets[copied]);
    return g_string_free(out, FALSE);
}
