#include "dockerfile/heredoc.h"

#include <stdalign.h>
#include <string.h>

#include "dockerfile/lex.h"

void kiln_heredoc_free(KilnHeredoc *heredoc)
{
    if (!heredoc)
        return;
    g_free(heredoc->name);
    g_free(heredoc);
}

/* The one word of a text; NULL if it has none or several, or cannot be read. */
static char *single_word(const char *text, gsize length, bool keep_quotes)
{
    KilnLexMode mode = {.escape = '\\', .keep_quotes = keep_quotes, .keep_unset = true};
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    if (!kiln_lex(text, length, &mode, NULL, words, NULL) || words->len != 1)
        return NULL;
    return g_strdup(g_ptr_array_index(words, 0));
}

static guint count_quotes(const char *text)
{
    guint count = 0;
    for (; *text; text++)
        count += *text == '\'' || *text == '"';
    return count;
}

KilnHeredoc *kiln_heredoc_word(const char *word, gsize length)
{
    gsize at = 0;
    while (at < length && g_ascii_isdigit(word[at]))
        at++; /* a file descriptor */
    if (length - at < 3 || word[at] != '<' || word[at + 1] != '<')
        return NULL;
    at += 2;
    bool chomp = word[at] == '-';
    at += chomp;
    while (at < length && strchr(" \t\n\f\r", word[at]))
        at++;
    if (at == length || memchr(word + at, '<', length - at))
        return NULL;

    g_autofree char *name = single_word(word + at, length - at, false);
    g_autofree char *quoted = single_word(word + at, length - at, true);
    if (!name || !quoted)
        return NULL;
    KilnHeredoc *heredoc = g_new0(KilnHeredoc, 1);
    /* A quote that went away was one: then the body is literal. */
    heredoc->expand = count_quotes(name) == count_quotes(quoted);
    heredoc->name = g_steal_pointer(&name);
    heredoc->chomp = chomp;
    return heredoc;
}

/* Where a word of the lexer stands in the line. The lexer keeps quotes, escapes and unset
 * variables, so that the word is nearly always found literally; *from moves on behind it. */
static KilnPlace place_of(const KilnLogicalLine *line, const char *word, gsize *from,
                          const KilnPlace *fallback)
{
    const char *found = strstr(line->text->str + *from, word);
    if (!found) {
        *from = line->text->len; /* once is enough: a line can have very many words */
        return *fallback;
    }
    gsize start = (gsize)(found - line->text->str);
    *from = start + strlen(word);
    return kiln_logical_line_place(line, start, *from);
}

static KilnHeredoc *keep(const KilnHeredoc *heredoc, KilnArena *arena)
{
    KilnHeredoc *kept = kiln_arena_alloc(arena, sizeof *kept, alignof(KilnHeredoc));
    *kept = *heredoc;
    kept->name = kiln_arena_copy(arena, heredoc->name, strlen(heredoc->name));
    return kept;
}

GPtrArray *kiln_heredoc_find(const KilnLogicalLine *line, gsize start, const KilnPlace *place,
                             KilnArena *arena)
{
    GPtrArray *heredocs = g_ptr_array_new();
    KilnLexMode mode = {
        .escape = '\\', .keep_quotes = true, .keep_escapes = true, .keep_unset = true};
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    if (!kiln_lex(line->text->str, line->text->len, &mode, NULL, words, NULL))
        return heredocs;
    gsize from = start;
    for (guint n = 0; n < words->len; n++) {
        const char *word = g_ptr_array_index(words, n);
        KilnHeredoc *heredoc = kiln_heredoc_word(word, strlen(word));
        if (!heredoc)
            continue;
        heredoc->place = place_of(line, word, &from, place);
        g_ptr_array_add(heredocs, keep(heredoc, arena));
        kiln_heredoc_free(heredoc);
    }
    return heredocs;
}

/* Takes the tabs of "<<-" off. */
static void chomp(KilnHeredoc *heredoc)
{
    char *out = heredoc->content;
    bool at_line_start = true;
    for (const char *in = heredoc->content; *in; in++) {
        if (at_line_start && *in == '\t')
            continue;
        at_line_start = *in == '\n';
        *out++ = *in;
    }
    *out = '\0';
}

bool kiln_heredoc_read(KilnHeredoc *heredoc, KilnLineReader *reader, KilnArena *arena, gsize *last)
{
    gsize name_length = strlen(heredoc->name);
    const char *begin = reader->at, *line;
    gsize length;
    while (kiln_reader_physical(reader, &line, &length)) {
        *last = kiln_line_chomp(line, length);
        const char *word = line;
        gsize word_length = *last;
        while (heredoc->chomp && word_length > 0 && *word == '\t') {
            word++;
            word_length--;
        }
        if (word_length == name_length && memcmp(word, heredoc->name, name_length) == 0) {
            gsize size = (gsize)(line - begin);
            heredoc->content = kiln_arena_copy(arena, begin, size);
            if (heredoc->chomp) {
                heredoc->written = kiln_arena_copy(arena, begin, size);
                chomp(heredoc);
            }
            return true;
        }
    }
    return false;
}
