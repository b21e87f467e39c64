/* Which stages are built, what a name means, and what the steps are called. */
#include "fixture.h"

static const char two_stages[] = "FROM node:14 AS builder\n"
                                 "WORKDIR /app\n"
                                 "RUN npm install\n"
                                 "FROM alpine\n"
                                 "COPY --from=builder /app /srv\n"
                                 "CMD [\"sh\"]\n";

static void test_two_stages(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, two_stages);
    g_autofree char *names = step_names(&f);
    g_assert_cmpstr(names, ==,
                    "[builder 1/3] FROM docker.io/library/node:14\n"
                    "[builder 2/3] WORKDIR /app\n"
                    "[builder 3/3] RUN npm install\n"
                    "[stage-1 1/2] FROM docker.io/library/alpine:latest\n"
                    "[stage-1 2/2] COPY --from=builder /app /srv\n");
    g_assert_true(f.plan->target == step(&f, 4));
    g_assert_true(step(&f, 4)->parent == step(&f, 3));
    g_assert_cmpuint(step(&f, 4)->needs->len, ==, 1);
    g_assert_true(step(&f, 4)->needs->pdata[0] == step(&f, 2));
    g_assert_cmpint(step(&f, 4)->from.kind, ==, KILN_ORIGIN_STAGE);
    g_assert_true(step(&f, 4)->from.step == step(&f, 2));
    g_assert_cmpstr(step(&f, 0)->image_id, ==, "id-of-node:14");
    g_assert_null(step(&f, 0)->parent);
    g_autofree char *h = history(&f);
    g_assert_cmpstr(h, ==, "COPY /app /srv # buildkit\n-CMD [\"sh\"]\n");
    g_assert_cmpuint(step(&f, 4)->place.line, ==, 5);
    g_assert_true(step(&f, 4)->file == f.file);
}

/* Only what the target needs is planned, and only that is resolved. */
static void test_needed(void)
{
    static const char text[] = "FROM node:14 AS a\nRUN a\n"
                               "FROM missing AS b\nRUN b\n"
                               "FROM a AS c\nRUN c\n"
                               "FROM alpine AS d\nRUN --mount=from=c,target=/c d\n";
    static const struct {
        const char *target, *names;
    } table[] = {
        {"a", "[a 1/2] FROM docker.io/library/node:14\n[a 2/2] RUN a\n"},
        {"C", "[a 1/2] FROM docker.io/library/node:14\n[a 2/2] RUN a\n[c 1/1] RUN c\n"},
        {"2", "[a 1/2] FROM docker.io/library/node:14\n[a 2/2] RUN a\n[c 1/1] RUN c\n"},
        {NULL, "[a 1/2] FROM docker.io/library/node:14\n[a 2/2] RUN a\n[c 1/1] RUN c\n"
               "[d 1/2] FROM docker.io/library/alpine:latest\n"
               "[d 2/2] RUN --mount=from=c,target=/c d\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {.options = {.target = table[i].target}};
        fixture_good(&f, text);
        g_autofree char *names = step_names(&f);
        g_assert_cmpstr(names, ==, table[i].names);
    }
}

/* Two stages on one image share its step; one name for two platforms does not. */
static void test_shared_base(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine AS a\nRUN a\nFROM alpine\nCOPY --from=a /a /\n"
                     "COPY --from=alpine /etc /e\n");
    g_assert_cmpstr(f.asked->str, ==, "alpine linux/amd64\n");
    g_assert_cmpuint(f.plan->steps->len, ==, 4);
    g_assert_cmpint(step(&f, 3)->from.kind, ==, KILN_ORIGIN_IMAGE);
    g_assert_true(step(&f, 3)->from.step == step(&f, 0));

    g_auto(Fixture) g = {0};
    fixture_good(&g,
                 "FROM --platform=$BUILDPLATFORM alpine AS a\nFROM --platform=linux/arm64 alpine\n"
                 "COPY --from=a /a /\n");
    g_assert_true(g_str_has_suffix(g.asked->str, "alpine linux/amd64\n"));
    g_assert_nonnull(strstr(g.asked->str, "alpine linux/arm64"));
    g_assert_cmpuint(g.plan->steps->len, ==, 3);
}

/* A name that no stage has is an image. */
static void test_copy_from_image(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine\nCOPY --from=node:14 /usr/bin/node /usr/bin/\n");
    g_autofree char *names = step_names(&f);
    g_assert_cmpstr(names, ==,
                    "[stage-0 1/2] FROM docker.io/library/alpine:latest\n"
                    "FROM docker.io/library/node:14\n"
                    "[stage-0 2/2] COPY --from=node:14 /usr/bin/node /usr/bin/\n");
    g_assert_cmpint(step(&f, 2)->from.kind, ==, KILN_ORIGIN_IMAGE);
    g_assert_true(step(&f, 2)->from.step == step(&f, 1));
}

static void test_scratch(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM scratch\nCOPY a /\n");
    g_autofree char *names = step_names(&f);
    g_assert_cmpstr(names, ==, "[1/1] COPY a /\n");
    g_assert_null(step(&f, 0)->parent);
    g_assert_cmpstr(config_json(f.plan->config, "WorkingDir"), ==, "\"/\"");
    g_assert_cmpstr(kiln_config_env(f.plan->config, "PATH"), ==,
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

    g_auto(Fixture) only = {0};
    fixture_good(&only, "FROM scratch\nCMD [\"/x\"]\n");
    g_assert_null(only.plan->target);

    g_auto(Fixture) from = {0};
    fixture_good(&from, "FROM scratch AS empty\nFROM alpine\nCOPY --from=empty / /\n");
    g_assert_cmpint(step(&from, 1)->from.kind, ==, KILN_ORIGIN_STAGE);
    g_assert_null(step(&from, 1)->from.step);
}

/* What a stage set is in force in the stage that stands on it. */
static void test_from_stage(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine AS base\nARG X=1\nENV E=2\nUSER u\nWORKDIR /w\n"
                     "FROM base\nRUN echo\nWORKDIR sub\nRUN echo $X\n");
    g_autofree char *names = step_names(&f);
    g_assert_cmpstr(names, ==,
                    "[base 1/2] FROM docker.io/library/alpine:latest\n"
                    "[base 2/2] WORKDIR /w\n"
                    "[stage-1 1/3] RUN echo\n"
                    "[stage-1 2/3] WORKDIR sub\n"
                    "[stage-1 3/3] RUN echo 1\n");
    g_assert_cmpstr(step(&f, 2)->user, ==, "u");
    g_assert_cmpstr(step(&f, 2)->workdir, ==, "/w");
    g_assert_cmpstr(step(&f, 4)->workdir, ==, "/w/sub");
    g_assert_cmpstr(step(&f, 2)->created_by, ==, "RUN |1 X=1 /bin/sh -c echo # buildkit");
    g_autofree char *h = history(&f);
    g_assert_cmpstr(h, ==,
                    "-ARG X=1\n-ENV E=2\n-USER u\nWORKDIR /w\n"
                    "RUN |1 X=1 /bin/sh -c echo # buildkit\nWORKDIR /w/sub\n"
                    "RUN |1 X=1 /bin/sh -c echo $X # buildkit\n");
    g_assert_false(warned(&f, "WorkdirRelativePath", ""));
}

/* --build-context stands in for images and stages. */
static void test_contexts(void)
{
    static const char *const names[] = {"alpine", "files", NULL};
    g_auto(Fixture) f = {.options = {.contexts = names}};
    fixture_good(&f, "FROM docker.io/library/alpine:latest\nCOPY --from=files a b\n");
    g_assert_cmpstr(f.asked->str, ==, "alpine linux/amd64\nfiles linux/amd64\n");
    g_assert_cmpstr(step(&f, 0)->ref, ==, "alpine");
    g_assert_cmpuint(f.plan->steps->len, ==, 2);
    g_assert_cmpint(step(&f, 1)->from.kind, ==, KILN_ORIGIN_NAMED);
    g_assert_cmpstr(step(&f, 1)->from.name, ==, "files");
    g_assert_cmpuint(step(&f, 1)->needs->len, ==, 0);

    /* the stage of that name is not built */
    g_auto(Fixture) stage = {.options = {.contexts = names}};
    fixture_good(&stage, "FROM missing AS files\nRUN make\nFROM scratch\nCOPY --from=files a b\n");
    g_assert_cmpuint(stage.plan->steps->len, ==, 1);
    g_assert_cmpint(step(&stage, 0)->from.kind, ==, KILN_ORIGIN_NAMED);

    /* and can be a base: the directory is copied whole */
    g_auto(Fixture) base = {.options = {.contexts = names}};
    fixture_good(&base, "FROM files\nRUN make\n");
    g_assert_cmpint(step(&base, 0)->kind, ==, KILN_STEP_COPY);
    g_assert_cmpstr(step(&base, 0)->sources[0], ==, ".");
    g_assert_cmpstr(step(&base, 0)->dest, ==, "/");
    g_assert_true(step(&base, 1)->parent == step(&base, 0));
    g_autofree char *h = history(&base);
    g_assert_cmpstr(h, ==, "FROM files\nRUN /bin/sh -c make # buildkit\n");
}

static void test_references(void)
{
    static const char *const contexts[] = {"files", NULL};
    static const char text[] = "ARG V=14\nFROM node:$V AS a\nFROM unused AS b\n"
                               "FROM alpine\nCOPY --from=a / /\nCOPY --from=files / /\n"
                               "COPY --from=quay.io/x/y:1 / /\n"
                               "RUN --mount=type=bind,from=alpine,target=/m x\n";
    KilnPlanOptions options = {.contexts = contexts};
    GError *error = NULL;
    g_autoptr(KilnDockerfile) file = kiln_dockerfile_parse(text, strlen(text), "Dockerfile", NULL);
    g_assert_nonnull(file);
    g_autoptr(GPtrArray) list = kiln_plan_references(file, &options, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 3);
    g_assert_cmpstr(list->pdata[0], ==, "node:14");
    g_assert_cmpstr(list->pdata[1], ==, "alpine");
    g_assert_cmpstr(list->pdata[2], ==, "quay.io/x/y:1");
}

static void test_platforms(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "ARG P=linux/amd64\nFROM --platform=$P arm\n");
    g_assert_true(
        warned(&f, "InvalidBaseImagePlatform", "\"linux/arm64\", expected \"linux/amd64\""));
    g_autoptr(KilnPlatform) written = kiln_config_platform(f.plan->config);
    g_assert_cmpstr(written->architecture, ==, "amd64");

    g_auto(Fixture) constant = {0};
    fixture_good(&constant, "FROM --platform=linux/amd64 alpine\n");
    g_assert_true(warned(&constant, "FromPlatformFlagConstDisallowed", "\"linux/amd64\""));
    g_auto(Fixture) named = {0};
    fixture_good(&named, "FROM --platform=linux/amd64 alpine AS for-amd64\n");
    g_assert_cmpuint(named.plan->warnings->len, ==, 0);
    g_auto(Fixture) redundant = {0};
    fixture_good(&redundant, "FROM --platform=$TARGETPLATFORM alpine\n");
    g_assert_true(warned(&redundant, "RedundantTargetPlatform", "$TARGETPLATFORM"));
}

static void test_from_arguments(void)
{
    static const char *const arguments[] = {"V=14", NULL};
    g_auto(Fixture) f = {.options = {.build_args = arguments}};
    fixture_good(&f, "ARG V=16\nARG NAME=node:$V\nFROM ${NAME}\n");
    g_assert_cmpstr(f.asked->str, ==, "node:14 linux/amd64\n");
    g_assert_cmpuint(f.plan->warnings->len, ==, 0);

    g_auto(Fixture) undeclared = {0};
    fixture_good(&undeclared, "ARG BASE=alpine\nFROM ${BSE:-alpine}\n");
    g_assert_true(
        warned(&undeclared, "UndefinedArgInFrom", "'BSE' is not declared (did you mean BASE?)"));
    g_auto(Fixture) bare = {.options = {.build_args = arguments}};
    fixture_good(&bare, "ARG V\nFROM node:$V\n");
    g_assert_true(warned(&bare, "InvalidDefaultArgInFrom", "node:$V"));
}

static void test_refused(void)
{
    static const struct {
        const char *text, *target;
        KilnPlanError code;
        const char *part;
    } table[] = {
        {"FROM alpine AS a\nCOPY --from=a / /\n", NULL, KILN_PLAN_ERROR_STAGE,
         "Dockerfile:2:6: circular dependency: the stage a cannot read from itself"},
        {"FROM alpine AS a\nCOPY --from=b / /\nFROM a AS b\n", "a", KILN_PLAN_ERROR_STAGE,
         "Dockerfile:2:6: --from=b: that stage begins further down"},
        {"FROM alpine\nCOPY --from=1 / /\n", NULL, KILN_PLAN_ERROR_STAGE, "there is no stage 1"},
        {"FROM alpine\nCOPY --from=-1 / /\n", NULL, KILN_PLAN_ERROR_STAGE, "there is no stage -1"},
        {"FROM alpine\nCOPY --from=99999999999999999999 / /\n", NULL, KILN_PLAN_ERROR_STAGE,
         "there is no stage 9999"},
        {"FROM alpine\nARG X=1\nCOPY --from=$X / /\n", NULL, KILN_PLAN_ERROR_ARGUMENT,
         "variables cannot be used in --from"},
        {"FROM alpine AS builder\n", "bulder", KILN_PLAN_ERROR_STAGE,
         "there is no target stage \"bulder\"; did you mean builder?"},
        {"FROM alpine\n", "1", KILN_PLAN_ERROR_STAGE, "there is no target stage \"1\""},
        {"FROM $NAME\n", NULL, KILN_PLAN_ERROR_ARGUMENT,
         "Dockerfile:1:6: FROM $NAME: the name of the base is empty"},
        {"FROM --platform=$P alpine\n", NULL, KILN_PLAN_ERROR_ARGUMENT, "the platform is empty"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {.options = {.target = table[i].target}};
        assert_refused(&f, table[i].text, table[i].code, table[i].part);
    }
}

/* Errors of the resolve function keep their domain and get the place. */
static void test_base_not_there(void)
{
    static const char *const texts[] = {"FROM alpine AS a\nFROM missing\n",
                                        "FROM alpine\nCOPY --from=missing / /\n"};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(Fixture) f = {0};
        fixture_plan(&f, texts[i]);
        g_assert_error(f.error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_assert_true(g_str_has_prefix(f.error->message, "Dockerfile:2:6: missing: not found\n"));
    }
    static const char *const misspelt[] = {"FROM alpine AS mising\nFROM missing\n",
                                           "FROM alpine AS Misssing\nFROM alpine\n"
                                           "COPY --from=missing / /\n"};
    for (guint i = 0; i < G_N_ELEMENTS(misspelt); i++) {
        g_auto(Fixture) f = {0};
        fixture_plan(&f, misspelt[i]);
        g_assert_error(f.error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_assert_nonnull(strstr(f.error->message, i == 0 ? "(did you mean the stage mising?)"
                                                         : "(did you mean the stage misssing?)"));
    }
    g_auto(Fixture) f = {0};
    fixture_plan(&f, "FROM alpine:no:such\n");
    g_assert_nonnull(f.error);
    g_assert_true(g_str_has_prefix(f.error->message, "Dockerfile:1:6: "));
    g_assert_cmpstr(f.asked->str, ==, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/stages/two", test_two_stages);
    g_test_add_func("/plan/stages/needed", test_needed);
    g_test_add_func("/plan/stages/shared-base", test_shared_base);
    g_test_add_func("/plan/stages/copy-from-image", test_copy_from_image);
    g_test_add_func("/plan/stages/scratch", test_scratch);
    g_test_add_func("/plan/stages/from-stage", test_from_stage);
    g_test_add_func("/plan/stages/contexts", test_contexts);
    g_test_add_func("/plan/stages/references", test_references);
    g_test_add_func("/plan/stages/platforms", test_platforms);
    g_test_add_func("/plan/stages/from-arguments", test_from_arguments);
    g_test_add_func("/plan/stages/refused", test_refused);
    g_test_add_func("/plan/stages/base-not-there", test_base_not_there);
    return g_test_run();
}
