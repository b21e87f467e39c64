/* Comments, continuations, line ends, directives: from the text to logical lines. */
#include "dump.h"

typedef struct {
    const char *name, *text, *expected;
} Case;

static const Case cases[] = {
    {"comment and blank lines", "# a comment\n\n  # another\nFROM a\n\n \t\n# end", "FROM \"a\""},
    {"no newline at the end", "FROM a\nRUN b", "FROM \"a\"\nRUN \"b\""},
    {"indented instructions", "  FROM a\n\tRUN b  \n", "FROM \"a\"\nRUN \"b\""},
    {"keywords in any case", "from a\nRun b\nworkdir /x", "FROM \"a\"\nRUN \"b\"\nWORKDIR \"/x\""},
    {"continuation keeps indentation", "FROM a\nRUN b \\\n    c\\\nd\n",
     "FROM \"a\"\nRUN \"b     cd\""},
    {"blanks behind the backslash", "FROM a\nRUN b \\ \t \n c\n", "FROM \"a\"\nRUN \"b  c\""},
    {"two backslashes do not continue", "FROM a\nRUN b \\\\\nRUN c",
     "FROM \"a\"\nRUN \"b \\\\\\\\\"\nRUN \"c\""},
    {"comment within a continuation", "FROM a\nENV A=1 \\\n    # why\n    B=2 \\\n# also\n  C=3\n",
     "FROM \"a\"\nENV \"A\" \"1\" \"B\" \"2\" \"C\" \"3\""},
    {"comment ends with a backslash", "FROM a\n# not \\\nRUN b", "FROM \"a\"\nRUN \"b\""},
    {"empty lines within a continuation", "FROM a\nRUN b \\\n\n  \n c\n",
     "FROM \"a\"\nRUN \"b  c\""},
    {"continuation at the end of the file", "FROM a\nRUN b \\", "FROM \"a\"\nRUN \"b\""},
    {"continuation into comments at the end", "FROM a\nRUN b \\\n# c\n", "FROM \"a\"\nRUN \"b\""},
    {"a backslash alone begins a line", "FROM a\n\\\nRUN b\n", "FROM \"a\"\nRUN \"b\""},
    {"hash in the line is no comment", "FROM a\nRUN b # c", "FROM \"a\"\nRUN \"b # c\""},
    {"byte order mark",
     "\xEF\xBB\xBF"
     "FROM a\n",
     "FROM \"a\""},
    {"CRLF", "FROM a\r\nRUN b \\\r\n  c\r\n", "FROM \"a\"\nRUN \"b   c\""},
    {"no-break space before the keyword",
     "\xC2\xA0"
     "FROM a\n",
     "FROM \"a\""},
    {"bytes that are not UTF-8", "FROM a\nCOPY caf\xE9 /\n# \xE9\n",
     "FROM \"a\"\nCOPY \"caf\\351\" \"/\""},
    {"escape directive", "# escape=`\nFROM a\nRUN b `\n c\\\nRUN d",
     "FROM \"a\"\nRUN \"b  c\\\\\"\nRUN \"d\""},
    {"escape directive, odd spelling", "#EsCaPe  =  `  \nFROM a\nRUN b `\n c",
     "FROM \"a\"\nRUN \"b  c\""},
    {"escape behind syntax", "# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN b`\nc",
     "FROM \"a\"\nRUN \"bc\""},
    {"escape behind a comment is a comment", "# hello\n# escape=`\nFROM a\nRUN b `\nRUN c",
     "FROM \"a\"\nRUN \"b `\"\nRUN \"c\""},
    {"escape behind an empty line is a comment", "\n# escape=`\nFROM a\nRUN b `\nRUN c",
     "FROM \"a\"\nRUN \"b `\"\nRUN \"c\""},
    {"escape behind an unknown directive is a comment", "# foo=bar\n# escape=`\nFROM a\nRUN b\\\nc",
     "FROM \"a\"\nRUN \"bc\""},
    {"escape behind an instruction is a comment", "FROM a\n# escape=`\nRUN b `\nRUN c",
     "FROM \"a\"\nRUN \"b `\"\nRUN \"c\""},
    {"directive behind a byte order mark", "\xEF\xBB\xBF# escape=`\nFROM a\nRUN b`\nc",
     "FROM \"a\"\nRUN \"bc\""},
    {"shebang", "#!/usr/bin/env kiln\nFROM a\n", "FROM \"a\""},
};

static void test_case(gconstpointer data)
{
    const Case *c = data;
    assert_parses(c->text, c->expected);
}

static void test_syntax(void)
{
    static const char *const good[] = {
        "docker/dockerfile",
        "docker/dockerfile:1",
        "docker/dockerfile:1.7-labs",
        "docker/dockerfile-upstream:master",
        "docker.io/docker/dockerfile:1",
        "index.docker.io/docker/dockerfile",
        "docker/dockerfile:1@sha256:0123",
        "docker/dockerfile:1 with more words",
    };
    for (gsize n = 0; n < G_N_ELEMENTS(good); n++) {
        g_autofree char *text = g_strdup_printf("# syntax = %s\nFROM a\n", good[n]);
        g_autoptr(KilnDockerfile) d = parse_ok(text);
        g_assert_cmpstr(d->syntax, ==, good[n]);
    }
    g_autoptr(KilnDockerfile) shebang = parse_ok("#!/x\n# syntax=docker/dockerfile:1\nFROM a");
    g_assert_cmpstr(shebang->syntax, ==, "docker/dockerfile:1");
    g_autoptr(KilnDockerfile) late = parse_ok("# c\n# syntax=other/frontend\nFROM a");
    g_assert_null(late->syntax);
}

static void test_foreign_syntax(void)
{
    static const char *const bad[] = {"# syntax=ghcr.io/my/frontend:2\nFROM a",
                                      "# syntax=docker/dockerfiles\nFROM a",
                                      "#!/x\n#syntax=hello\nFROM a", "// syntax=mocker\n{}"};
    for (gsize n = 0; n < G_N_ELEMENTS(bad); n++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_dockerfile_parse(bad[n], strlen(bad[n]), "Dockerfile", &error));
        g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_FRONTEND);
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_dockerfile_parse(bad[0], strlen(bad[0]), "D", &error));
    g_assert_true(g_str_has_prefix(error->message, "D:1:10: "));
    g_assert_nonnull(strstr(error->message, "ghcr.io/my/frontend:2"));
}

static void test_check_directive(void)
{
    g_autoptr(KilnDockerfile) d = parse_ok("# check=skip=JSONArgsRecommended;error=true\nFROM a");
    g_assert_cmpstr(d->check, ==, "skip=JSONArgsRecommended;error=true");
}

static void test_original(void)
{
    g_autoptr(KilnDockerfile) d =
        parse_ok("FROM a\n  RUN   b \\\n  # c\n    d  \nONBUILD  RUN e \\\n f");
    g_assert_cmpstr(instruction(d, 1)->original, ==, "RUN   b     d");
    g_assert_cmpstr(instruction(d, 2)->original, ==, "ONBUILD  RUN e  f");
}

static void assert_place(const KilnPlace *place, guint line, guint column, guint end_line,
                         guint end_column)
{
    g_assert_cmpuint(place->line, ==, line);
    g_assert_cmpuint(place->column, ==, column);
    g_assert_cmpuint(place->end_line, ==, end_line);
    g_assert_cmpuint(place->end_column, ==, end_column);
}

static void test_places(void)
{
    g_autoptr(KilnDockerfile) d = parse_ok("# c\nFROM a AS b\n"
                                           "  COPY --from=x \\\n"
                                           "    # comment\n"
                                           "    src1 sr\\\n"
                                           "c2 /dest\n"
                                           "ENV A=1 \\\n  BB=22\n"
                                           "RUN <<EOF\nx\nEOF\n"
                                           "CMD [\"a\", \"bc\"]");
    const KilnInstruction *from = instruction(d, 0), *copy = instruction(d, 1);
    assert_place(&from->place, 2, 1, 2, 11);
    assert_place(&from->arg_places[1], 2, 11, 2, 11);
    assert_place(&copy->place, 3, 3, 6, 8);
    assert_place(&((KilnFlag *)g_ptr_array_index(copy->flags, 0))->place, 3, 8, 3, 15);
    assert_place(&copy->arg_places[0], 5, 5, 5, 8);
    assert_place(&copy->arg_places[1], 5, 10, 6, 2);
    assert_place(&copy->arg_places[2], 6, 4, 6, 8);
    const KilnInstruction *env = instruction(d, 2);
    assert_place(&env->arg_places[2], 8, 3, 8, 4);
    assert_place(&env->arg_places[3], 8, 6, 8, 7);
    const KilnInstruction *run = instruction(d, 3);
    assert_place(&run->place, 9, 1, 11, 3);
    assert_place(&((KilnHeredoc *)g_ptr_array_index(run->heredocs, 0))->place, 9, 5, 9, 9);
    assert_place(&instruction(d, 4)->arg_places[1], 12, 11, 12, 14);
    g_assert_cmpstr(d->lines[4], ==, "    src1 sr\\");
    g_assert_cmpuint(g_strv_length(d->lines), ==, 12);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *path = g_strconcat("/lines/", cases[n].name, NULL);
        g_test_add_data_func(path, &cases[n], test_case);
    }
    g_test_add_func("/lines/syntax", test_syntax);
    g_test_add_func("/lines/foreign-syntax", test_foreign_syntax);
    g_test_add_func("/lines/check-directive", test_check_directive);
    g_test_add_func("/lines/original", test_original);
    g_test_add_func("/lines/places", test_places);
    return g_test_run();
}
