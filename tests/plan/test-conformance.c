/* Where dockerfile2llb is easily misread: each case was held against what BuildKit makes of it
 * (scripts/conformance-plan). */
#include "fixture.h"

/* The environment of the last RUN but for PATH, a line each. */
static char *run_environment(const Fixture *f)
{
    GString *out = g_string_new(NULL);
    const KilnStep *last = step(f, f->plan->steps->len - 1);
    for (char **entry = last->env; *entry; entry++) {
        if (!g_str_has_prefix(*entry, "PATH="))
            g_string_append_printf(out, "%s\n", *entry);
    }
    return g_string_free(out, FALSE);
}

static void test_environment(void)
{
    static const struct {
        const char *text, *environment;
    } table[] = {
        /* of BuildKit's own arguments these are no variables */
        {"FROM alpine\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nARG A=1\nRUN x\n", "A=1\n"},
        /* a name may be anything once it is expanded */
        {"FROM alpine\nENV $NONE=1\nRUN x\n", "=1\n"},
        {"FROM alpine\nENV X=a=b\nENV $X=1\nRUN x\n", "X=a=b\na=b=1\n"},
        /* defaults in terms of others, of earlier ones of the same name, and of ENV */
        {"ARG A=1\nARG B=${A}2\nFROM alpine\nARG B\nARG C=$B$A\nENV A=x\nARG A=${A}y\nRUN x\n",
         "B=12\nC=12\nA=xy\n"},
        {"ARG A=1\nARG A=${A}2\nFROM alpine\nARG A\nARG A=${A}3\nRUN x\n", "A=123\n"},
        /* a stage inherits them from the one below */
        {"ARG G=g\nFROM alpine AS a\nARG G\nARG L=l\nFROM a\nRUN echo\n", "G=g\nL=l\n"},
        {"FROM alpine AS Final\nARG TARGETSTAGE\nRUN x\n", "TARGETSTAGE=final\n"},
        {"FROM alpine\nARG TARGETARCH=foo\nRUN x\n", "TARGETARCH=foo\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        fixture_good(&f, table[i].text);
        g_autofree char *environment = run_environment(&f);
        g_assert_cmpstr(environment, ==, table[i].environment);
    }
}

static void test_history(void)
{
    static const struct {
        const char *text, *history;
    } table[] = {
        {"FROM alpine\nLABEL $NONE=1\n", "-LABEL =1\n"},
        {"FROM alpine\nENV X=\nCOPY $X /d/\n", "-ENV X=\nCOPY  /d/ # buildkit\n"},
        {"FROM alpine\nWORKDIR /a/b/\nWORKDIR $NONE\n", "WORKDIR /a/b/\nWORKDIR /a/b/\n"},
        {"FROM alpine\nSTOPSIGNAL 99999\nSTOPSIGNAL +9\n", "-STOPSIGNAL 99999\n-STOPSIGNAL +9\n"},
        {"FROM alpine\nEXPOSE +80 1.2.3.4:81:82 [::1]:83:84/udp\n",
         "-EXPOSE [80/tcp 82/tcp 84/udp]\n"},
        {"FROM --platform= alpine\nUSER a\n", "-USER a\n"},
        /* Triggers are read with the usual escape, and expanded with that of the file. */
        {"# escape=`\nFROM alpine AS a\nONBUILD ENV A=x`$y B=\\z\nFROM a\n", "-ENV A=x$y B=\\z\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        fixture_good(&f, table[i].text);
        g_autofree char *text = history(&f);
        g_assert_cmpstr(text, ==, table[i].history);
    }
}

static void test_scratch_platform(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM --platform=linux/arm64 scratch\nCOPY a b\n");
    g_autoptr(KilnPlatform) platform = kiln_config_platform(f.plan->config);
    g_assert_cmpstr(platform->architecture, ==, "amd64");
}

static void test_empty_proxy(void)
{
    static const char *const arguments[] = {"HTTP_PROXY=", "https_proxy=x", NULL};
    g_auto(Fixture) f = {.options = {.build_args = arguments}};
    fixture_good(&f, "FROM alpine\nRUN x\n");
    g_autofree char *proxies = g_strjoinv(" ", step(&f, 1)->proxy_env);
    g_assert_cmpstr(proxies, ==, "HTTPS_PROXY=x https_proxy=x");
}

/* One inside another is mounted after it. */
static void test_mount_order(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f,
                 "FROM alpine\nRUN --mount=target=/a/b,source=x --mount=target=/a,source=y z\n");
    const GArray *mounts = step(&f, 1)->mounts;
    g_assert_cmpstr(g_array_index(mounts, KilnMount, 0).target, ==, "/a");
    g_assert_cmpstr(g_array_index(mounts, KilnMount, 1).target, ==, "/a/b");
}

/* A number is a stage for COPY, and an image for a mount. */
static void test_numbers(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine\nRUN 1\nFROM alpine\nCOPY --from=+0 / /\n");
    g_assert_true(step(&f, 2)->from.step == step(&f, 1));
    g_auto(Fixture) mount = {0};
    fixture_plan(&mount, "FROM alpine\nRUN 1\nFROM alpine\nRUN --mount=from=0,target=/x y\n");
    g_assert_error(mount.error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void test_destinations(void)
{
    static const struct {
        const char *written, *dest;
    } table[] = {
        {".", "/w/"}, {"..", "/"},         {"x/y/..", "/w/x"}, {"x/.", "/w/x/"},
        {"/", "/"},   {"/a//b/", "/a/b/"}, {"\"\"", "/w/"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text =
            g_strdup_printf("FROM alpine\nWORKDIR /w\nCOPY a %s\n", table[i].written);
        fixture_good(&f, text);
        g_assert_cmpstr(step(&f, 2)->dest, ==, table[i].dest);
    }
}

/* What is wrong where nothing needs it. */
static void test_refused_everywhere(void)
{
    static const struct {
        const char *text, *part;
    } table[] = {
        {"FROM alpine AS a\nCOPY --from=a x y\nFROM alpine\n",
         "Dockerfile:2:6: circular dependency: the stage a cannot read from itself"},
        {"FROM alpine AS a\nRUN --mount=from=a,target=/x y\nFROM alpine\n",
         "Dockerfile:2:5: circular dependency"},
        {"FROM alpine AS a\nCOPY --from=b x y\nFROM alpine AS b\nCOPY --from=a x y\nFROM alpine\n",
         "Dockerfile:2:6: circular dependency: the stage a needs what is read here from b, and "
         "that needs a"},
        {"FROM alpine\nCOPY --from=c x y\nFROM alpine AS b\nCOPY --from=0 x y\n"
         "FROM alpine AS c\nCOPY --from=b x y\nFROM alpine\n",
         "Dockerfile:2:6: circular dependency: the stage stage-0 needs"},
        {"FROM alpine AS a\nCOPY --from=9 x y\nFROM alpine\n", "Dockerfile:2:6: --from=9"},
        {"FROM alpine AS a\nCOPY --from=$x x y\nFROM alpine\n", "Dockerfile:2:6: variables"},
        {"FROM alpine AS a\nCOPY --from=UP x y\nFROM alpine\n", "Dockerfile:2:6: invalid image"},
        {"FROM UP AS a\nFROM alpine\n", "Dockerfile:1:6: invalid image reference \"UP\""},
        {"FROM alpine AS Base\nFROM Base\nFROM alpine\n", "(did you mean the stage base?)\n"},
        {"FROM alpine\nCOPY --from=SCRATCH x y\n", "invalid image reference \"SCRATCH\""},
        {"FROM alpine\nSTOPSIGNAL UNUSED\n", "unknown signal"},
        {"FROM alpine\nSTOPSIGNAL +-1\n", "unknown signal"},
        {"FROM alpine\nEXPOSE [fe80::1%eth0]:1:2\n", "invalid IP address"},
        {"FROM alpine\nEXPOSE 80/tcp/udp\n", "unknown protocol \"tcp/udp\""},
        {"FROM alpine\nEXPOSE +-80\n", "invalid port"},
        {"FROM alpine\nEXPOSE 85/tcp:86\n", "invalid host port"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        fixture_plan(&f, table[i].text);
        g_assert_nonnull(f.error);
        if (!strstr(f.error->message, table[i].part))
            g_error("\"%s\" is not in \"%s\"", table[i].part, f.error->message);
    }
}

/* A stage further down may be read by one that nothing needs, if that does not read back. */
static void test_forward_unneeded(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine AS a\nCOPY --from=b x y\nFROM alpine AS b\nRUN x\n");
    g_assert_cmpuint(f.plan->steps->len, ==, 2);
}

static void test_many_stages(void)
{
    g_autoptr(GString) text = g_string_new("FROM alpine\n");
    for (guint i = 1; i < 5000; i++)
        g_string_append_printf(text, "FROM scratch\nCOPY --from=%u x y\n", i - 1);
    g_string_append(text, "FROM scratch AS last\nCOPY --from=last x y\n");
    g_auto(Fixture) f = {0};
    assert_refused(&f, text->str, KILN_PLAN_ERROR_STAGE, "the stage last cannot read from itself");
}

static void test_hints(void)
{
    static const struct {
        const char *text, *part;
    } table[] = {
        {"FROM alpine AS builder\nFROM bulder\n",
         "Dockerfile:2:6: bulder: not found (did you mean the stage builder?)\n"},
        {"FROM alpine AS builder\nFROM alpine\nCOPY --from=buidler / /\n",
         "(did you mean the stage builder?)\n"},
        {"FROM ubunut\n", "Dockerfile:1:6: ubunut: not found (did you mean ubuntu?)\n"},
        {"FROM something-else\n", "something-else: not found\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        fixture_plan(&f, table[i].text);
        g_assert_error(f.error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        if (!strstr(f.error->message, table[i].part))
            g_error("\"%s\" is not in \"%s\"", table[i].part, f.error->message);
    }
    static const char *const arguments[] = {"VERSOIN=1", "other=2", NULL};
    g_auto(Fixture) f = {.options = {.build_args = arguments}};
    fixture_good(&f, "FROM alpine\nARG VERSION=0\n");
    g_assert_true(
        warned(&f, "UnusedBuildArg", "[VERSOIN other] were not consumed (VERSOIN: did you mean VERSION?)"));
}

static void test_epoch(void)
{
    static const struct {
        const char *argument, *text;
        gint64 epoch;
        const char *environment;
    } table[] = {
        {NULL, "FROM alpine\nARG SOURCE_DATE_EPOCH=5\nRUN x\n", -1, "SOURCE_DATE_EPOCH=5\n"},
        {NULL, "ARG SOURCE_DATE_EPOCH=17\nFROM alpine\nARG SOURCE_DATE_EPOCH\nRUN x\n", 17,
         "SOURCE_DATE_EPOCH=17\n"},
        {"SOURCE_DATE_EPOCH=007", "FROM alpine\nARG SOURCE_DATE_EPOCH=5\nRUN x\n", 7,
         "SOURCE_DATE_EPOCH=7\n"},
        {"SOURCE_DATE_EPOCH=",
         "ARG SOURCE_DATE_EPOCH=17\nFROM alpine\nARG SOURCE_DATE_EPOCH\nRUN x\n", -1, ""},
        {NULL, "ARG SOURCE_DATE_EPOCH=\nFROM alpine\nARG SOURCE_DATE_EPOCH\nRUN x\n", -1,
         "SOURCE_DATE_EPOCH=\n"},
        {NULL, "ARG SOURCE_DATE_EPOCH=context\nFROM alpine\nARG SOURCE_DATE_EPOCH\nRUN x\n", -1,
         ""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        const char *const arguments[] = {table[i].argument, NULL};
        g_auto(Fixture) f = {.options = {.build_args = arguments}};
        fixture_good(&f, table[i].text);
        g_assert_cmpint(f.plan->epoch, ==, table[i].epoch);
        g_autofree char *environment = run_environment(&f);
        g_assert_cmpstr(environment, ==, table[i].environment);
    }
    g_auto(Fixture) bad = {0};
    assert_refused(&bad, "ARG SOURCE_DATE_EPOCH=now\nFROM alpine\n", KILN_PLAN_ERROR_ARGUMENT,
                   "Dockerfile:1:1: SOURCE_DATE_EPOCH=now is neither a number");
    g_auto(Fixture) stage = {0};
    assert_refused(&stage, "ARG SOURCE_DATE_EPOCH=Src\nFROM scratch AS src\nFROM alpine\n",
                   KILN_PLAN_ERROR_UNSUPPORTED, "Dockerfile:1:1: SOURCE_DATE_EPOCH=Src: the time");
}

/* The default is not looked at where --build-arg gives the value. */
static void test_spared_error(void)
{
    static const char *const arguments[] = {"A=alpine", "X=1", NULL};
    g_auto(Fixture) f = {.options = {.build_args = arguments}};
    fixture_good(&f, "ARG A=${B:?no}\nFROM $A\nARG Y\n");
    g_assert_true(warned(&f, "UnusedBuildArg", "[X] were not consumed"));
    g_assert_false(warned(&f, "UnusedBuildArg", "did you mean"));
}

static void test_builder_arguments(void)
{
    static const char *const arguments[] = {"BUILDKIT_SANDBOX_HOSTNAME=box",
                                            "BUILDKIT_SYNTAX=other/frontend", NULL};
    g_auto(Fixture) f = {.options = {.build_args = arguments}};
    fixture_good(&f, "FROM alpine\n");
    g_assert_cmpstr(f.plan->hostname, ==, "box");
    g_assert_true(warned(&f, "UnusedBuildArg", "BUILDKIT_SYNTAX=other/frontend is ignored"));
    static const char *const bad[] = {"BUILDKIT_SANDBOX_HOSTNAME=a b", NULL};
    g_auto(Fixture) refused = {.options = {.build_args = bad}};
    assert_refused(&refused, "FROM alpine\n", KILN_PLAN_ERROR_ARGUMENT,
                   "--build-arg BUILDKIT_SANDBOX_HOSTNAME=a b: a hostname has");
}

static void test_platforms(void)
{
    static const struct {
        const char *platform, *asked; /* NULL: refused */
    } table[] = {
        {"arm64", "linux/arm64"},       {"aarch64", "linux/arm64"}, {"bogus", NULL},
        {"linux/bogus", "linux/bogus"}, {"a/b/c/d", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text = g_strdup_printf("FROM --platform=%s alpine\n", table[i].platform);
        fixture_plan(&f, text);
        if (table[i].asked)
            g_assert_true(strstr(f.asked->str, table[i].asked) != NULL);
        else
            g_assert_nonnull(f.error);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conformance/environment", test_environment);
    g_test_add_func("/conformance/history", test_history);
    g_test_add_func("/conformance/scratch-platform", test_scratch_platform);
    g_test_add_func("/conformance/empty-proxy", test_empty_proxy);
    g_test_add_func("/conformance/mount-order", test_mount_order);
    g_test_add_func("/conformance/numbers", test_numbers);
    g_test_add_func("/conformance/destinations", test_destinations);
    g_test_add_func("/conformance/refused-everywhere", test_refused_everywhere);
    g_test_add_func("/conformance/forward-unneeded", test_forward_unneeded);
    g_test_add_func("/conformance/many-stages", test_many_stages);
    g_test_add_func("/conformance/hints", test_hints);
    g_test_add_func("/conformance/epoch", test_epoch);
    g_test_add_func("/conformance/builder-arguments", test_builder_arguments);
    g_test_add_func("/conformance/spared-error", test_spared_error);
    g_test_add_func("/conformance/platforms", test_platforms);
    return g_test_run();
}
