/* Shows what was parsed as text, so that tests compare whole instructions at a glance:
 *     COPY --from=builder "a" "b"      RUN json "ls" "-l"      ARG "A" = nothing
 */
#pragma once

#include <string.h>

#include "dockerfile/dockerfile.h"

static inline void dump_string(GString *out, const char *value)
{
    g_autofree char *escaped = g_strescape(value, NULL);
    g_string_append_printf(out, " \"%s\"", escaped);
}

static inline char *dump_instruction(const KilnInstruction *i)
{
    GString *out = g_string_new(kiln_instruction_keyword(i->kind));
    for (guint n = 0; n < i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(i->flags, n);
        g_string_append_printf(out, " --%s%s%s", flag->name, flag->value ? "=" : "",
                               flag->value ? flag->value : "");
    }
    g_string_append(out, i->json ? " json" : "");
    g_string_append(out, i->legacy ? " legacy" : "");
    for (guint n = 0; n < i->args->len; n++) {
        const char *value = g_ptr_array_index(i->args, n);
        if (value)
            dump_string(out, value);
        else
            g_string_append(out, " nothing");
    }
    for (guint n = 0; n < i->heredocs->len; n++) {
        const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, n);
        g_string_append_printf(out, " %s%s[", heredoc->expand ? "" : "literal ", heredoc->name);
        g_autofree char *escaped = g_strescape(heredoc->content, NULL);
        g_string_append_printf(out, "%s]", escaped);
    }
    return g_string_free(out, FALSE);
}

/* All instructions of a file, a line each. */
static inline char *dump_file(const KilnDockerfile *d)
{
    GString *out = g_string_new(NULL);
    for (guint n = 0; n < d->instructions->len; n++) {
        g_autofree char *line = dump_instruction(g_ptr_array_index(d->instructions, n));
        g_string_append_printf(out, "%s%s", n > 0 ? "\n" : "", line);
    }
    return g_string_free(out, FALSE);
}

static inline KilnDockerfile *parse_ok(const char *text)
{
    g_autoptr(GError) error = NULL;
    KilnDockerfile *d = kiln_dockerfile_parse(text, strlen(text), "Dockerfile", &error);
    g_assert_no_error(error);
    g_assert_nonnull(d);
    return d;
}

/* Parses a text that is right, and compares what comes out. */
static inline void assert_parses(const char *text, const char *expected)
{
    g_autoptr(KilnDockerfile) d = parse_ok(text);
    g_autofree char *got = dump_file(d);
    g_assert_cmpstr(got, ==, expected);
}

static inline const KilnInstruction *instruction(const KilnDockerfile *d, guint n)
{
    g_assert_cmpuint(n, <, d->instructions->len);
    return g_ptr_array_index(d->instructions, n);
}
