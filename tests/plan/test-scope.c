/* ARG and ENV: what is in force where, and what of it the history shows. */
#include "fixture.h"

static const char *const no_args[] = {NULL};

/* The history's last entry for a file, with build arguments. */
static void assert_last(const char *text, const char *const *build_args, const char *expected)
{
    g_auto(Fixture) f = {.options = {.build_args = build_args}};
    fixture_good(&f, text);
    const KilnHistory *last = g_ptr_array_index(f.plan->history, f.plan->history->len - 1);
    g_assert_cmpstr(last->created_by, ==, expected);
}

static void test_expansion(void)
{
    static const char *const given[] = {"A=given", NULL};
    static const struct {
        const char *text;
        const char *const *build_args;
        const char *last;
    } table[] = {
        {"FROM app\nENV A=1 B=2\nENV C=$A-${B}\n", no_args, "ENV C=1-2"},
        /* one instruction sees what was before it */
        {"FROM app\nENV A=1\nENV A=2 B=$A\n", no_args, "ENV A=2 B=1"},
        {"FROM app\nENV W=$V\n", no_args, "ENV W=base"},
        {"FROM app\nENV A='$V' B=\"$V x\" C=\\$V\n", no_args, "ENV A=$V B=base x C=$V"},
        {"FROM app\nARG A=1\nENV B=$A\n", no_args, "ENV B=1"},
        {"FROM app\nARG A=1\nENV B=$A\n", given, "ENV B=given"},
        {"FROM app\nARG A\nENV B=${A:-none}\n", no_args, "ENV B=none"},
        {"FROM app\nARG A\nENV B=${A:-none}\n", given, "ENV B=given"},
        /* within ARG each sees the one before */
        {"FROM app\nARG A=1 B=$A\n", no_args, "ARG A=1 B=1"},
        /* an ENV after an ARG wins */
        {"FROM app\nARG A=1\nENV A=2\nLABEL x=$A\n", given, "LABEL x=2"},
        /* before FROM: only in FROM, or asked for */
        {"ARG A=global\nFROM app\nENV B=$A\n", no_args, "ENV B="},
        {"ARG A=global\nFROM app\nARG A\nENV B=$A\n", no_args, "ENV B=global"},
        {"ARG A=global\nFROM app\nARG A\nENV B=$A\n", given, "ENV B=given"},
        {"ARG A=global\nFROM app\nARG A=own\nENV B=$A\n", no_args, "ENV B=own"},
        {"ARG A=global\nFROM app\nARG A\n", no_args, "ARG A=global"},
        {"FROM app\nARG A\n", no_args, "ARG A"},
        /* not before its line */
        {"FROM app\nENV B=$A\nARG A=1\nLABEL x=$B\n", no_args, "LABEL x="},
        {"FROM app\nWORKDIR /a\nARG D=sub\nWORKDIR $D/dir\n", no_args, "WORKDIR /a/sub/dir"},
        {"FROM app\nENV U=me\nUSER $U:1\n", no_args, "USER me:1"},
        {"FROM app\nENV D=/d\nCOPY [\"$D/a b\", \"$D/c\"]\n", no_args,
         "COPY /d/a b /d/c # buildkit"},
        {"FROM app\nENV D=/d\nCMD [\"$D\"]\n", no_args, "CMD [\"$D\"]"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        assert_last(table[i].text, table[i].build_args, table[i].last);
}

static void test_run_history(void)
{
    static const char *const given[] = {"B=two words", "UNDECLARED=1", "HTTP_PROXY=http://p:1",
                                        NULL};
    static const struct {
        const char *text, *last;
    } table[] = {
        {"FROM alpine\nRUN echo hi\n", "RUN /bin/sh -c echo hi # buildkit"},
        {"FROM alpine\nRUN [\"echo\", \"hi\"]\n", "RUN echo hi # buildkit"},
        {"FROM alpine\nARG A=1\nARG B\nRUN x\n", "RUN |2 A=1 B=two words /bin/sh -c x # buildkit"},
        {"FROM alpine\nARG N\nRUN x\n", "RUN |1 N= /bin/sh -c x # buildkit"},
        {"FROM alpine\nARG A=1\nENV A=2\nRUN x\n", "RUN |1 A=2 /bin/sh -c x # buildkit"},
        {"FROM alpine\nARG A=1\nARG B\nARG A=3\nRUN x\n",
         "RUN |2 A=3 B=two words /bin/sh -c x # buildkit"},
        {"FROM alpine\nSHELL [\"/bin/bash\", \"-e\", \"-c\"]\nRUN x\n",
         "RUN /bin/bash -e -c x # buildkit"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        assert_last(table[i].text, given, table[i].last);
}

/* ENV and ARG in the environment of RUN, what was set last at the end; ARG not in the image. */
static void test_run_environment(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM app\nARG A=1\nENV E=2\nENV V=new\nRUN x\n");
    g_autofree char *env = g_strjoinv(" ", step(&f, 1)->env);
    g_assert_cmpstr(env, ==, "PATH=/bin A=1 E=2 V=new");
    g_assert_cmpstr(config_json(f.plan->config, "Env"), ==, "[\"PATH=/bin\",\"V=new\",\"E=2\"]");
    g_assert_null(step(&f, 1)->proxy_env);

    g_auto(Fixture) bare = {0};
    fixture_good(&bare, "FROM bare\nRUN x\n");
    g_assert_cmpstr(step(&bare, 1)->env[0], ==,
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

static void test_proxies(void)
{
    static const char *const given[] = {"https_proxy=http://b:1", NULL};
    static const char *const configured[] = {"HTTPS_PROXY=http://a:1", "NO_PROXY=local", NULL};
    g_auto(Fixture) f = {.options = {.build_args = given, .proxy_args = configured}};
    fixture_good(&f, "FROM alpine\nRUN x\n");
    g_autofree char *proxies = g_strjoinv(" ", step(&f, 1)->proxy_env);
    g_assert_cmpstr(proxies, ==,
                    "HTTPS_PROXY=http://b:1 https_proxy=http://b:1 NO_PROXY=local no_proxy=local");
    g_assert_cmpstr(step(&f, 1)->created_by, ==, "RUN /bin/sh -c x # buildkit");
    g_assert_cmpuint(g_strv_length(step(&f, 1)->env), ==, 1);
    g_assert_cmpuint(f.plan->warnings->len, ==, 0);

    /* an ARG makes it an argument like others */
    g_auto(Fixture) declared = {.options = {.build_args = given}};
    fixture_good(&declared, "FROM alpine\nARG https_proxy\nRUN x\n");
    g_assert_cmpstr(step(&declared, 1)->created_by, ==,
                    "RUN |1 https_proxy=http://b:1 /bin/sh -c x # buildkit");
}

static void test_platform_arguments(void)
{
    static const char text[] =
        "FROM --platform=$BUILDPLATFORM alpine AS build\nARG TARGETPLATFORM TARGETOS TARGETARCH "
        "TARGETVARIANT TARGETSTAGE\n"
        "LABEL x=$TARGETPLATFORM,$TARGETOS,$TARGETARCH,$TARGETVARIANT,$TARGETSTAGE\n";
    g_autoptr(KilnPlatform) platform = kiln_platform_parse("linux/arm/v7", NULL);
    g_auto(Fixture) f = {.options = {.platform = platform}};
    fixture_good(&f, text);
    g_assert_cmpstr(config_json(f.plan->config, "Labels"), ==,
                    "{\"x\":\"linux/arm/v7,linux,arm,v7,build\"}");

    static const char *const given[] = {"TARGETARCH=other", NULL};
    g_auto(Fixture) over = {.options = {.build_args = given}};
    fixture_good(&over, "FROM alpine\nARG TARGETARCH\nARG TARGETSTAGE\n"
                        "LABEL x=$TARGETARCH y=$TARGETSTAGE z=$TARGETOS\n");
    g_assert_cmpstr(config_json(over.plan->config, "Labels"), ==,
                    "{\"x\":\"other\",\"y\":\"default\",\"z\":\"\"}");
    g_assert_true(warned(&over, "UndefinedVar", "'$TARGETOS'"));
    g_assert_false(warned(&over, "UnusedBuildArg", ""));
}

static void test_misspelt_build_arg(void)
{
    static const char *const given[] = {"VERSOIN=1", "OTHER=1", NULL};
    g_auto(Fixture) f = {.options = {.build_args = given}};
    fixture_good(&f, "FROM alpine\nARG VERSION\n");
    g_assert_true(warned(&f, "UnusedBuildArg",
                         "[VERSOIN OTHER] were not consumed (VERSOIN: did you mean VERSION?)"));
}

static void test_warnings(void)
{
    static const char *const given[] = {"USED=1", "FOO=1", "BAR=1", "FOO=2", "BUILDKIT_X=1", NULL};
    g_auto(Fixture) f = {.options = {.build_args = given}};
    fixture_good(&f,
                 "FROM alpine\nARG USED\nENV NAME=x\nENV B=$NAM C=${D:-x} D=$USED\n"
                 "ARG API_KEY\nENV MY_PASSWORD=x PUBLIC_KEY=y MONKEY=z\nARG UNSET\nENV E=$UNSET\n");
    g_assert_true(warned(&f, "UnusedBuildArg",
                         "[Warning] One or more build-args [FOO BAR] were not consumed"));
    g_assert_true(
        warned(&f, "UndefinedVar", "Usage of undefined variable '$NAM' (did you mean $NAME?)"));
    g_assert_true(warned(&f, "UndefinedVar", "$D")); /* as in BuildKit, for all its default */
    g_assert_false(warned(&f, "UndefinedVar", "$UNSET"));
    g_assert_true(warned(&f, "SecretsUsedInArgOrEnv", "(ARG \"API_KEY\")"));
    g_assert_true(warned(&f, "SecretsUsedInArgOrEnv", "(ENV \"MY_PASSWORD\")"));
    g_assert_false(warned(&f, "SecretsUsedInArgOrEnv", "PUBLIC_KEY"));
    g_assert_false(warned(&f, "SecretsUsedInArgOrEnv", "MONKEY"));
    const KilnDockerfileWarning *first = g_ptr_array_index(f.plan->warnings, 0);
    g_assert_cmpuint(first->place.line, ==, 4);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *part;
    } table[] = {
        {"FROM alpine\nENV A=${B?no}\n", "Dockerfile:2:"},
        {"FROM alpine\nENV A=${\n", "Dockerfile:2:"},
        {"FROM alpine\nWORKDIR ${X:?no}\n", "Dockerfile:2:9: "},
        {"ARG A=${B?no}\nFROM alpine\n", "Dockerfile:1:"},
        {"FROM alp${B?no}\n", "Dockerfile:1:6: "},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        fixture_plan(&f, table[i].text);
        g_assert_error(f.error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION);
        g_assert_true(g_str_has_prefix(f.error->message, table[i].part));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/scope/expansion", test_expansion);
    g_test_add_func("/plan/scope/run-history", test_run_history);
    g_test_add_func("/plan/scope/run-environment", test_run_environment);
    g_test_add_func("/plan/scope/proxies", test_proxies);
    g_test_add_func("/plan/scope/platform-arguments", test_platform_arguments);
    g_test_add_func("/plan/scope/warnings", test_warnings);
    g_test_add_func("/plan/scope/misspelt-build-arg", test_misspelt_build_arg);
    g_test_add_func("/plan/scope/refused", test_refused);
    return g_test_run();
}
