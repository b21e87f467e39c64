#include "cli/ast-json.h"
#include "cli/ast.h"
#include "cli/table.h"
#include "dockerfile/excerpt.h"

#include <string.h>

static void append_word(GString *to, const char *text)
{
    g_autofree char *shown = kiln_excerpt_text(text, strlen(text));
    g_string_append_printf(to, "%s%s", to->len > 0 ? " " : "", shown);
}

static char *flags_text(const KilnInstruction *i)
{
    GString *text = g_string_new(NULL);
    for (guint n = 0; n < i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(i->flags, n);
        g_autofree char *word =
            g_strconcat("--", flag->name, flag->value ? "=" : "", flag->value, NULL);
        append_word(text, word);
    }
    return g_string_free(text, FALSE);
}

/* Names and values of ENV, LABEL and ARG are arguments in turn. */
static bool has_pairs(const KilnInstruction *i)
{
    return i->kind == KILN_INST_ENV || i->kind == KILN_INST_LABEL || i->kind == KILN_INST_ARG;
}

static char *arguments_text(const KilnInstruction *i)
{
    GString *text = g_string_new(NULL);
    for (guint n = 0; n < i->args->len; n++) {
        const char *word = g_ptr_array_index(i->args, n);
        bool pair = has_pairs(i) && n + 1 < i->args->len;
        const char *value = pair ? g_ptr_array_index(i->args, ++n) : NULL;
        bool quoted = i->json && !(i->kind == KILN_INST_HEALTHCHECK && n == 0);
        g_autofree char *whole = quoted ? g_strdup_printf("\"%s\"", word)
                                         : g_strconcat(word, value ? "=" : "", value, NULL);
        append_word(text, whole);
    }
    for (guint n = 0; n < i->heredocs->len; n++) {
        const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, n);
        g_autofree char *size = g_strdup_printf("[%s: %zu bytes]", heredoc->name,
                                                strlen(heredoc->content));
        append_word(text, size);
    }
    return g_string_free(text, FALSE);
}

static const char *form_of(const KilnInstruction *i)
{
    bool command = i->kind == KILN_INST_RUN || i->kind == KILN_INST_CMD ||
                   i->kind == KILN_INST_ENTRYPOINT || i->kind == KILN_INST_HEALTHCHECK;
    return i->json ? "json" : command ? "shell" : "-";
}

static void add_row(KilnTable *table, const KilnInstruction *i, const char *indent)
{
    g_autofree char *lines = i->place.line == i->place.end_line
                                 ? g_strdup_printf("%u", i->place.line)
                                 : g_strdup_printf("%u-%u", i->place.line, i->place.end_line);
    g_autofree char *name = g_strconcat(indent, kiln_instruction_keyword(i->kind), NULL);
    g_autofree char *flags = flags_text(i);
    g_autofree char *arguments = i->trigger ? g_strdup("") : arguments_text(i);
    const char *cells[] = {lines, name, form_of(i), *flags ? flags : "-", arguments};
    kiln_table_add(table, cells);
    if (i->trigger)
        add_row(table, i->trigger, "  ");
}

static void print_directive(const char *name, const char *value, FILE *to)
{
    g_autofree char *shown = value ? kiln_excerpt_text(value, strlen(value)) : NULL;
    if (shown)
        fprintf(to, "# %s=%s\n", name, shown);
}

static void print_text(const KilnDockerfile *d, FILE *to)
{
    static const char *const headings[] = {"LINE", "INSTRUCTION", "FORM",
                                           "FLAGS", "ARGUMENTS", NULL};
    print_directive("syntax", d->syntax, to);
    print_directive("escape", d->escape == '`' ? "`" : NULL, to);
    print_directive("check", d->check, to);
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    for (guint n = 0; n < d->instructions->len; n++)
        add_row(table, g_ptr_array_index(d->instructions, n), "");
    g_autofree char *text = kiln_table_text(table);
    fputs(text, to);
    for (guint n = 0; n < d->warnings->len; n++) {
        const KilnDockerfileWarning *w = g_ptr_array_index(d->warnings, n);
        fprintf(to, "%s%s:%u:%u: %s: %s\n", n == 0 ? "\n" : "", d->name, w->place.line,
                w->place.column, w->rule, w->text);
    }
}

bool kiln_ast_print(const char *text, gsize size, const char *name, bool json, FILE *out,
                    FILE *err)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse_all(text, size, name, NULL, errors);
    if (json)
        kiln_ast_json(d, errors, out);
    else
        print_text(d, out);
    for (guint n = 0; n < errors->len && !json; n++) {
        const GError *e = g_ptr_array_index(errors, n);
        fprintf(err, "%s%s\n", n == 0 ? "ERROR: " : "", e->message);
    }
    return errors->len == 0;
}
