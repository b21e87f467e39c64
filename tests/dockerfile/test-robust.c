/* Hostile input: mutated Dockerfiles, binary garbage, and sizes up to the limit in linear time. */
#include <time.h>

#include "dump.h"
#include "dockerfile/expand.h"

/* Every construct of the language, to mutate. */
static const char *const seeds[] = {
    "# syntax=docker/dockerfile:1\n# escape=\\\n# check=skip=all\nARG V=1\n"
    "FROM --platform=$BUILDPLATFORM a:${V:-2} AS b\nENV A=1 \\\n  # c\n  B=\"x y\" C='z'\n"
    "RUN --mount=type=cache,target=/c --network=none x && \\\n\n  y\nSHELL [\"sh\", \"-c\"]\n",
    "FROM a\nCOPY --from=b --chown=1:2 --exclude=x <<A <<-'B' c /d/\n1\nA\n\t2\n\tB\n"
    "RUN <<EOF sh\n#!/bin/sh\nEOF\nONBUILD RUN <<E\nq\nE\nADD [\"a b\", \"/\"]\n",
    "\xEF\xBB\xBF# escape=`\r\nFROM a as B\r\nRUN c `\r\n d\r\nHEALTHCHECK --interval=5s "
    "--retries=3 CMD [\"\\u00e9\\ud83d\\ude00\"]\r\nLABEL a=b c=\"d\" \r\nENV x y\r\n",
    "FROM scratch\nEXPOSE 80/tcp $P\nVOLUME [\"/a\"]\nUSER a:b\nWORKDIR /x\nSTOPSIGNAL 9\n"
    "MAINTAINER m\nENTRYPOINT [\"e\"]\nCMD [{\"a\": [1, -2.5e3, true]}]\nARG X Y=${Z%%*/}\n",
};

static const char *const pieces[] = {
    "\\",
    "\n",
    "\r\n",
    "`",
    "\"",
    "'",
    "<<EOF",
    "<<-",
    "$",
    "${a:-",
    "}",
    "${x//",
    "--",
    "--a=",
    "[",
    "]",
    "[\"a\"",
    ",",
    "# ",
    "ONBUILD ",
    "\xFF",
    "\xC2\xA0",
    "\xE2\x80\x83",
    "\x1b[31m",
    "=",
    "\t",
    "FROM a\n",
    "RUN ",
    "COPY ",
    "\\u",
};

/* A message's form: "NAME:LINE:COL: ", valid text for a terminal. */
static void assert_message(const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == KILN_DOCKERFILE_ERROR);
    g_assert_true(g_regex_match_simple("^fuzz:[1-9][0-9]*:[1-9][0-9]*: ", error->message, 0, 0));
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strchr(error->message, '\x1b'));
}

static const char *no_variable(const char *name, void *data)
{
    (void)data;
    return strlen(name) % 2 ? name : NULL;
}

/* Whatever was parsed can be used: places lie in the file, words expand or say why not. */
static void use(const KilnDockerfile *d)
{
    guint lines = g_strv_length(d->lines);
    for (guint n = 0; n < d->instructions->len; n++) {
        const KilnInstruction *i = instruction(d, n);
        g_assert_cmpuint(i->place.line, <=, i->place.end_line);
        g_assert_cmpuint(i->place.end_line, <=, lines);
        g_free(dump_instruction(i));
        g_autofree char *command = kiln_instruction_shell_command(i);
        g_assert_false(kiln_instruction_is_script(i) && !command);
        for (guint k = 0; k < i->args->len; k++) {
            const KilnPlace *place = &i->arg_places[k];
            g_assert_cmpuint(place->line, >=, i->place.line);
            g_assert_cmpuint(place->end_line, <=, i->place.end_line);
            g_assert_cmpuint(place->column, >=, 1);
            const char *word = g_ptr_array_index(i->args, k);
            if (!word)
                continue;
            (void)kiln_instruction_heredoc(i, k);
            g_autoptr(GError) error = NULL;
            g_autofree char *plain = kiln_expand_word(word, d->escape, no_variable, NULL, &error);
            g_assert_true((plain == NULL) == (error != NULL));
            g_free(kiln_expand_raw(word, d->escape, no_variable, NULL, NULL));
            g_auto(GStrv) words = kiln_expand_words(word, d->escape, no_variable, NULL, NULL);
            g_assert_true((plain == NULL) == (words == NULL));
        }
    }
}

static bool try_parse(const char *text, gsize size)
{
    /* A copy without anything behind it, for the sanitizer to see reads beyond the end. */
    g_autofree char *exact = g_memdup2(text, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(exact ? exact : "", size, "fuzz", &error);
    if (d) {
        g_assert_no_error(error);
        use(d);
    } else {
        assert_message(error);
    }
    return d != NULL;
}

static void mutate(GRand *rand, GString *text)
{
    gint at = g_rand_int_range(rand, 0, (gint)text->len + 1);
    gint length = g_rand_int_range(rand, 1, 12);
    length = MIN(length, (gint)text->len - at);
    const char *piece = pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))];
    switch (g_rand_int_range(rand, 0, 5)) {
    case 0:
        g_string_insert(text, at, piece);
        break;
    case 1:
        g_string_erase(text, at, length);
        break;
    case 2:
        g_string_insert_c(text, at, (gchar)g_rand_int_range(rand, 0, 256));
        break;
    case 3: {
        g_autofree char *copy = g_strndup(text->str + at, (gsize)length);
        g_string_insert(text, g_rand_int_range(rand, 0, (gint)text->len + 1), copy);
        break;
    }
    default:
        g_string_truncate(text, (gsize)MAX(at, (gint)text->len / 2));
        break;
    }
}

static void test_mutations(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(20240517);
    guint good = 0;
    const guint rounds = 20000;
    for (guint n = 0; n < rounds; n++) {
        g_autoptr(GString) text = g_string_new(seeds[n % G_N_ELEMENTS(seeds)]);
        for (gint k = g_rand_int_range(rand, 1, 5); k > 0; k--)
            mutate(rand, text);
        good += try_parse(text->str, text->len);
    }
    /* Both ways are taken often: else the mutations test nothing. */
    g_assert_cmpuint(good, >, rounds / 20);
    g_assert_cmpuint(good, <, rounds - rounds / 20);
}

/* Every beginning of a file is a file. */
static void test_truncations(void)
{
    for (gsize n = 0; n < G_N_ELEMENTS(seeds); n++) {
        for (gsize size = 0; size <= strlen(seeds[n]); size++)
            try_parse(seeds[n], size);
    }
}

static void test_garbage(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    for (int n = 0; n < 2000; n++) {
        g_autofree char *bytes = g_malloc(300);
        for (int k = 0; k < 300; k++)
            bytes[k] = (char)g_rand_int_range(rand, n % 2, 256);
        g_assert_false(try_parse(bytes, 300));
    }
}

/* Lone instructions, as an image's configuration may hold them. */
static void test_triggers(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    for (int n = 0; n < 5000; n++) {
        g_autoptr(GString) text = g_string_new("COPY --from=b <<E c /\nx\nE");
        mutate(rand, text);
        g_autoptr(GError) error = NULL;
        g_autoptr(KilnInstruction) i = kiln_instruction_parse(text->str, "fuzz", &error);
        if (!i)
            assert_message(error);
    }
}

#define LARGE (512 * 1024)

/* Appends a text again and again, in lines of a length that is allowed. */
static void append_repeated(GString *text, const char *repeated)
{
    gsize line = text->len;
    while (text->len < LARGE) {
        g_string_append(text, repeated);
        if (strchr(repeated, '\n'))
            line = text->len;
        if (text->len - line < 60000)
            continue;
        g_string_append(text, "\\\n");
        line = text->len;
    }
}

/* Long texts, each of one construct again and again. Linear code takes a second at most,
 * with sanitizers; quadratic code, in the 100,000 times that most are repeated, tens of seconds. */
static void test_large(void)
{
    static const struct {
        const char *head, *repeated, *tail;
    } cases[] = {
        {"FROM a\nRUN x", " \\\n  && y", "\n"},
        {"FROM a\nRUN x \\\n", "# c\n", "y\n"},
        {"FROM a\nRUN x \\\n", "\n", "y\n"},
        {"FROM a\nRUN ", "x", "\n"},
        {"FROM a\nENV ", "A=b ", "\n"},
        {"FROM a\nENV A=", "\"x y\"", "\n"},
        {"FROM a\nCOPY ", "a ", "/\n"},
        {"FROM a\nCMD [\"a\"", ", \"b\"", "]\n"},
        {"FROM a\nCMD ", "[", "\n"},
        {"FROM a\nCMD [\"a\", ", "{\"a\":", "\n"},
        {"FROM a\nRUN ", "--mount=a ", "x\n"},
        {"FROM a\nRUN <<EOF\n", "a line\n", "EOF\n"},
        {"FROM a\nRUN <<EOF\n", "a line\n", ""},
        {"FROM a\nRUN ", "<<\"a\\b\" ", "\n"},
        {"FROM a\nRUN <<E ", "${x:-", "\n"},
        {"FROM a\nRUN <<E ", "\"$x\" ", "\nE\n"},
        {"FROM a\n", "ONBUILD ", "RUN x\n"},
        {"FROM a\n", "# comment\n", ""},
        {"", "\n", "FROM a\n"},
        {"FROM a\n", "\x01", "\n"},
        {"FROM a\n", "BAD\n", "\n"},
    };
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autoptr(GString) text = g_string_new(cases[n].head);
        append_repeated(text, cases[n].repeated);
        g_string_append(text, cases[n].tail);
        clock_t before = clock();
        g_autoptr(GError) error = NULL;
        g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(text->str, text->len, "fuzz", &error);
        gint64 took = (clock() - before) / (CLOCKS_PER_SEC / G_USEC_PER_SEC);
        g_test_message("%" G_GSIZE_FORMAT ": %" G_GINT64_FORMAT " ms of CPU", n, took / 1000);
        if (!d)
            assert_message(error);
        g_assert_cmpint(took, <, 10 * G_USEC_PER_SEC);
    }
}

static void test_limit(void)
{
    gsize limit = (gsize)16 << 20;
    g_autofree char *text = g_malloc(limit + 1);
    memset(text, 'x', limit + 1);
    memcpy(text, "FROM a\nRUN ", 11);
    guint continued = 0;
    for (gsize at = 60000; at < limit - 2; at += 60000, continued++)
        memcpy(text + at, "\\\n", 2);
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(text, limit, "fuzz", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(g_ptr_array_index(instruction(d, 1)->args, 0)), ==,
                     limit - 11 - 2 * continued);
    g_assert_null(kiln_dockerfile_parse(text, limit + 1, "fuzz", &error));
    assert_message(error);
    g_assert_nonnull(strstr(error->message, "16 MiB"));
}

static void test_ten_thousand_lines(void)
{
    g_autoptr(GString) text = g_string_new("FROM a\n");
    for (int n = 0; n < 10000; n++)
        g_string_append_printf(text, "RUN --mount=type=cache,target=/c echo %d\n", n);
    gint64 before = g_get_monotonic_time();
    g_autoptr(KilnDockerfile) d = parse_ok(text->str);
    g_test_minimized_result((double)(g_get_monotonic_time() - before) / 1e6, "10,000 lines");
    g_assert_cmpuint(d->instructions->len, ==, 10001);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/robust/mutations", test_mutations);
    g_test_add_func("/robust/truncations", test_truncations);
    g_test_add_func("/robust/garbage", test_garbage);
    g_test_add_func("/robust/triggers", test_triggers);
    g_test_add_func("/robust/large", test_large);
    g_test_add_func("/robust/limit", test_limit);
    g_test_add_func("/robust/ten-thousand-lines", test_ten_thousand_lines);
    return g_test_run();
}
