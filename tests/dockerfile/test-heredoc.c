/* Heredocs: which words open one, what their bodies are, and what the shell gets to see. */
#include "dump.h"

static const char *const cases[][2] = {
    {"RUN <<EOF\necho a\n  b\nEOF\nRUN c", "RUN \"<<EOF\" EOF[echo a\\n  b\\n]\nRUN \"c\""},
    {"RUN <<EMPTY\nEMPTY", "RUN \"<<EMPTY\" EMPTY[]"},
    {"RUN 3<<EOF\nEOF", "RUN \"3<<EOF\" EOF[]"},
    {"RUN <<'EOF'\n$x\nEOF", "RUN \"<<'EOF'\" literal EOF[$x\\n]"},
    {"RUN <<E\"O\"F\n$x\nEOF", "RUN \"<<E\\\"O\\\"F\" literal EOF[$x\\n]"},
    {"RUN <<eo\\'f\nx\neo'f", "RUN \"<<eo\\\\'f\" eo'f[x\\n]"},
    {"RUN <<'one two'\nx\none two", "RUN \"<<'one two'\" literal one two[x\\n]"},
    {"RUN <<$EOF\n$EOF", "RUN \"<<$EOF\" $EOF[]"},
    {"RUN << EOF > foo\nEOF", "RUN \"<< EOF > foo\" EOF[]"},
    {"RUN <<-EOF\n\t\ta\n\tb \tc\n\tEOF", "RUN \"<<-EOF\" EOF[a\\nb \\tc\\n]"},
    {"RUN <<EOF\n\tEOF\nEOF", "RUN \"<<EOF\" EOF[\\tEOF\\n]"},
    {"RUN <<EOF python3\n# no comment\nprint('\\\\') \\\nEOF",
     "RUN \"<<EOF python3\" EOF[# no comment\\nprint('\\\\\\\\') \\\\\\n]"},
    {"RUN cat <<A <<B\na\nA\nb\nB", "RUN \"cat <<A <<B\" A[a\\n] B[b\\n]"},
    {"COPY <<X <<Y /dest\nY\nX\nX\nY", "COPY \"<<X\" \"<<Y\" \"/dest\" X[Y\\n] Y[X\\n]"},
    {"COPY --chmod=755 <<-\"a.sh\" b /bin/\n\tx\na.sh",
     "COPY --chmod=755 \"<<-\\\"a.sh\\\"\" \"b\" \"/bin/\" literal a.sh[x\\n]"},
    {"ADD <<EOF /x\na\nEOF", "ADD \"<<EOF\" \"/x\" EOF[a\\n]"},
    {"RUN --mount=type=cache,target=/c <<EOF\na\nEOF",
     "RUN --mount=type=cache,target=/c \"<<EOF\" EOF[a\\n]"},
    {"RUN a && \\\n  cat <<EOF\nb\nEOF", "RUN \"a &&   cat <<EOF\" EOF[b\\n]"},
    {"RUN <<EOF\r\na\r\nEOF\r\nRUN b", "RUN \"<<EOF\" EOF[a\\r\\n]\nRUN \"b\""},
    {"RUN <<EOF\na\nEOF\n\n# c\nRUN b", "RUN \"<<EOF\" EOF[a\\n]\nRUN \"b\""},
    /* what opens none */
    {"RUN \"<<EOF\"", "RUN \"\\\"<<EOF\\\"\""},
    {"RUN [\"<<EOF\"]", "RUN json \"<<EOF\""},
    {"RUN cat <<<word", "RUN \"cat <<<word\""},
    {"RUN echo $((1<<3))", "RUN \"echo $((1<<3))\""},
    {"RUN echo a<<EOF", "RUN \"echo a<<EOF\""},
    {"RUN echo <<", "RUN \"echo <<\""},
    {"RUN cat <<-", "RUN \"cat <<-\""},
    {"RUN x <<\"\"", "RUN \"x <<\\\"\\\"\""},
    {"RUN it's <<EOF", "RUN \"it's <<EOF\""}, /* the quote is not closed */
    {"RUN ${x^^} <<EOF", "RUN \"${x^^} <<EOF\""},
    {"CMD <<EOF", "CMD \"<<EOF\""},
    {"USER <<EOF", "USER \"<<EOF\""},
    {"ENV A=<<EOF", "ENV \"A\" \"<<EOF\""},
};

static void test_case(gconstpointer data)
{
    const char *const *c = data;
    g_autofree char *text = g_strconcat("FROM a\n", c[0], NULL);
    g_autofree char *expected = g_strconcat("FROM \"a\"\n", c[1], NULL);
    assert_parses(text, expected);
}

/* The text for the shell; NULL where there is none. */
static const struct {
    const char *text, *command;
    bool script;
} commands[] = {
    {"RUN echo a", "echo a", false},
    {"RUN", "", false},
    {"RUN [\"a\"]", NULL, false},
    {"CMD a b", "a b", false},
    {"ENTRYPOINT a b", "a b", false},
    {"HEALTHCHECK CMD a b", "a b", false},
    {"HEALTHCHECK CMD [\"a\"]", NULL, false},
    {"HEALTHCHECK NONE", NULL, false},
    {"SHELL [\"a\"]", NULL, false},
    {"USER a", NULL, false},
    {"RUN <<EOF\na\nb\nEOF", "a\nb\n", false},
    {"RUN <<-EOF\n\ta\n\tEOF", "a\n", false},
    {"RUN <<EOF\n#!/usr/bin/env python3\nx\nEOF", "#!/usr/bin/env python3\nx\n", true},
    {"RUN <<EOF sh\n#!/bin/sh\nEOF", "<<EOF sh\n#!/bin/sh\nEOF", false},
    /* "<<-": a "#!" behind a tab is no shebang, and the shell takes the tabs off itself */
    {"RUN <<-EOF\n#!/bin/sh\n\tEOF", "#!/bin/sh\n", true},
    {"RUN <<-EOF\n\t#!/bin/sh\n\tEOF", "#!/bin/sh\n", false},
    {"RUN <<-EOF sh\n\ta\n\tEOF", "<<-EOF sh\n\ta\nEOF", false},
    {"RUN cat <<A - <<B\na\nA\nb\nB", "cat <<A - <<B\na\nA\nb\nB", false},
};

static void test_shell_command(void)
{
    for (gsize n = 0; n < G_N_ELEMENTS(commands); n++) {
        g_autofree char *text = g_strconcat("FROM a\n", commands[n].text, NULL);
        g_autoptr(KilnDockerfile) d = parse_ok(text);
        g_autofree char *command = kiln_instruction_shell_command(instruction(d, 1));
        g_assert_cmpstr(command, ==, commands[n].command);
        g_assert_cmpint(kiln_instruction_is_script(instruction(d, 1)), ==, commands[n].script);
    }
}

static void test_inline_files(void)
{
    g_autoptr(KilnDockerfile) d =
        parse_ok("FROM a\nCOPY <<x.txt other <<'y' /d/\n1\nx.txt\n2\ny\n");
    const KilnInstruction *copy = instruction(d, 1);
    g_assert_cmpstr(kiln_instruction_heredoc(copy, 0)->content, ==, "1\n");
    g_assert_null(kiln_instruction_heredoc(copy, 1));
    g_assert_cmpstr(kiln_instruction_heredoc(copy, 2)->name, ==, "y");
    g_assert_null(kiln_instruction_heredoc(copy, 3));
    g_assert_null(kiln_instruction_heredoc(copy, 4));
}

/* The text of a trigger keeps its heredoc, tabs and all, and can be parsed again. */
static void test_onbuild(void)
{
    g_autoptr(KilnDockerfile) d = parse_ok("FROM a\nONBUILD RUN <<-EOF\n\tx\n\tEOF\nUSER b");
    const KilnInstruction *onbuild = instruction(d, 1);
    const char *text = g_ptr_array_index(onbuild->args, 0);
    g_assert_cmpstr(text, ==, "RUN <<-EOF\n\tx\nEOF");
    g_autofree char *trigger = dump_instruction(onbuild->trigger);
    g_assert_cmpstr(trigger, ==, "RUN \"<<-EOF\" EOF[x\\n]");
    g_autoptr(KilnInstruction) again = kiln_instruction_parse(text, "x", NULL);
    g_autofree char *dump = dump_instruction(again);
    g_assert_cmpstr(dump, ==, trigger);
    g_assert_cmpint(instruction(d, 2)->kind, ==, KILN_INST_USER);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *path = g_strdup_printf("/heredoc/%02" G_GSIZE_FORMAT, n);
        g_test_add_data_func(path, cases[n], test_case);
    }
    g_test_add_func("/heredoc/shell-command", test_shell_command);
    g_test_add_func("/heredoc/inline-files", test_inline_files);
    g_test_add_func("/heredoc/onbuild", test_onbuild);
    return g_test_run();
}
