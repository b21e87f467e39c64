/* Each instruction's arguments, flags and forms. The text of a case stands behind "FROM a". */
#include "dump.h"

static const char *const cases[][2] = {
    /* FROM */
    {"FROM b", "FROM \"b\""},
    {"FROM --platform=$BUILDPLATFORM b:1 as Builder",
     "FROM --platform=$BUILDPLATFORM \"b:1\" \"builder\""},
    {"FROM\tb\tAS\tc-1_.x", "FROM \"b\" \"c-1_.x\""},
    /* RUN: shell form, JSON form, and what only looks like JSON */
    {"RUN echo 'a  b' && x", "RUN \"echo 'a  b' && x\""},
    {"RUN [\"a\", \"b c\"]", "RUN json \"a\" \"b c\""},
    {"RUN [ \"a\" , \"\\\"\\u00e9\\ud83d\\ude00\\n\" ]  ",
     "RUN json \"a\" \"\\\"\\303\\251\\360\\237\\230\\200\\n\""},
    {"RUN [\"a\", \"\\ud800\"]", "RUN json \"a\" \"\\357\\277\\275\""},
    {"RUN [\"caf\xE9\"]", "RUN json \"caf\\357\\277\\275\""},
    {"RUN ['a', 'b']", "RUN \"['a', 'b']\""},
    {"RUN [\"a\", \"b\"", "RUN \"[\\\"a\\\", \\\"b\\\"\""},
    {"RUN [\"a\",]", "RUN \"[\\\"a\\\",]\""},
    {"RUN [\"a\"] && b", "RUN \"[\\\"a\\\"] && b\""},
    {"RUN [\"a\\x\"]", "RUN \"[\\\"a\\\\x\\\"]\""},
    {"RUN [\"a\tb\"]", "RUN \"[\\\"a\\tb\\\"]\""},
    {"RUN [ -f x ] || y", "RUN \"[ -f x ] || y\""},
    {"RUN [1, tru]", "RUN \"[1, tru]\""},
    {"RUN [01]", "RUN \"[01]\""},
    {"RUN", "RUN \"\""},
    {"RUN --mount=type=cache,target=/c --mount=type=secret,id=s --network=none x --y",
     "RUN --mount=type=cache,target=/c --mount=type=secret,id=s --network=none \"x --y\""},
    {"RUN --mount=type=bind,\"target=/a b\" x", "RUN --mount=type=bind,target=/a b \"x\""},
    {"RUN --security=insecure --device=vendor.com/device [\"x\"]",
     "RUN --security=insecure --device=vendor.com/device json \"x\""},
    {"RUN -- --mount=x", "RUN \"--mount=x\""},
    {"RUN -x", "RUN \"-x\""},
    /* CMD, ENTRYPOINT, SHELL */
    {"CMD echo hi", "CMD \"echo hi\""},
    {"CMD []", "CMD json"},
    {"CMD", "CMD \"\""},
    {"ENTRYPOINT [\"/x\"]", "ENTRYPOINT json \"/x\""},
    {"ENTRYPOINT []", "ENTRYPOINT json"},
    {"SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]",
     "SHELL json \"/bin/bash\" \"-o\" \"pipefail\" \"-c\""},
    /* COPY and ADD */
    {"COPY a b", "COPY \"a\" \"b\""},
    {"COPY  a   b\t/c/", "COPY \"a\" \"b\" \"/c/\""},
    {"COPY [\"a b\", \"/c\"]", "COPY json \"a b\" \"/c\""},
    {"COPY [a b", "COPY \"[a\" \"b\""},
    {"COPY --from=builder --chown=1:2 --chmod=0644 --link --parents=false --exclude=*.o "
     "--exclude=\"*.a\" a b",
     "COPY --from=builder --chown=1:2 --chmod=0644 --link --parents=false --exclude=*.o "
     "--exclude=*.a \"a\" \"b\""},
    {"COPY --link=TRUE -- --from /", "COPY --link=TRUE \"--from\" \"/\""},
    {"COPY a --from=b /", "COPY \"a\" \"--from=b\" \"/\""},
    {"COPY --from= a b", "COPY --from= \"a\" \"b\""},
    {"COPY \"a b\" /", "COPY \"\\\"a\" \"b\\\"\" \"/\""},
    {"ADD --keep-git-dir=true --checksum=sha256:0 --unpack --link --chmod=755 --chown=u "
     "--exclude=x https://a/b /",
     "ADD --keep-git-dir=true --checksum=sha256:0 --unpack --link --chmod=755 --chown=u "
     "--exclude=x \"https://a/b\" \"/\""},
    /* ENV and LABEL: quotes and escapes stay for the expansion */
    {"ENV name value", "ENV legacy \"name\" \"value\""},
    {"ENV name  a b=c  'd", "ENV legacy \"name\" \"a b=c  'd\""},
    {"ENV name=value", "ENV \"name\" \"value\""},
    {"ENV a=1 b= c=\"x y\" d=e\\ f g='h i'j",
     "ENV \"a\" \"1\" \"b\" \"\" \"c\" \"\\\"x y\\\"\" \"d\" \"e\\\\ f\" \"g\" \"'h i'j\""},
    {"ENV a=b=c", "ENV \"a\" \"b=c\""},
    {"ENV a='x\\' b=y", "ENV \"a\" \"'x\\\\'\" \"b\" \"y\""},
    {"ENV a=\"x\\\" y\"", "ENV \"a\" \"\\\"x\\\\\\\" y\\\"\""},
    {"ENV a=\"never closed b=c", "ENV \"a\" \"\\\"never closed b=c\""},
    {"LABEL maintainer \"A <a@b>\"", "LABEL legacy \"maintainer\" \"\\\"A <a@b>\\\"\""},
    {"LABEL \"com.x y\"=z a.b='c'", "LABEL \"\\\"com.x y\\\"\" \"z\" \"a.b\" \"'c'\""},
    /* ARG */
    {"ARG A", "ARG \"A\" nothing"},
    {"ARG A=", "ARG \"A\" \"\""},
    {"ARG A=1 B C=\"x y\"", "ARG \"A\" \"1\" \"B\" nothing \"C\" \"\\\"x y\\\"\""},
    {"ARG --what A", "ARG \"A\" nothing"}, /* BuildKit passes over flags here */
    /* EXPOSE, VOLUME */
    {"EXPOSE 80 443/tcp $P 8000-8010/udp", "EXPOSE \"80\" \"443/tcp\" \"$P\" \"8000-8010/udp\""},
    {"VOLUME /a /b", "VOLUME \"/a\" \"/b\""},
    {"VOLUME [\"/a\", \" /b c \"]", "VOLUME json \"/a\" \"/b c\""},
    /* one string */
    {"USER  app:group ", "USER \"app:group\""},
    {"USER a b", "USER \"a b\""},
    {"WORKDIR /a b/$C", "WORKDIR \"/a b/$C\""},
    {"STOPSIGNAL SIGQUIT", "STOPSIGNAL \"SIGQUIT\""},
    {"MAINTAINER Me <me@x>", "MAINTAINER \"Me <me@x>\""},
    /* HEALTHCHECK */
    {"HEALTHCHECK NONE", "HEALTHCHECK \"NONE\""},
    {"HEALTHCHECK none", "HEALTHCHECK \"NONE\""},
    {"HEALTHCHECK --interval=1s NONE", "HEALTHCHECK \"NONE\""},
    {"HEALTHCHECK CMD  curl -f x", "HEALTHCHECK \"CMD\" \"curl -f x\""},
    {"HEALTHCHECK --interval=5m --timeout=3s --start-period=1.5h --start-interval=500ms "
     "--retries=3 "
     "cmd [\"x\"]",
     "HEALTHCHECK --interval=5m --timeout=3s --start-period=1.5h --start-interval=500ms "
     "--retries=3 "
     "json \"CMD\" \"x\""},
    {"HEALTHCHECK --interval=0 --retries=0 CMD x",
     "HEALTHCHECK --interval=0 --retries=0 \"CMD\" \"x\""},
    /* ONBUILD */
    {"ONBUILD RUN --network=none x  y", "ONBUILD \"RUN --network=none x  y\""},
    {"onbuild copy . /app", "ONBUILD \"copy . /app\""},
    {"ONBUILD RNU a", "ONBUILD \"RNU a\""},
    {"ONBUILD COPY a", "ONBUILD \"COPY a\""},
    {"ONBUILD RUN [\"a\"]", "ONBUILD \"RUN [\\\"a\\\"]\""},
};

static void test_case(gconstpointer data)
{
    const char *const *c = data;
    g_autofree char *text = g_strconcat("FROM a\n", c[0], "\n", NULL);
    g_autofree char *expected = g_strconcat("FROM \"a\"\n", c[1], NULL);
    assert_parses(text, expected);
}

static void test_flag_access(void)
{
    g_autoptr(KilnDockerfile) d =
        parse_ok("FROM a\nCOPY --link --parents=false --from=x --exclude=1 --exclude=2 a b");
    const KilnInstruction *copy = instruction(d, 1);
    g_assert_cmpstr(kiln_instruction_flag(copy, "link"), ==, "");
    g_assert_cmpstr(kiln_instruction_flag(copy, "from"), ==, "x");
    g_assert_cmpstr(kiln_instruction_flag(copy, "exclude"), ==, "2");
    g_assert_null(kiln_instruction_flag(copy, "chown"));
    g_assert_true(kiln_instruction_flag_on(copy, "link"));
    g_assert_false(kiln_instruction_flag_on(copy, "parents"));
    g_assert_false(kiln_instruction_flag_on(copy, "unknown"));
    g_autoptr(GPtrArray) excludes = kiln_instruction_flags(copy, "exclude");
    g_assert_cmpuint(excludes->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(excludes, 0), ==, "1");
}

static void test_trigger(void)
{
    g_autoptr(KilnDockerfile) d = parse_ok("FROM a\nONBUILD COPY --from=b c /d");
    const KilnInstruction *trigger = instruction(d, 1)->trigger;
    g_autofree char *dump = dump_instruction(trigger);
    g_assert_cmpstr(dump, ==, "COPY --from=b \"c\" \"/d\"");
    g_assert_cmpuint(trigger->place.line, ==, 2);
    g_assert_cmpuint(trigger->place.column, ==, 9);
    g_assert_cmpstr(trigger->original, ==, "COPY --from=b c /d");
}

/* A trigger from an image's configuration. */
static void test_single(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnInstruction) run =
        kiln_instruction_parse("RUN <<EOF\necho a\nEOF", "ONBUILD of b", &error);
    g_assert_no_error(error);
    g_autofree char *dump = dump_instruction(run);
    g_assert_cmpstr(dump, ==, "RUN \"<<EOF\" EOF[echo a\\n]");

    g_assert_null(kiln_instruction_parse("RUM x", "ONBUILD of b", &error));
    g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_UNKNOWN_INSTRUCTION);
    g_assert_true(g_str_has_prefix(error->message, "ONBUILD of b:1:1: "));
    g_clear_error(&error);
    g_assert_null(kiln_instruction_parse("RUN a\nRUN b", "x", &error));
    g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_SYNTAX);
    g_clear_error(&error);
    g_assert_null(kiln_instruction_parse("", "x", &error));
    g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_SYNTAX);
}

static void test_every_keyword(void)
{
    for (int kind = KILN_INST_FROM; kind <= KILN_INST_SHELL; kind++) {
        const char *keyword = kiln_instruction_keyword((KilnInstructionKind)kind);
        g_autofree char *text = g_strdup_printf("%s [\"CMD\", \"x\"]", keyword);
        g_autoptr(KilnInstruction) i = kiln_instruction_parse(text, "x", NULL);
        if (i)
            g_assert_cmpint(i->kind, ==, kind);
    }
    g_assert_cmpstr(kiln_instruction_keyword(KILN_INST_HEALTHCHECK), ==, "HEALTHCHECK");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *path = g_strdup_printf("/instruction/%02" G_GSIZE_FORMAT, n);
        g_test_add_data_func(path, cases[n], test_case);
    }
    g_test_add_func("/instruction/flag-access", test_flag_access);
    g_test_add_func("/instruction/trigger", test_trigger);
    g_test_add_func("/instruction/single", test_single);
    g_test_add_func("/instruction/every-keyword", test_every_keyword);
    return g_test_run();
}
