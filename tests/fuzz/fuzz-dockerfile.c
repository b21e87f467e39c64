/* The parser: lines, words, heredocs, the grammar, the lint rules, and the messages of errors. */
#include "dockerfile/dockerfile.h"
#include "fuzz.h"

/* Places are where a caret can point: within the file, and not backwards. */
static void check_place(const KilnDockerfile *d, const KilnPlace *place)
{
    guint lines = g_strv_length(d->lines);
    g_assert_cmpuint(place->line, >=, 1);
    g_assert_cmpuint(place->column, >=, 1);
    g_assert_cmpuint(place->end_line, >=, place->line);
    g_assert_cmpuint(place->end_line, <=, lines);
    g_assert_true(place->end_line > place->line || place->end_column + 1 >= place->column);
}

static void check_instruction(const KilnDockerfile *d, const KilnInstruction *i)
{
    check_place(d, &i->place);
    for (guint n = 0; n < i->args->len; n++) {
        check_place(d, &i->arg_places[n]);
        if (i->kind == KILN_INST_COPY || i->kind == KILN_INST_ADD)
            (void)kiln_instruction_heredoc(i, n);
    }
    for (guint n = 0; n < i->flags->len; n++)
        check_place(d, &((const KilnFlag *)g_ptr_array_index(i->flags, n))->place);
    for (guint n = 0; n < i->heredocs->len; n++)
        check_place(d, &((const KilnHeredoc *)g_ptr_array_index(i->heredocs, n))->place);
    g_autofree char *command = kiln_instruction_shell_command(i);
    if (kiln_instruction_is_script(i))
        g_assert_nonnull(command);
    if (i->trigger)
        check_instruction(d, i->trigger);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    const char *text = (const char *)data;
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autoptr(KilnDockerfile) all = kiln_dockerfile_parse_all(text, size, "Dockerfile", NULL, errors);
    for (guint n = 0; n < all->instructions->len; n++)
        check_instruction(all, g_ptr_array_index(all->instructions, n));
    for (guint n = 0; n < errors->len; n++) {
        KilnPlace place;
        const GError *error = g_ptr_array_index(errors, n);
        g_assert_nonnull(kiln_dockerfile_error_text(error, &place));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }

    g_autoptr(GError) error = NULL;
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(text, size, "Dockerfile", &error);
    fuzz_result(d != NULL, error);
    g_assert_true((d != NULL) == (errors->len == 0));

    g_autofree char *string = fuzz_string(data, size);
    g_autoptr(GError) problem = NULL;
    g_autoptr(KilnInstruction) i = kiln_instruction_parse(string, "ONBUILD of x", &problem);
    fuzz_result(i != NULL, problem);
    return 0;
}
