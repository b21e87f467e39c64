#include "dockerfile/dockerfile.h"

#include <string.h>

#include "dockerfile/directives.h"
#include "dockerfile/excerpt.h"
#include "dockerfile/heredoc.h"
#include "dockerfile/instruction.h"
#include "dockerfile/lint.h"

#define MAX_SIZE ((gsize)16 << 20)
#define MAX_LINE 65535 /* without the newline: BuildKit's scanner (bufio.MaxScanTokenSize) */
#define MAX_FAULTS 10  /* instructions reported as wrong in one run */

/* The parse of one text. */
typedef struct {
    KilnDockerfile *d;
    KilnLineReader reader;
    KilnLogicalLine line;
    KilnScratch scratch;
    GPtrArray *errors; /* GError*: of the instructions that were wrong */
    guint faults;      /* how many those are; not each is worth a message */
    bool cascade; /* the line before was an unknown instruction */
    bool stage;   /* a FROM was seen */
} Parse;

void kiln_dockerfile_free(KilnDockerfile *d)
{
    if (!d)
        return;
    g_free(d->name);
    g_free(d->syntax);
    g_free(d->check);
    g_ptr_array_unref(d->instructions);
    g_ptr_array_unref(d->warnings);
    if (d->lines)
        g_free(d->lines[0]); /* all lines are in one block */
    g_free(d->lines);
    kiln_arena_clear(d->arena);
    g_free(d->arena);
    g_free(d);
}

/* Lines for messages: one copy of the text with its line ends turned to NULs. */
static void split_lines(KilnDockerfile *d, const char *text, gsize size)
{
    char *copy = g_strndup(text, size);
    gsize count = 1;
    for (const char *at = copy; (at = memchr(at, '\n', (gsize)(copy + size - at))); at++)
        count++;
    char **lines = g_new(char *, count + 1);
    char *at = copy;
    for (gsize n = 0; n < count; n++) {
        lines[n] = at;
        char *newline = memchr(at, '\n', (gsize)(copy + size - at));
        char *end = newline ? newline : copy + size;
        while (end > at && end[-1] == '\r')
            *--end = '\0';
        if (newline) {
            *newline = '\0';
            at = newline + 1;
        }
    }
    lines[count] = NULL;
    d->lines = lines;
    /* What a last newline ends is no line more. */
    d->line_count = (guint)(count > 1 && *lines[count - 1] == '\0' ? count - 1 : count);
}

static KilnDockerfile *dockerfile_new(const char *name)
{
    KilnDockerfile *d = g_new0(KilnDockerfile, 1);
    d->name = g_strdup(name);
    d->escape = '\\';
    d->instructions = g_ptr_array_new();
    d->warnings = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_warning_free);
    d->arena = g_new(KilnArena, 1);
    kiln_arena_init(d->arena);
    return d;
}

/* Refuses what is not text before anything looks at it; takes a UTF-8 byte order mark off. */
static bool check_text(const KilnDockerfile *d, const char **text, gsize *size, GError **error)
{
    const guchar *bytes = (const guchar *)*text;
    KilnPlace place = {1, 1, 1, 1};
    if (*size > MAX_SIZE) {
        kiln_dockerfile_error(error, d, &place, KILN_DOCKERFILE_ERROR_SYNTAX,
                              "the file has %" G_GSIZE_FORMAT
                              " bytes, and a Dockerfile can have 16 MiB at most",
                              *size);
        return false;
    }
    if (*size >= 2 &&
        ((bytes[0] == 0xFF && bytes[1] == 0xFE) || (bytes[0] == 0xFE && bytes[1] == 0xFF))) {
        kiln_dockerfile_error(error, d, &place, KILN_DOCKERFILE_ERROR_SYNTAX,
                              "the file is UTF-16 text; save it as UTF-8");
        return false;
    }
    if (*size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        *text += 3;
        *size -= 3;
    }
    const char *nul = memchr(*text, '\0', *size);
    if (nul) {
        const char *start = *text;
        for (const char *at = *text; (at = memchr(at, '\n', (gsize)(nul - at))); place.line++)
            start = ++at;
        place.column = (guint)(nul - start) + 1;
        kiln_dockerfile_error(
            error, d, &place, KILN_DOCKERFILE_ERROR_SYNTAX,
            "there is a NUL byte here: this is a binary file, not a Dockerfile");
        return false;
    }
    return true;
}

static bool check_lines(const KilnDockerfile *d, const char *text, gsize size, GError **error)
{
    KilnLineReader reader = {text, text + size, 0, d->escape};
    const char *line;
    gsize length;
    while (kiln_reader_physical(&reader, &line, &length)) {
        length -= line[length - 1] == '\n';
        if (length <= MAX_LINE)
            continue;
        KilnPlace place = {reader.line, 1, reader.line, (guint)length};
        kiln_dockerfile_error(error, d, &place, KILN_DOCKERFILE_ERROR_SYNTAX,
                              "the line has %" G_GSIZE_FORMAT " bytes, and BuildKit reads %d at "
                              "most; break it with %c",
                              length, MAX_LINE, d->escape);
        return false;
    }
    return true;
}

/* Notes that an instruction is wrong; the parse goes on behind it. */
static void add_fault(Parse *p, GError *fault)
{
    bool unknown = fault->code == KILN_DOCKERFILE_ERROR_UNKNOWN_INSTRUCTION;
    p->faults++;
    /* The line behind an unknown instruction is most often of the same broken text: a \ is missing.
     */
    if (!unknown || !p->cascade)
        g_ptr_array_add(p->errors, fault);
    else
        g_error_free(fault);
    p->cascade = unknown;
}

static bool read_heredoc(Parse *p, KilnHeredoc *heredoc, KilnPlace *place, GError **error)
{
    gsize last = 0;
    if (!kiln_heredoc_read(heredoc, &p->reader, p->d->arena, &last)) {
        g_autofree char *shown = kiln_excerpt_text(heredoc->name, strlen(heredoc->name));
        kiln_dockerfile_error(error, p->d, &heredoc->place, KILN_DOCKERFILE_ERROR_SYNTAX,
                              "the heredoc has no end: there is no line that is just %s (if this is "
                              "not meant as a heredoc, put the << in quotes)",
                              shown);
        return false;
    }
    place->end_line = p->reader.line;
    place->end_column = MAX((guint)last, 1);
    return true;
}

/* The text of a trigger goes on with its heredocs as written. */
static void extend_trigger(Parse *p, KilnInstruction *i, const KilnList *heredocs)
{
    g_autoptr(GString) text = g_string_new(g_ptr_array_index(i->args, 0));
    for (guint n = 0; n < heredocs->len; n++) {
        const KilnHeredoc *heredoc = g_ptr_array_index(heredocs, n);
        g_string_append_printf(text, "\n%s%s",
                               heredoc->written ? heredoc->written : heredoc->content,
                               heredoc->name);
    }
    KilnList *args = kiln_list_new(p->d->arena, 1);
    args->pdata[0] = kiln_arena_copy(p->d->arena, text->str, text->len);
    i->args = args;
}

/* Reads the bodies of the heredocs that the instruction's line opens. */
static bool read_heredocs(Parse *p, KilnInstruction *i, GError **error)
{
    if (!kiln_instruction_takes_heredocs(i) || !strstr(p->line.text->str, "<<"))
        return true;
    g_autoptr(GPtrArray) heredocs = kiln_heredoc_find(&p->line, 0, &i->place, p->d->arena);
    if (heredocs->len == 0)
        return true;
    for (guint n = 0; n < heredocs->len; n++)
        if (!read_heredoc(p, g_ptr_array_index(heredocs, n), &i->place, error))
            return false;
    const KilnList *list = kiln_list_copy(p->d->arena, heredocs);
    if (i->trigger) {
        i->trigger->place.end_line = i->place.end_line;
        i->trigger->place.end_column = i->place.end_column;
        extend_trigger(p, i, list);
    }
    (i->trigger ? i->trigger : i)->heredocs = list;
    return true;
}

static bool check_stage(Parse *p, const KilnInstruction *i, GError **error)
{
    p->stage = p->stage || i->kind == KILN_INST_FROM;
    if (p->stage || i->kind == KILN_INST_ARG)
        return true;
    KilnPlace place = i->place;
    place.end_line = place.line;
    place.end_column = place.column + (guint)strlen(i->keyword) - 1;
    kiln_dockerfile_error(error, p->d, &place, KILN_DOCKERFILE_ERROR_SYNTAX,
                          "%s stands before the first FROM, where only ARG can",
                          kiln_instruction_keyword(i->kind));
    p->stage = true; /* say it once */
    return false;
}

/* What is wrong with an ONBUILD trigger fails the builds on the image, not this one. */
static void warn_of_trigger(Parse *p, const KilnInstruction *i, const GError *doubt)
{
    g_autoptr(GError) fault = NULL;
    if (!doubt && i->trigger && !kiln_instruction_check(p->d, i->trigger, &fault))
        doubt = fault;
    KilnPlace place;
    if (!doubt)
        return;
    const char *text = kiln_dockerfile_error_text(doubt, &place);
    kiln_lint_warn(p->d, i, "InvalidOnbuildTrigger", &place,
                   "Builds on this image will fail at the trigger: %s", text);
}

/* The instruction of the logical line that was just read, heredocs and all. */
static KilnInstruction *parse_instruction(Parse *p, GError **error)
{
    g_autoptr(GError) doubt = NULL;
    KilnInstruction *i = kiln_instruction_split(p->d, &p->line, &p->scratch, &doubt, error);
    if (!i || !read_heredocs(p, i, error))
        return NULL;
    kiln_lint_instruction(p->d, i);
    if (!kiln_instruction_check(p->d, i, error))
        return NULL;
    warn_of_trigger(p, i, doubt);
    return i;
}

static void parse_line(Parse *p, bool whole_file)
{
    if (p->line.empty_line > 0) { /* BuildKit gives the line where the instruction ends */
        KilnPlace place = {p->reader.line, 1, p->reader.line, 1};
        kiln_lint_warn(p->d, NULL, "NoEmptyContinuation", &place,
                       "an empty line inside a continued instruction (line %u); this will become "
                       "an error",
                       p->line.empty_line);
    }
    GError *fault = NULL;
    KilnInstruction *i = parse_instruction(p, &fault);
    if (i && whole_file && !check_stage(p, i, &fault))
        i = NULL;
    if (!i) {
        /* A FROM that is wrong still begins a stage. */
        p->stage = p->stage || g_ascii_strncasecmp(p->line.text->str, "FROM", 4) == 0;
        add_fault(p, fault);
        return;
    }
    p->cascade = false;
    g_ptr_array_add(p->d->instructions, i);
}

/* False if an instruction was wrong. */
static bool parse_lines(KilnDockerfile *d, const char *text, gsize size, bool whole_file,
                        GPtrArray *errors)
{
    Parse p = {.d = d,
               .reader = {text, text + size, 0, d->escape, d->directives},
               .errors = errors};
    kiln_logical_line_init(&p.line);
    kiln_scratch_init(&p.scratch);
    while (p.faults < MAX_FAULTS && kiln_reader_logical(&p.reader, &p.line))
        parse_line(&p, whole_file);
    kiln_scratch_clear(&p.scratch);
    kiln_logical_line_clear(&p.line);
    return p.faults == 0;
}

static bool check_whole(KilnDockerfile *d, GError **error)
{
    guint count = d->instructions->len;
    for (guint n = 0; n < count; n++) {
        const KilnInstruction *i = g_ptr_array_index(d->instructions, n);
        if (i->kind == KILN_INST_FROM)
            return true;
    }
    const KilnInstruction *last = count > 0 ? g_ptr_array_index(d->instructions, count - 1) : NULL;
    const KilnDockerfile unquoted = {.name = d->name};
    guint line = last ? last->place.line : MAX(d->line_count, 1);
    KilnPlace place = {line, 1, line, 1};
    kiln_dockerfile_error(error, &unquoted, &place, KILN_DOCKERFILE_ERROR_SYNTAX,
                          "the file has no %s: a Dockerfile needs at least a FROM",
                          last ? "FROM" : "instructions");
    return false;
}

static void read_text(KilnDockerfile *d, const char *text, gsize size, GPtrArray *errors)
{
    GError *error = NULL;
    if (check_text(d, &text, &size, &error)) {
        split_lines(d, text, size);
        if (kiln_directives_read(d, text, size, &error) && check_lines(d, text, size, &error) &&
            parse_lines(d, text, size, true, errors) && check_whole(d, &error))
            kiln_lint(d);
    }
    if (error)
        g_ptr_array_add(errors, error);
}

/* Several errors as one, which has all their messages and the code of the first. */
static void join_errors(const GPtrArray *errors, GError **error)
{
    g_autoptr(GString) messages = g_string_new(NULL);
    for (guint n = 0; n < errors->len; n++) {
        const GError *e = g_ptr_array_index(errors, n);
        g_string_append_printf(messages, "%s%s", n > 0 ? "\n" : "", e->message);
    }
    const GError *first = g_ptr_array_index(errors, 0);
    g_set_error_literal(error, KILN_DOCKERFILE_ERROR, first->code, messages->str);
}

KilnDockerfile *kiln_dockerfile_parse_all(const char *text, gsize size, const char *name,
                                          const char *check, GPtrArray *errors)
{
    KilnDockerfile *d = dockerfile_new(name);
    d->check = g_strdup(check);
    read_text(d, text, size, errors);
    return d;
}

KilnDockerfile *kiln_dockerfile_parse(const char *text, gsize size, const char *name,
                                      GError **error)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse_all(text, size, name, NULL, errors);
    if (errors->len == 0)
        return g_steal_pointer(&d);
    join_errors(errors, error);
    return NULL;
}

/* An instruction without a file, and what its memory belongs to. */
typedef struct {
    KilnInstruction instruction; /* first: kiln_instruction_free() gets a pointer to it */
    KilnDockerfile *file;
} Lone;

KilnInstruction *kiln_instruction_parse(const char *text, const char *name, GError **error)
{
    gsize size = strlen(text);
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autoptr(KilnDockerfile) d = dockerfile_new(name);
    if (!check_text(d, &text, &size, error))
        return NULL;
    split_lines(d, text, size);
    if (!check_lines(d, text, size, error))
        return NULL;
    if (!parse_lines(d, text, size, false, errors)) {
        join_errors(errors, error);
        return NULL;
    }
    if (d->instructions->len != 1) {
        g_set_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_SYNTAX,
                    "%s:1:1: there must be one instruction, and there are %u", name,
                    d->instructions->len);
        return NULL;
    }
    Lone *lone = g_new(Lone, 1);
    *lone = (Lone){*(KilnInstruction *)g_ptr_array_index(d->instructions, 0), d};
    d = NULL;
    return &lone->instruction;
}

void kiln_instruction_free(KilnInstruction *i)
{
    Lone *lone = (Lone *)i;
    if (lone)
        kiln_dockerfile_free(lone->file);
    g_free(lone);
}
