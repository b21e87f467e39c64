/* What is refused, where, and in which words. */
#include "dump.h"

typedef struct {
    const char *text;
    KilnDockerfileError code;
    const char *place; /* LINE:COLUMN */
    const char *words; /* in the message */
} Case;

#define SYNTAX KILN_DOCKERFILE_ERROR_SYNTAX
#define UNKNOWN KILN_DOCKERFILE_ERROR_UNKNOWN_INSTRUCTION
#define FLAG KILN_DOCKERFILE_ERROR_FLAG
#define ARGUMENT KILN_DOCKERFILE_ERROR_ARGUMENT

static const Case cases[] = {
    /* the file as a whole */
    {"", SYNTAX, "1:1", "no instructions"},
    {"\n\n# only a comment\n", SYNTAX, "3:1", "no instructions"},
    {"ARG A=1\n", SYNTAX, "1:1", "no FROM"},
    {"ARG A=1\nRUN x\nFROM a", SYNTAX, "2:1", "before the first FROM"},
    {"\xFF\xFE"
     "F\x01",
     SYNTAX, "1:1", "UTF-16"},
    {"# escape=x\nFROM a", SYNTAX, "1:10", "escape"},
    {"# escape=`\n# escape=\\\nFROM a", SYNTAX, "2:10", "twice"},
    {"# syntax=docker/dockerfile:1\n  # SYNTAX=docker/dockerfile:1\nFROM a", SYNTAX, "2:12",
     "twice"},
    /* instructions */
    {"FROM a\nRUM x", UNKNOWN, "2:1", "unknown instruction: RUM (did you mean RUN?)"},
    {"FROM a\n  workdri /x", UNKNOWN, "2:3", "(did you mean WORKDIR?)"},
    {"FROM a\nFOOBAR x", UNKNOWN, "2:1", "unknown instruction: FOOBAR\n"},
    {"FROM a\n\\\n", UNKNOWN, "2:1", "unknown instruction"},
    {"FROM a\n\x1b[31mRUN\n", UNKNOWN, "2:1", "\\x1b[31mRUN"},
    {"FROM a\nRUN x && \\\n  y\n  && z", UNKNOWN, "4:3", "end that with a \\)"},
    /* flags */
    {"FROM a\nCOPY --fromm=b c d", FLAG, "2:6",
     "unknown flag --fromm for COPY (did you mean --from?)"},
    {"FROM a\nCOPY \\\n  --chmod=1 --from=a --from=b c d", FLAG, "3:22", "--from is given twice"},
    {"FROM a\nCOPY --from b c", FLAG, "2:6", "--from needs a value"},
    {"FROM a\nCOPY --link=yes a b", FLAG, "2:6", "true or false"},
    {"FROM a\nCOPY --link= a b", FLAG, "2:6", "true or false"},
    {"FROM a\nCOPY --checksum=x a b", FLAG, "2:6",
     "COPY, which takes --from, --chown, --chmod, --link"},
    {"FROM a\nADD --from=x a b", FLAG, "2:5", "unknown flag --from for ADD"},
    {"FROM --platfrom=x a", FLAG, "1:6", "(did you mean --platform?)"},
    {"FROM a\nCMD --x y", FLAG, "2:5", "takes no flags"},
    {"FROM a\nENV --x y=z", FLAG, "2:5", "unknown flag --x for ENV"},
    {"FROM a\nRUN --network=bridge x", FLAG, "2:5", "default, none, host"},
    {"FROM a\nRUN --security=x y", FLAG, "2:5", "sandbox, insecure"},
    {"FROM a\nRUN --mount x", FLAG, "2:5", "--mount needs a value"},
    {"FROM a\nHEALTHCHECK --interval=5 CMD x", FLAG, "2:13", "is not a duration"},
    {"FROM a\nHEALTHCHECK --timeout=5us CMD x", FLAG, "2:13", "less than a millisecond"},
    {"FROM a\nHEALTHCHECK --timeout=-5s CMD x", FLAG, "2:13", "less than a millisecond"},
    {"FROM a\nHEALTHCHECK --retries=-1 CMD x", FLAG, "2:13", "--retries=-1"},
    {"FROM a\nHEALTHCHECK --retries=2147483648 CMD x", FLAG, "2:13", "--retries"},
    /* arguments */
    {"FROM", ARGUMENT, "1:1", "FROM takes an image"},
    {"FROM a b", ARGUMENT, "1:8", "FROM image AS name"},
    {"FROM a AS", ARGUMENT, "1:8", "no name behind AS"},
    {"FROM a AS b c", ARGUMENT, "1:13", "FROM image AS name"},
    {"FROM a \\\nRUN b", ARGUMENT, "2:1", "is the \\ at the end of the line before meant?"},
    {"FROM a IS b", ARGUMENT, "1:8", "FROM image AS name"},
    {"FROM a AS 1b", ARGUMENT, "1:11", "1b cannot name a stage"},
    {"FROM a AS b/c", ARGUMENT, "1:11", "b/c cannot name a stage"},
    {"FROM a\nCOPY x", ARGUMENT, "2:1", "only one argument"},
    {"FROM a\nCOPY", ARGUMENT, "2:1", "neither"},
    {"FROM a\nADD [\"x\"]", ARGUMENT, "2:1", "ADD needs at least one source"},
    {"FROM a\nCOPY a <<EOF\nx\nEOF", ARGUMENT, "2:8", "cannot be a heredoc"},
    {"FROM a\nENV", ARGUMENT, "2:1", "ENV needs at least one argument"},
    {"FROM a\nENV A", ARGUMENT, "2:5", "ENV name=value"},
    {"FROM a\nENV A=1 B", SYNTAX, "2:9", "B is not of the form name=value"},
    {"FROM a\nENV =1", ARGUMENT, "2:5", "no name"},
    {"FROM a\nLABEL a=b =c", ARGUMENT, "2:11", "no name"},
    {"FROM a\nARG", ARGUMENT, "2:1", "ARG needs at least one argument"},
    {"FROM a\nARG A =1", ARGUMENT, "2:7", "no name"},
    {"FROM a\nEXPOSE", ARGUMENT, "2:1", "EXPOSE"},
    {"FROM a\nVOLUME", ARGUMENT, "2:1", "VOLUME"},
    {"FROM a\nVOLUME [\"/a\", \" \"]", ARGUMENT, "2:15", "empty"},
    {"FROM a\nUSER", ARGUMENT, "2:1", "USER needs an argument"},
    {"FROM a\nWORKDIR  ", ARGUMENT, "2:1", "WORKDIR"},
    {"FROM a\nSTOPSIGNAL", ARGUMENT, "2:1", "STOPSIGNAL"},
    {"FROM a\nSHELL /bin/sh -c", ARGUMENT, "2:7", "JSON form"},
    {"FROM a\nSHELL []", ARGUMENT, "2:1", "SHELL"},
    {"FROM a\nRUN []", ARGUMENT, "2:1", "no program"},
    {"FROM a\nHEALTHCHECK", ARGUMENT, "2:1", "HEALTHCHECK"},
    {"FROM a\nHEALTHCHECK CMD", ARGUMENT, "2:1", "needs a command"},
    {"FROM a\nHEALTHCHECK NONE x", ARGUMENT, "2:18", "no arguments"},
    {"FROM a\nHEALTHCHECK curl x", ARGUMENT, "2:13", "HEALTHCHECK CMD"},
    /* JSON form */
    {"FROM a\nCMD [\"a\", 1]", SYNTAX, "2:11", "strings only"},
    {"FROM a\nCMD [\"a\", [\"b\"], \\\n {}]", SYNTAX, "2:11", "strings only"},
    {"FROM a\nCMD [null]", SYNTAX, "2:6", "strings only"},
    {"FROM a\nCMD [\"a\", {\"b\": [1, -2.5e+3, true, {}]}]", SYNTAX, "2:11", "strings only"},
    {"FROM a\nCMD [\"a\\u0000\"]", SYNTAX, "2:6", "u0000"},
    /* heredocs */
    {"FROM a\nRUN x\nRUN <<EOF\na\n EOF\n", SYNTAX, "3:5", "just EOF"},
    {"FROM a\nCOPY <<A <<B /\na\nA\nb\n", SYNTAX, "2:10", "just B"},
    {"FROM a\nRUN echo $(( 1 << 3 ))\n", SYNTAX, "2:16", "quotes"},
    /* triggers */
    {"FROM a\nONBUILD", ARGUMENT, "2:1", "ONBUILD"},
    {"FROM a\nONBUILD ONBUILD RUN x", ARGUMENT, "2:9", "another ONBUILD"},
    {"FROM a\nONBUILD FROM b", ARGUMENT, "2:9", "FROM cannot be a trigger"},
    {"FROM a\nONBUILD MAINTAINER b", ARGUMENT, "2:9", "MAINTAINER cannot be a trigger"},
    {"FROM a\nONBUILD ENV b", ARGUMENT, "2:13", "ENV name=value"},
    {"FROM a\nONBUILD CMD [\"b\", 1]", SYNTAX, "2:19", "strings only"},
    /* what RUN's flags hold is read as far as it can be without variables */
    {"FROM a\nRUN --mount= x", FLAG, "2:5", "--mount= is empty"},
    {"FROM a\nRUN --mount=type=bind,\\\"target=/a x", FLAG, "2:5", "a quote is not closed"},
    {"FROM a\nRUN --mount=type=bind,target=\\\"/a\\\" x", FLAG, "2:5", "inside a field"},
    {"FROM a\nRUN --mount=type=bind,from=$b,target=/c x", FLAG, "2:23", "\"FROM $b AS NAME\""},
    {"FROM a\nRUN --mount=FROM=${b} x", FLAG, "2:13", "cannot have variables"},
    {"FROM a\nRUN --device= x", FLAG, "2:5", "--device= is empty"},
    {"FROM a\nRUN --device=b,requird=1 x", FLAG, "2:16", "(did you mean required?)"},
    {"FROM a\nRUN --device=b,required=maybe x", FLAG, "2:16", "neither true nor false"},
    {"FROM a\nRUN --device=name=b,name=c x", FLAG, "2:21", "names one device"},
    {"FROM a\nRUN --device=vendor/x,vendor/y x", FLAG, "2:23", "unknown key in --device: vendor/y"},
};

static void test_case(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(GError) error = NULL;
    KilnDockerfile *d = kiln_dockerfile_parse(c->text, strlen(c->text), "my.Dockerfile", &error);
    g_assert_null(d);
    g_assert_error(error, KILN_DOCKERFILE_ERROR, (gint)c->code);
    g_autofree char *prefix = g_strdup_printf("my.Dockerfile:%s: ", c->place);
    g_test_message("%s", error->message);
    if (!g_str_has_prefix(error->message, prefix))
        g_assert_cmpstr(error->message, ==, prefix);
    if (!strstr(error->message, c->words))
        g_assert_cmpstr(error->message, ==, c->words);
}

static char *message_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_dockerfile_parse(text, strlen(text), "Dockerfile", &error));
    return g_strdup(error->message);
}

static void test_quoted_line(void)
{
    g_autofree char *message = message_of("FROM a\n\n\n\tCOPY --fromm=builder /한 /b\n");
    g_assert_cmpstr(message, ==,
                    "Dockerfile:4:7: unknown flag --fromm for COPY (did you mean --from?)\n"
                    "   4 |  COPY --fromm=builder /한 /b\n"
                    "     |       ^~~~~~~~~~~~~~~");
    /* A wide character before the place takes two cells. */
    g_autofree char *wide = message_of("FROM 한 IS b");
    g_assert_nonnull(strstr(wide, "   1 | FROM 한 IS b\n     |         ^~"));
}

static void test_long_line(void)
{
    g_autofree char *filler = g_strnfill(30000, 'x');
    g_autofree char *text = g_strdup_printf("FROM a\nCOPY --from=%s --what=%s c d", filler, filler);
    g_autofree char *message = message_of(text);
    g_assert_nonnull(strstr(message, "unknown flag --what"));
    g_assert_nonnull(strstr(message, "x --what=x"));
    g_assert_cmpuint(strlen(message), <, 500);
    g_autofree char *word = message_of(filler);
    g_assert_cmpuint(strlen(word), <, 500);
}

/* BuildKit's limit, newline not counted: in instructions, comments and heredocs. */
static void test_line_limit(void)
{
    static const char *const forms[] = {"FROM a\nRUN %s\n", "FROM a\nRUN %s", "#xx%s\r\nFROM a",
                                        "FROM a\nRUN <<EOF\nxxx %s\nEOF"};
    for (gsize n = 0; n < G_N_ELEMENTS(forms); n++) {
        for (gsize extra = 0; extra < 2; extra++) {
            g_autofree char *filler = g_strnfill(65535 - 4 + extra, 'x');
            g_auto(GStrv) parts = g_strsplit(forms[n], "%s", 2);
            g_autofree char *text = g_strjoinv(filler, parts);
            g_autoptr(GError) error = NULL;
            g_autoptr(KilnDockerfile) d =
                kiln_dockerfile_parse(text, strlen(text), "Dockerfile", &error);
            if (extra == 0) {
                g_assert_no_error(error);
                continue;
            }
            g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_SYNTAX);
            g_assert_nonnull(strstr(error->message, "the line has 65536 bytes"));
            g_assert_cmpuint(strlen(error->message), <, 500);
        }
    }
}

static void test_nul(void)
{
    static const char text[] = "FROM a\nRUN x\0y";
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_dockerfile_parse(text, sizeof(text) - 1, "Dockerfile", &error));
    g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_SYNTAX);
    g_assert_true(g_str_has_prefix(error->message, "Dockerfile:2:6: "));
    g_assert_nonnull(strstr(error->message, "binary"));
}

/* Several mistakes are told at once, each with its place. */
static void test_several(void)
{
    g_autofree char *message = message_of("FROM a AS 1\nRUM b\nCOPY c\nRUN d\nENV e\n");
    g_assert_true(g_str_has_prefix(message, "Dockerfile:1:11: "));
    g_assert_nonnull(strstr(message, "\nDockerfile:2:1: unknown instruction: RUM"));
    g_assert_nonnull(strstr(message, "\nDockerfile:3:1: COPY"));
    g_assert_nonnull(strstr(message, "\nDockerfile:5:5: ENV"));
    g_assert_null(strstr(message, "Dockerfile:4"));
}

/* But a lost backslash is one mistake, and a file of garbage is not worth a thousand messages. */
static void test_cascade(void)
{
    g_autofree char *lost = message_of("FROM a\nRUN a && \\\n  b\n  && c\n  && d\n  && e\nUSER f");
    g_assert_nonnull(strstr(lost, "Dockerfile:4:3: "));
    g_assert_null(strstr(lost, "Dockerfile:5"));
    g_autoptr(GString) many = g_string_new("FROM a\n");
    for (int n = 0; n < 1000; n++)
        g_string_append(many, "COPY x\n");
    g_autofree char *message = message_of(many->str);
    g_assert_cmpuint(strlen(message), <, 3000);
}

/* The public way to make such an error, for what is found later. */
static void test_make(void)
{
    g_autoptr(KilnDockerfile) d = parse_ok("FROM a\nCOPY --from=b c d");
    g_autoptr(GError) error = NULL;
    const KilnFlag *flag = g_ptr_array_index(instruction(d, 1)->flags, 0);
    kiln_dockerfile_error(&error, d, &flag->place, KILN_DOCKERFILE_ERROR_ARGUMENT, "no stage %s",
                          "b");
    g_assert_cmpstr(error->message, ==,
                    "Dockerfile:2:6: no stage b\n   2 | COPY --from=b c d\n     |      ^~~~~~~~");
    kiln_dockerfile_error(NULL, d, &flag->place, KILN_DOCKERFILE_ERROR_ARGUMENT, "ignored");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *path = g_strdup_printf("/error/%02" G_GSIZE_FORMAT, n);
        g_test_add_data_func(path, &cases[n], test_case);
    }
    g_test_add_func("/error/quoted-line", test_quoted_line);
    g_test_add_func("/error/long-line", test_long_line);
    g_test_add_func("/error/line-limit", test_line_limit);
    g_test_add_func("/error/nul", test_nul);
    g_test_add_func("/error/several", test_several);
    g_test_add_func("/error/cascade", test_cascade);
    g_test_add_func("/error/make", test_make);
    return g_test_run();
}
