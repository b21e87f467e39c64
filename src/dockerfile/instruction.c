#include "dockerfile/instruction.h"

#include <stdalign.h>
#include <string.h>

#include "dockerfile/excerpt.h"
#include "dockerfile/grammar.h"
#include "dockerfile/heredoc.h"
#include "dockerfile/json.h"
#include "dockerfile/words.h"

void kiln_scratch_init(KilnScratch *scratch)
{
    *scratch = (KilnScratch){
        .spans = g_array_new(FALSE, FALSE, sizeof(KilnSpan)),
        .pointers = g_ptr_array_new(),
        .text = g_string_new(NULL),
    };
}

void kiln_scratch_clear(KilnScratch *scratch)
{
    g_array_unref(scratch->spans);
    g_ptr_array_unref(scratch->pointers);
    g_string_free(scratch->text, TRUE);
}

const KilnList kiln_list_empty = {0};

KilnList *kiln_list_new(KilnArena *arena, guint count)
{
    gsize size = sizeof(KilnList) + count * sizeof(void *);
    KilnList *list = kiln_arena_alloc(arena, size, alignof(KilnList));
    list->len = count;
    return list;
}

KilnList *kiln_list_copy(KilnArena *arena, const GPtrArray *pointers)
{
    KilnList *list = kiln_list_new(arena, pointers->len);
    memcpy(list->pdata, pointers->pdata, pointers->len * sizeof(void *));
    return list;
}

/* What splitting one instruction needs. */
typedef struct {
    const KilnDockerfile *d;
    const KilnLogicalLine *line;
    KilnScratch *scratch;
    const char *text; /* line->text->str */
    KilnInstruction *i;
    KilnSpan all; /* the whole instruction */
    KilnList *args; /* i->args, while they are added */
    KilnSpan rest;  /* what follows the keyword and the flags, trimmed */
    bool triggered; /* it stands behind ONBUILD */
    GError **doubt; /* as for kiln_instruction_split() */
} Split;

static KilnInstruction *split(const KilnDockerfile *d, const KilnLogicalLine *line, gsize start,
                              bool triggered, KilnScratch *scratch, GError **doubt,
                              GError **error);

/* Makes room for so many arguments more. */
static void extend_args(Split *s, guint count)
{
    const KilnList *old = s->i->args;
    const KilnPlace *places = s->i->arg_places;
    KilnArena *arena = s->d->arena;
    s->i->args = s->args = kiln_list_new(arena, old->len + count);
    s->args->len = old->len;
    s->i->arg_places =
        kiln_arena_alloc(arena, (old->len + count) * sizeof(KilnPlace), alignof(KilnPlace));
    for (guint n = 0; n < old->len; n++) {
        s->args->pdata[n] = old->pdata[n];
        s->i->arg_places[n] = places[n];
    }
}

static void add_arg(Split *s, char *value, KilnSpan span)
{
    s->i->arg_places[s->args->len] = kiln_logical_line_place(s->line, span.start, span.end);
    s->args->pdata[s->args->len++] = value;
}

static void add_arg_text(Split *s, KilnSpan span)
{
    if (span.end == s->all.end) /* the text is there already, NUL and all */
        add_arg(s, s->i->original + (span.start - s->all.start), span);
    else
        add_arg(s, kiln_arena_copy(s->d->arena, s->text + span.start, span.end - span.start), span);
}

static void add_line(Split *s, KilnSpan span)
{
    extend_args(s, 1);
    add_arg_text(s, span);
}

static void add_words(Split *s, KilnSpan span)
{
    const GArray *words = s->scratch->spans;
    kiln_words_blank(s->text, span, s->scratch->spans);
    if (words->len > 0)
        extend_args(s, words->len);
    for (guint n = 0; n < words->len; n++)
        add_arg_text(s, g_array_index(words, KilnSpan, n));
}

/* The JSON form if it is that; else *json is false and nothing is added. */
static bool add_json(Split *s, KilnSpan span, bool *json, GError **error)
{
    GArray *spans = s->scratch->spans;
    GPtrArray *strings = s->scratch->pointers;
    g_array_set_size(spans, 0);
    g_ptr_array_set_size(strings, 0);
    KilnSpan bad = {span.start, span.end};
    KilnJsonForm form = kiln_json_strings(s->text, span, s->d->arena, strings, spans, &bad);
    *json = form == KILN_JSON_STRINGS;
    if (form == KILN_JSON_MIXED || form == KILN_JSON_NUL) {
        KilnPlace place = kiln_logical_line_place(s->line, bad.start, bad.end);
        kiln_dockerfile_error(error, s->d, &place, KILN_DOCKERFILE_ERROR_SYNTAX, "%s",
                              form == KILN_JSON_NUL
                                  ? "a string of the JSON form holds \\u0000, which no argument can"
                                  : "the JSON form takes strings only; put quotes around this");
        return false;
    }
    if (*json) {
        extend_args(s, strings->len);
        for (guint n = 0; n < strings->len; n++)
            add_arg(s, g_ptr_array_index(strings, n), g_array_index(spans, KilnSpan, n));
        s->i->json = true;
    }
    return true;
}

/* The `=` of a word, as an offset, or the word's end. */
static gsize find_equals(const Split *s, KilnSpan word)
{
    const char *equals = memchr(s->text + word.start, '=', word.end - word.start);
    return equals ? (gsize)(equals - s->text) : word.end;
}

static void add_pair(Split *s, KilnSpan name, KilnSpan value)
{
    add_arg_text(s, name);
    add_arg_text(s, value);
}

/* ENV and LABEL. Whether the first word has a "=" decides between the two forms. */
static bool split_pairs(Split *s, GError **error)
{
    const GArray *words = s->scratch->spans;
    kiln_words_quoted(s->text, s->rest, s->d->escape, s->scratch->spans);
    if (words->len == 0)
        return true;
    KilnSpan first = g_array_index(words, KilnSpan, 0);
    if (find_equals(s, first) == first.end) {
        kiln_words_blank(s->text, s->rest, s->scratch->spans);
        KilnSpan name = g_array_index(words, KilnSpan, 0);
        if (words->len < 2) {
            KilnPlace place = kiln_logical_line_place(s->line, name.start, name.end);
            kiln_dockerfile_error(error, s->d, &place, KILN_DOCKERFILE_ERROR_ARGUMENT,
                                  "%s needs a name and a value: %s name=value",
                                  kiln_instruction_keyword(s->i->kind),
                                  kiln_instruction_keyword(s->i->kind));
            return false;
        }
        s->i->legacy = true;
        extend_args(s, 2);
        add_pair(s, name, (KilnSpan){g_array_index(words, KilnSpan, 1).start, s->rest.end});
        return true;
    }
    extend_args(s, 2 * words->len);
    for (guint n = 0; n < words->len; n++) {
        KilnSpan word = g_array_index(words, KilnSpan, n);
        gsize equals = find_equals(s, word);
        if (equals == word.end) {
            g_autofree char *shown = kiln_excerpt_text(s->text + word.start, word.end - word.start);
            KilnPlace place = kiln_logical_line_place(s->line, word.start, word.end);
            kiln_dockerfile_error(
                error, s->d, &place, KILN_DOCKERFILE_ERROR_SYNTAX,
                "%s is not of the form name=value; a value with spaces needs quotes", shown);
            return false;
        }
        add_pair(s, (KilnSpan){word.start, equals}, (KilnSpan){equals + 1, word.end});
    }
    return true;
}

static void split_declarations(Split *s)
{
    const GArray *words = s->scratch->spans;
    kiln_words_quoted(s->text, s->rest, s->d->escape, s->scratch->spans);
    if (words->len > 0)
        extend_args(s, 2 * words->len);
    for (guint n = 0; n < words->len; n++) {
        KilnSpan word = g_array_index(words, KilnSpan, n);
        gsize equals = find_equals(s, word);
        add_arg_text(s, (KilnSpan){word.start, equals});
        if (equals == word.end)
            add_arg(s, NULL, word);
        else
            add_arg_text(s, (KilnSpan){equals + 1, word.end});
    }
}

/* HEALTHCHECK: a type, and for CMD a command. */
static bool split_healthcheck(Split *s, GError **error)
{
    KilnSpan type = {s->rest.start, s->rest.start};
    while (type.end < s->rest.end && !kiln_space_at(s->text + type.end, s->text + s->rest.end))
        type.end++;
    if (type.end == type.start)
        return true;
    extend_args(s, 1);
    char *word = kiln_arena_copy(s->d->arena, s->text + type.start, type.end - type.start);
    for (char *c = word; *c; c++)
        *c = g_ascii_toupper(*c);
    add_arg(s, word, type);
    KilnSpan command = kiln_span_trim(s->text, (KilnSpan){type.end, s->rest.end});
    if (command.start == command.end)
        return true;
    bool json;
    if (!add_json(s, command, &json, error))
        return false;
    if (!json)
        add_line(s, command);
    return true;
}

/* ONBUILD: the text as it goes into the configuration, and the same as an instruction. */
static bool split_trigger(Split *s, gsize behind_keyword, GError **error)
{
    /* An ONBUILD behind ONBUILD will be refused, and is not followed into any depth. */
    if (s->rest.start == s->rest.end || s->triggered)
        return true;
    /* BuildKit takes what follows the keyword, blanks at the end included. */
    gsize start = behind_keyword, n;
    while ((n = kiln_space_at(s->text + start, s->text + s->line->text->len)) > 0)
        start += n;
    add_line(s, (KilnSpan){start, s->line->text->len});
    g_autoptr(GError) fault = NULL;
    s->i->trigger = split(s->d, s->line, s->rest.start, true, s->scratch, s->doubt, &fault);
    if (!fault)
        return true;
    if (fault->code == KILN_DOCKERFILE_ERROR_UNKNOWN_INSTRUCTION) {
        g_propagate_error(s->doubt, g_steal_pointer(&fault));
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&fault));
    return false;
}

static void split_flags(Split *s)
{
    GPtrArray *flags = s->scratch->pointers;
    GString *word = s->scratch->text;
    g_ptr_array_set_size(flags, 0);
    KilnSpan place;
    while (kiln_words_flag(s->text, &s->rest, s->d->escape, word, &place)) {
        KilnFlag *flag = kiln_arena_alloc(s->d->arena, sizeof *flag, alignof(KilnFlag));
        flag->name = kiln_arena_copy(s->d->arena, word->str + 2, word->len - 2);
        flag->value = strchr(flag->name, '=');
        if (flag->value)
            *flag->value++ = '\0';
        flag->place = kiln_logical_line_place(s->line, place.start, place.end);
        g_ptr_array_add(flags, flag);
    }
    if (flags->len > 0)
        s->i->flags = kiln_list_copy(s->d->arena, flags);
}

static bool split_args(Split *s, gsize behind_keyword, GError **error)
{
    bool json = false;
    switch (kiln_grammar_rule(s->i->kind)->form) {
    case KILN_FORM_WORDS:
        add_words(s, s->rest);
        return true;
    case KILN_FORM_LINE:
        if (s->rest.start < s->rest.end)
            add_line(s, s->rest);
        return true;
    case KILN_FORM_JSON_OR_LINE:
        if (!add_json(s, s->rest, &json, error))
            return false;
        if (!json)
            add_line(s, s->rest);
        return true;
    case KILN_FORM_JSON_OR_WORDS:
        if (!add_json(s, s->rest, &json, error))
            return false;
        if (!json)
            add_words(s, s->rest);
        return true;
    case KILN_FORM_PAIRS:
        return split_pairs(s, error);
    case KILN_FORM_DECLARATIONS:
        split_declarations(s);
        return true;
    case KILN_FORM_HEALTHCHECK:
        return split_healthcheck(s, error);
    case KILN_FORM_TRIGGER:
        return split_trigger(s, behind_keyword, error);
    }
    g_assert_not_reached();
}

static char **copy_comments(KilnArena *arena, const GArray *comments)
{
    gsize size = (comments->len + 1) * sizeof(char *);
    char **copy = kiln_arena_alloc(arena, size, alignof(char *));
    for (guint n = 0; n < comments->len; n++) {
        const KilnComment *comment = &g_array_index(comments, KilnComment, n);
        copy[n] = kiln_arena_copy(arena, comment->start, comment->length);
    }
    copy[comments->len] = NULL;
    return copy;
}

static KilnInstruction *split(const KilnDockerfile *d, const KilnLogicalLine *line, gsize start,
                              bool triggered, KilnScratch *scratch, GError **doubt, GError **error)
{
    const char *text = line->text->str;
    KilnSpan all = kiln_span_trim(text, (KilnSpan){start, line->text->len});
    KilnSpan keyword = {all.start, all.start};
    while (keyword.end < all.end && !strchr(" \t\v\f\r", text[keyword.end]))
        keyword.end++;
    char *word = kiln_arena_copy(d->arena, text + keyword.start, keyword.end - keyword.start);

    KilnInstructionKind kind;
    const char *suggestion = NULL;
    if (!kiln_grammar_find(word, &kind, &suggestion)) {
        KilnPlace place = kiln_logical_line_place(line, keyword.start, keyword.end);
        g_autofree char *shown = kiln_excerpt_text(word, strlen(word));
        g_autofree char *advice = NULL;
        if (suggestion)
            advice = g_strdup_printf(" (did you mean %s?)", suggestion);
        else if (!g_ascii_isalpha(*word) && !triggered)
            advice = g_strdup_printf(" (if this goes on with the line before, end that with a %c)",
                                     d->escape);
        kiln_dockerfile_error(error, d, &place, KILN_DOCKERFILE_ERROR_UNKNOWN_INSTRUCTION,
                              "unknown instruction: %s%s", shown, advice ? advice : "");
        return NULL;
    }

    KilnInstruction *i = kiln_arena_alloc(d->arena, sizeof *i, alignof(KilnInstruction));
    *i = (KilnInstruction){.kind = kind,
                           .keyword = word,
                           .flags = &kiln_list_empty,
                           .args = &kiln_list_empty,
                           .heredocs = &kiln_list_empty};
    i->original = kiln_arena_copy(d->arena, text + all.start, all.end - all.start);
    i->place = kiln_logical_line_place(line, keyword.start, keyword.end);
    i->place.end_line = line->last_line;
    i->place.end_column = line->last_column;
    if (line->comments->len > 0 && !triggered)
        i->comments = copy_comments(d->arena, line->comments);
    Split s = {.d = d,
               .line = line,
               .scratch = scratch,
               .text = text,
               .i = i,
               .all = all,
               .rest = {keyword.end, all.end},
               .triggered = triggered,
               .doubt = doubt};
    split_flags(&s);
    return split_args(&s, keyword.end, error) ? i : NULL;
}

KilnInstruction *kiln_instruction_split(const KilnDockerfile *d, const KilnLogicalLine *line,
                                        KilnScratch *scratch, GError **doubt, GError **error)
{
    return split(d, line, 0, false, scratch, doubt, error);
}

bool kiln_instruction_takes_heredocs(const KilnInstruction *i)
{
    if (i->trigger)
        i = i->trigger;
    return !i->json &&
           (i->kind == KILN_INST_RUN || i->kind == KILN_INST_COPY || i->kind == KILN_INST_ADD);
}

const char *kiln_instruction_flag(const KilnInstruction *i, const char *name)
{
    for (guint n = i->flags->len; n > 0; n--) {
        const KilnFlag *flag = g_ptr_array_index(i->flags, n - 1);
        if (strcmp(flag->name, name) == 0)
            return flag->value ? flag->value : "";
    }
    return NULL;
}

GPtrArray *kiln_instruction_flags(const KilnInstruction *i, const char *name)
{
    GPtrArray *values = g_ptr_array_new();
    for (guint n = 0; n < i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(i->flags, n);
        if (strcmp(flag->name, name) == 0)
            g_ptr_array_add(values, flag->value ? flag->value : (char *)"");
    }
    return values;
}

bool kiln_instruction_flag_on(const KilnInstruction *i, const char *name)
{
    const char *value = kiln_instruction_flag(i, name);
    return value && g_ascii_strcasecmp(value, "false") != 0;
}

KilnPlace kiln_flag_place(const KilnFlag *flag, const char *part)
{
    KilnPlace place = flag->place;
    const char *value = flag->value ? flag->value : "";
    gsize prefix = strlen("--=") + strlen(flag->name);
    const char *found = part && *part ? strstr(value, part) : NULL;
    if (!found || place.line != place.end_line ||
        place.end_column - place.column + 1 != prefix + strlen(value))
        return place;
    place.column += (guint)(prefix + (gsize)(found - value));
    place.end_column = place.column + (guint)strlen(part) - 1;
    return place;
}

/* Is the command nothing but one heredoc? */
static bool is_only_heredoc(const KilnInstruction *i)
{
    if (i->kind != KILN_INST_RUN || i->json || i->heredocs->len == 0)
        return false;
    const char *line = g_ptr_array_index(i->args, 0);
    KilnHeredoc *heredoc = kiln_heredoc_word(line, strlen(line));
    kiln_heredoc_free(heredoc);
    return heredoc != NULL;
}

bool kiln_instruction_is_script(const KilnInstruction *i)
{
    if (!is_only_heredoc(i))
        return false;
    /* As written: the tab before an indented "#!" makes it no shebang, "<<-" or not. */
    const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, 0);
    return g_str_has_prefix(heredoc->written ? heredoc->written : heredoc->content, "#!");
}

char *kiln_instruction_shell_command(const KilnInstruction *i)
{
    KilnForm form = kiln_grammar_rule(i->kind)->form;
    bool healthcheck = form == KILN_FORM_HEALTHCHECK;
    if (i->json || i->args->len <= healthcheck ||
        (!healthcheck && form != KILN_FORM_JSON_OR_LINE) || i->kind == KILN_INST_SHELL)
        return NULL;
    if (is_only_heredoc(i)) {
        const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, 0);
        return g_strdup(heredoc->content);
    }
    GString *command = g_string_new(g_ptr_array_index(i->args, healthcheck));
    for (guint n = 0; n < i->heredocs->len; n++) {
        const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, n);
        g_string_append_printf(command, "\n%s%s",
                               heredoc->written ? heredoc->written : heredoc->content,
                               heredoc->name);
    }
    return g_string_free(command, FALSE);
}

const KilnHeredoc *kiln_instruction_heredoc(const KilnInstruction *i, guint n)
{
    if (i->heredocs->len == 0 || n >= i->args->len)
        return NULL;
    const char *word = g_ptr_array_index(i->args, n);
    KilnHeredoc *named = kiln_heredoc_word(word, strlen(word));
    const KilnHeredoc *found = NULL;
    /* Of two with one name BuildKit uses the last for both. */
    for (guint at = i->heredocs->len; named && !found && at > 0; at--) {
        const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, at - 1);
        if (strcmp(heredoc->name, named->name) == 0)
            found = heredoc;
    }
    kiln_heredoc_free(named);
    return found;
}
