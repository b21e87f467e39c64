/* The rules are those of github.com/moby/patternmatcher (patternmatcher.go, MatchesOrParentMatches)
 * and its ignorefile package; they turn each pattern into a regular expression. Here a pattern is a
 * list of items, and a match is worked out for all of them at once: the set of places in the path
 * that the items so far can reach. So no pattern is slow, and one pass answers for the path and
 * all its parents.
 *
 * Where moby's regular expression says what its authors plainly did not mean, the meaning is kept
 * and not the accident: '{', '|', '}' and '^' outside a class are themselves also next to a
 * wildcard, "\d" is the letter d, '*' and '?' in a class are themselves, and "**" also spans names
 * with a newline. */
#include "tree/ignore.h"

#include "tree/charclass.h"
#include "tree/glob.h"

#include <stdint.h>
#include <string.h>

G_DEFINE_QUARK(kiln - ignore - error - quark, kiln_ignore_error)

typedef enum {
    ITEM_LITERAL, /* text */
    ITEM_CHAR,    /* "?"    [^/] */
    ITEM_CLASS,   /* text, from its '[' on */
    ITEM_STAR,    /* "*"    [^/]* */
    ITEM_DIRS,    /* "**"   zero or more whole directories */
    ITEM_ANY,     /* "**" at the end: .* */
} ItemKind;

typedef struct {
    ItemKind kind;
    const char *text;
    gsize length;
} Item;

typedef struct {
    bool exclusion; /* "!" */
    guint line;     /* of the ignore file, from 1; 0 in a list of patterns */
    char *source;
    char *literals; /* what the literal items point into */
    GArray *items;
} Pattern;

struct KilnIgnore {
    char *name;
    GPtrArray *patterns;
};

static void pattern_free(gpointer data)
{
    Pattern *p = data;
    g_free(p->source);
    g_free(p->literals);
    g_array_unref(p->items);
    g_free(p);
}

void kiln_ignore_free(KilnIgnore *ignore)
{
    if (!ignore)
        return;
    g_ptr_array_unref(ignore->patterns);
    g_free(ignore->name);
    g_free(ignore);
}

/* --- reading --- */

static void add_item(Pattern *p, ItemKind kind, const char *text, gsize length)
{
    Item item = {.kind = kind, .text = text, .length = length};
    g_array_append_val(p->items, item);
}

static void compile(Pattern *p)
{
    const char *s = p->source;
    char *out = p->literals = g_malloc(strlen(s) + 1);

    p->items = g_array_new(FALSE, FALSE, sizeof(Item));
    /* "**name", with nothing special in it, is taken as "ends in name", also within a component. */
    if (g_str_has_prefix(s, "**") && s[2] && s[2] != '/' && !strpbrk(s + 2, "*?[]\\")) {
        add_item(p, ITEM_ANY, NULL, 0);
        add_item(p, ITEM_LITERAL, s + 2, strlen(s + 2));
        return;
    }
    while (*s) {
        const char *start = s;
        if (s[0] == '*' && s[1] == '*') {
            s += s[2] == '/' ? 3 : 2;
            add_item(p, *s ? ITEM_DIRS : ITEM_ANY, NULL, 0);
        } else if (*s == '*') {
            s++;
            add_item(p, ITEM_STAR, NULL, 0);
        } else if (*s == '?') {
            s++;
            add_item(p, ITEM_CHAR, NULL, 0);
        } else if (*s == '[') {
            bool ignored;
            kiln_charclass_match(&s, 0, &ignored);
            add_item(p, ITEM_CLASS, start, (gsize)(s - start));
        } else {
            char *literal = out;
            for (; *s && !strchr("*?[", *s); s++) {
                if (*s == '\\' && s[1])
                    s++;
                *out++ = *s;
            }
            add_item(p, ITEM_LITERAL, literal, (gsize)(out - literal));
        }
    }
}

/* unicode.IsSpace of Go. */
static bool is_space(guint32 c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static char *trim(const char *s)
{
    const char *begin = NULL, *end = s;
    for (const char *p = s; *p;) {
        const char *here = p;
        if (is_space(kiln_char_take(&p)))
            continue;
        if (!begin)
            begin = here;
        end = p;
    }
    return begin ? g_strndup(begin, (gsize)(end - begin)) : g_strdup("");
}

/* filepath.Clean of Go: the shortest path that means the same, as text. */
static char *clean(const char *path)
{
    bool rooted = path[0] == '/';
    g_autoptr(GString) done = g_string_new(rooted ? "/" : "");
    g_auto(GStrv) components = g_strsplit(path, "/", -1);
    gsize floor = done->len; /* a ".." takes nothing away below this length */

    for (char **c = components; *c; c++) {
        if (!**c || g_str_equal(*c, "."))
            continue;
        bool up = g_str_equal(*c, "..");
        if (up && done->len > floor) {
            const char *slash = strrchr(done->str + floor, '/');
            g_string_truncate(done, slash ? (gsize)(slash - done->str) : floor);
            continue;
        }
        if (up && rooted)
            continue;
        if (done->len > rooted)
            g_string_append_c(done, '/');
        g_string_append(done, *c);
        if (up)
            floor = done->len;
    }
    return done->len ? g_string_free(g_steal_pointer(&done), FALSE) : g_strdup(".");
}

/* What ignorefile makes of a line: the pattern, relative, with its '!'. NULL: nothing. */
static char *normalize_line(const char *line)
{
    if (line[0] == '#')
        return NULL;
    g_autofree char *trimmed = trim(line);
    if (!*trimmed)
        return NULL;
    bool invert = trimmed[0] == '!';
    g_autofree char *pattern = trim(trimmed + invert);
    g_autofree char *cleaned = *pattern ? clean(pattern) : g_strdup("");
    bool absolute = cleaned[0] == '/' && cleaned[1];
    return g_strconcat(invert ? "!" : "", cleaned + absolute, NULL);
}

/* Where a pattern stands, for messages: "FILE:LINE", or the name of a list that has no lines. */
static char *place_of(const KilnIgnore *ignore, guint line)
{
    return line ? g_strdup_printf("%s:%u", ignore->name, line) : g_strdup(ignore->name);
}

/* What patternmatcher makes of that: cleaned once more (so "/!a" is an exclusion too), checked. */
static bool add_pattern(KilnIgnore *ignore, const char *text, guint line, GError **error)
{
    g_autofree char *trimmed = trim(text);
    if (!*trimmed)
        return true;
    g_autofree char *cleaned = clean(trimmed);
    g_autofree char *place = place_of(ignore, line);
    bool exclusion = cleaned[0] == '!', bad = false;
    if (exclusion && !cleaned[1]) {
        g_set_error(error, KILN_IGNORE_ERROR, 0,
                    "%s: \"!\" needs a pattern of what not to ignore behind it", place);
        return false;
    }
    kiln_glob_match(cleaned + exclusion, ".", &bad);
    if (bad) {
        g_set_error(error, KILN_IGNORE_ERROR, 0,
                    "%s: malformed pattern \"%s\": a '[' that is not closed, an empty or "
                    "misplaced range in it, or a '\\' at the end; write '\\[' for the character "
                    "itself",
                    place, cleaned + exclusion);
        return false;
    }
    Pattern *p = g_new0(Pattern, 1);
    p->exclusion = exclusion;
    p->line = line;
    p->source = g_strdup(cleaned + exclusion);
    compile(p);
    g_ptr_array_add(ignore->patterns, p);
    return true;
}

static KilnIgnore *ignore_new(const char *name)
{
    KilnIgnore *ignore = g_new(KilnIgnore, 1);
    ignore->name = g_strdup(name);
    ignore->patterns = g_ptr_array_new_with_free_func(pattern_free);
    return ignore;
}

KilnIgnore *kiln_ignore_new(const char *const *patterns, const char *name, GError **error)
{
    g_autoptr(KilnIgnore) ignore = ignore_new(name);
    for (; *patterns; patterns++)
        if (!add_pattern(ignore, *patterns, 0, error))
            return NULL;
    return g_steal_pointer(&ignore);
}

KilnIgnore *kiln_ignore_parse(const char *text, gsize size, const char *name, GError **error)
{
    static const char bom[] = "\xef\xbb\xbf";
    g_autoptr(KilnIgnore) ignore = ignore_new(name);

    const char *p = text, *end = text + size;
    if (size >= 3 && memcmp(p, bom, 3) == 0)
        p += 3;
    for (guint number = 1; p < end; number++) {
        const char *newline = memchr(p, '\n', (gsize)(end - p));
        gsize length = (gsize)((newline ? newline : end) - p);
        if (memchr(p, '\0', length)) {
            g_set_error(error, KILN_IGNORE_ERROR, 0,
                        "%s:%u: there is a NUL byte in the line; the file must be text in UTF-8",
                        name, number);
            return NULL;
        }
        g_autofree char *line = g_strndup(p, length);
        g_autofree char *pattern = normalize_line(line);
        if (pattern && !add_pattern(ignore, pattern, number, error))
            return NULL;
        p = newline ? newline + 1 : end;
    }
    return g_steal_pointer(&ignore);
}

/* --- matching --- */

enum { ENDS = 32, STACK_WORDS = 16 };

/* A path with what is worth knowing about it before the first pattern. */
typedef struct {
    const char *path;
    gsize length;
    gsize words;  /* of a set of places, 0 to length */
    guint n_ends; /* ends of components; ENDS + 1 if there are too many to list */
    gsize ends[ENDS];
    bool below; /* not "does it match" but "could something that begins with this match" */
} Subject;

static void subject_init(Subject *s, const char *path, gsize length, bool below)
{
    s->path = path;
    s->length = length;
    s->words = length / 64 + 1;
    s->below = below;
    s->n_ends = 0;
    for (gsize i = 1; i <= length; i++) {
        if (i < length && path[i] != '/')
            continue;
        if (s->n_ends < ENDS)
            s->ends[s->n_ends] = i;
        if (s->n_ends++ == ENDS)
            return;
    }
}

static void set_add(uint64_t *set, gsize place)
{
    set[place / 64] |= UINT64_C(1) << (place % 64);
}

static bool set_has(const uint64_t *set, gsize place)
{
    return set[place / 64] >> (place % 64) & 1;
}

/* The first place from `from` on, or a number above every place. */
static gsize set_next(const uint64_t *set, gsize words, gsize from)
{
    gsize word = from / 64;
    if (word >= words)
        return SIZE_MAX;
    uint64_t bits = set[word] & UINT64_MAX << (from % 64);
    while (!bits) {
        if (++word == words)
            return SIZE_MAX;
        bits = set[word];
    }
    return word * 64 + (gsize)__builtin_ctzll(bits);
}

/* Where one item leads from place p of the path; into `out`. For a literal that the path ends in
 * the middle of, *partial is set. */
static void step_from(const Subject *s, const Item *item, gsize p, uint64_t *out, bool *partial)
{
    const char *at = s->path + p, *next = at;
    gsize left = s->length - p;
    bool matches;

    switch (item->kind) {
    case ITEM_LITERAL:
        if (memcmp(at, item->text, MIN(left, item->length)) != 0)
            return;
        if (left < item->length)
            *partial = true;
        else
            set_add(out, p + item->length);
        return;
    case ITEM_CHAR:
        if (left && kiln_char_take(&next) != '/')
            set_add(out, (gsize)(next - s->path));
        return;
    case ITEM_CLASS: {
        const char *class = item->text;
        if (left && kiln_charclass_match(&class, kiln_char_take(&next), &matches) && matches)
            set_add(out, (gsize)(next - s->path));
        return;
    }
    case ITEM_STAR:
        /* Where an earlier place has led already, its star has gone on from there too. */
        for (; !set_has(out, p); p++) {
            set_add(out, p);
            if (p == s->length || s->path[p] == '/')
                return;
        }
        return;
    case ITEM_DIRS:
        set_add(out, p);
        for (gsize q = p + 1; q <= s->length; q++)
            if (s->path[q - 1] == '/')
                set_add(out, q);
        return;
    case ITEM_ANY:
        for (gsize q = p; q <= s->length; q++)
            set_add(out, q);
        return;
    }
}

/* Leads all places of `in` over one item. True if that settles a question about what is below. */
static bool step(const Subject *s, const Item *item, const uint64_t *in, uint64_t *out)
{
    bool partial = false;
    memset(out, 0, s->words * sizeof(*out));
    if (item->kind == ITEM_DIRS || item->kind == ITEM_ANY) {
        /* The first place leads to all that later ones lead to, but for those places themselves. */
        step_from(s, item, set_next(in, s->words, 0), out, &partial);
        for (gsize w = 0; w < s->words; w++)
            out[w] |= in[w];
        return false;
    }
    for (gsize p = set_next(in, s->words, 0); p <= s->length; p = set_next(in, s->words, p + 1))
        step_from(s, item, p, out, &partial);
    return partial && s->below;
}

/* Runs all items; the two sets hold s->words each. */
static bool run(const Subject *s, const Pattern *pattern, uint64_t *in, uint64_t *out)
{
    memset(in, 0, s->words * sizeof(*in));
    set_add(in, 0);
    for (guint i = 0; i < pattern->items->len; i++) {
        if (s->below && set_has(in, s->length))
            return true;
        if (step(s, &g_array_index(pattern->items, Item, i), in, out))
            return true;
        if (set_next(out, s->words, 0) == SIZE_MAX)
            return false;
        uint64_t *swap = in;
        in = out;
        out = swap;
    }
    if (s->below)
        return set_has(in, s->length);
    for (gsize p = set_next(in, s->words, 1); p <= s->length; p = set_next(in, s->words, p + 1))
        if (p == s->length || s->path[p] == '/')
            return true;
    return false;
}

/* Whether the literal ends where a component ends; with `whole`, and begins where one begins. */
static bool ends_component(const Subject *s, const Item *literal, bool whole)
{
    for (guint i = 0; i < s->n_ends; i++) {
        if (s->ends[i] < literal->length)
            continue;
        const char *at = s->path + s->ends[i] - literal->length;
        if (memcmp(at, literal->text, literal->length) == 0 &&
            (!whole || at == s->path || at[-1] == '/'))
            return true;
    }
    return false;
}

/* Whether the pattern matches the path or one of its parents. */
static bool pattern_matches(const Pattern *pattern, const Subject *s)
{
    /* Most patterns are refuted or decided by the literal that they begin or end with. */
    guint n = pattern->items->len;
    const Item *first = &g_array_index(pattern->items, Item, 0);
    const Item *last = &g_array_index(pattern->items, Item, n - 1);
    if (first->kind == ITEM_LITERAL && !s->below) {
        if (s->length < first->length || memcmp(s->path, first->text, first->length) != 0)
            return false;
        if (n == 1)
            return s->length == first->length || s->path[first->length] == '/';
    }
    if (last->kind == ITEM_LITERAL && !s->below && s->n_ends <= ENDS) {
        if (n == 2 && first->kind == ITEM_DIRS)
            return ends_component(s, last, true);
        if (!ends_component(s, last, false))
            return false;
    }

    uint64_t on_stack[2 * STACK_WORDS];
    g_autofree uint64_t *on_heap = s->words > STACK_WORDS ? g_new(uint64_t, 2 * s->words) : NULL;
    uint64_t *sets = on_heap ? on_heap : on_stack;
    return run(s, pattern, sets, sets + s->words);
}

/* The last pattern that matches the path or one of its parents, or NULL. */
static const Pattern *deciding(const KilnIgnore *ignore, const char *path)
{
    if (!*path || g_str_equal(path, "."))
        return NULL; /* the context itself is never ignored */
    Subject s;
    subject_init(&s, path, strlen(path), false);
    for (guint i = ignore->patterns->len; i-- > 0;) {
        const Pattern *pattern = g_ptr_array_index(ignore->patterns, i);
        if (pattern_matches(pattern, &s))
            return pattern;
    }
    return NULL;
}

bool kiln_ignore_matches(const KilnIgnore *ignore, const char *path)
{
    const Pattern *pattern = deciding(ignore, path);
    return pattern && !pattern->exclusion;
}

char *kiln_ignore_explain(const KilnIgnore *ignore, const char *path)
{
    const Pattern *pattern = deciding(ignore, path);
    if (!pattern || pattern->exclusion)
        return NULL;
    g_autofree char *place = place_of(ignore, pattern->line);
    g_autofree char *shown = g_utf8_make_valid(pattern->source, -1);
    return g_strdup_printf("the pattern \"%s\" (%s)", shown, place);
}

bool kiln_ignore_prunes(const KilnIgnore *ignore, const char *dir)
{
    if (!*dir || g_str_equal(dir, "."))
        return false;
    g_autofree char *prefix = g_strconcat(dir, "/", NULL);
    gsize length = strlen(dir);
    Subject itself, below;
    subject_init(&itself, dir, length, false);
    subject_init(&below, prefix, length + 1, true);

    /* The last pattern that matches the directory decides for all that lies below it too, but for
     * what a "!" that comes after that pattern brings back. */
    for (guint i = ignore->patterns->len; i-- > 0;) {
        const Pattern *pattern = g_ptr_array_index(ignore->patterns, i);
        if (pattern_matches(pattern, &itself))
            return !pattern->exclusion;
        if (pattern->exclusion && pattern_matches(pattern, &below))
            return false;
    }
    return false;
}

bool kiln_ignore_has_exceptions(const KilnIgnore *ignore)
{
    for (guint i = 0; i < ignore->patterns->len; i++) {
        const Pattern *p = g_ptr_array_index(ignore->patterns, i);
        if (p->exclusion)
            return true;
    }
    return false;
}
