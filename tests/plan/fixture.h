/* What the tests of the plan share: bases that need no store, and a plan as text. */
#pragma once

#include <glib.h>
#include <string.h>

#include "plan/plan.h"

#define PLAIN_BASE                                                                                 \
    "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/usr/bin:/bin\"],"   \
    "\"Cmd\":[\"bash\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"

/* Bases by name. What is not here cannot be had. */
static const struct {
    const char *name, *json; /* NULL: a directory */
} bases[] = {
    {"alpine",
     "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/usr/bin:/bin\"],"
     "\"Cmd\":[\"/bin/sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"app",
     "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\",\"V=base\"],"
     "\"Entrypoint\":[\"/run\"],\"Cmd\":[\"--help\"],\"User\":\"app\",\"WorkingDir\":\"/srv\","
     "\"Labels\":{\"a\":\"base\"}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"bare", "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},"
             "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"trigger",
     "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"],\"OnBuild\":"
     "[\"ENV A=1\",\"COPY . /src\",\"RUN make\"]},"
     "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"trigger-from", "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"OnBuild\":"
                     "[\"COPY --from=tools /t /t\"]},"
                     "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"trigger-chain", "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"OnBuild\":"
                      "[\"ONBUILD RUN x\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"trigger-bad",
     "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"OnBuild\":"
     "[\"COPY --chmod=999 a b\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"arm", "{\"architecture\":\"arm64\",\"os\":\"linux\",\"config\":{},"
            "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"node:14",
     "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/usr/bin:/bin\","
     "\"NODE_VERSION=14\"],\"Entrypoint\":[\"docker-entrypoint.sh\"],\"Cmd\":[\"node\"]},"
     "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"},
    {"node:alpine", PLAIN_BASE},
    {"nginx:alpine", PLAIN_BASE},
    {"ubuntu:latest", PLAIN_BASE},
    {"python:3.7-alpine", PLAIN_BASE},
    {"python:3.10.2-slim", PLAIN_BASE},
    {"python:3.12-slim", PLAIN_BASE},
    {"files", NULL},
};

typedef struct {
    KilnDockerfile *file;
    KilnPlanOptions options;
    KilnPlan *plan;
    GError *error;
    GString *asked; /* "name platform\n" for each call of the resolve function */
} Fixture;

static KilnResolved *fake_resolve(const char *name, const KilnPlatform *platform, void *data,
                                  GError **error)
{
    Fixture *f = data;
    g_autofree char *text = kiln_platform_text(platform);
    g_string_append_printf(f->asked, "%s %s\n", name, text);
    if (strcmp(name, "unknown") == 0) {
        KilnResolved *r = g_new0(KilnResolved, 1);
        r->unknown = true;
        return r;
    }
    for (guint i = 0; i < G_N_ELEMENTS(bases); i++) {
        if (strcmp(bases[i].name, name) != 0)
            continue;
        KilnResolved *r = g_new0(KilnResolved, 1);
        r->directory = !bases[i].json;
        if (!r->directory) {
            r->config = kiln_config_parse(bases[i].json, strlen(bases[i].json), NULL);
            g_assert_nonnull(r->config);
            r->image_id = g_strconcat("id-of-", name, NULL);
        }
        return r;
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: not found", name);
    return NULL;
}

static void fixture_clear(Fixture *f)
{
    g_clear_pointer(&f->plan, kiln_plan_free);
    g_clear_pointer(&f->file, kiln_dockerfile_free);
    g_clear_error(&f->error);
    if (f->asked)
        g_string_free(f->asked, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

/* Parses and plans, for linux/amd64; sets either plan or error. */
static void fixture_plan(Fixture *f, const char *text)
{
    g_autoptr(KilnPlatform) platform = kiln_platform_parse("linux/amd64", NULL);
    f->asked = g_string_new(NULL);
    f->file = kiln_dockerfile_parse(text, strlen(text), "Dockerfile", &f->error);
    g_assert_no_error(f->error);
    if (!f->options.platform)
        f->options.platform = platform;
    f->options.resolve = fake_resolve;
    f->options.resolve_data = f;
    f->plan = kiln_plan_new(f->file, &f->options, &f->error);
    f->options.platform = NULL;
    g_assert_true((f->plan != NULL) == (f->error == NULL));
}

G_GNUC_UNUSED static void fixture_good(Fixture *f, const char *text)
{
    fixture_plan(f, text);
    g_assert_no_error(f->error);
}

/* The plan must be refused, with a message that has `part` in it. */
G_GNUC_UNUSED static void assert_refused(Fixture *f, const char *text, KilnPlanError code,
                                         const char *part)
{
    fixture_plan(f, text);
    g_assert_error(f->error, KILN_PLAN_ERROR, (int)code);
    if (!strstr(f->error->message, part))
        g_error("\"%s\" is not in \"%s\"", part, f->error->message);
}

G_GNUC_UNUSED static const KilnStep *step(const Fixture *f, guint n)
{
    g_assert_cmpuint(n, <, f->plan->steps->len);
    return g_ptr_array_index(f->plan->steps, n);
}

/* Names of the steps, a line each. */
G_GNUC_UNUSED static char *step_names(const Fixture *f)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < f->plan->steps->len; i++) {
        g_assert_cmpuint(step(f, i)->index, ==, i);
        g_string_append_printf(out, "%s\n", step(f, i)->name);
    }
    return g_string_free(out, FALSE);
}

/* created_by of the history, a line each; "-" before those without a layer. */
G_GNUC_UNUSED static char *history(const Fixture *f)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < f->plan->history->len; i++) {
        const KilnHistory *h = g_ptr_array_index(f->plan->history, i);
        g_assert_cmpstr(h->comment, ==, "buildkit.dockerfile.v0");
        g_string_append_printf(out, "%s%s\n", h->step ? "" : "-", h->created_by);
    }
    return g_string_free(out, FALSE);
}

/* A field of the config's "config" object as JSON, "null" if it is not there. */
G_GNUC_UNUSED static const char *config_json(const KilnConfig *config, const char *field)
{
    json_object *inner = NULL, *value = NULL;
    json_object_object_get_ex(kiln_config_json(config), "config", &inner);
    if (!inner || !json_object_object_get_ex(inner, field, &value))
        return "null";
    return json_object_to_json_string_ext(value,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

G_GNUC_UNUSED static bool warned(const Fixture *f, const char *rule, const char *part)
{
    for (guint i = 0; i < f->plan->warnings->len; i++) {
        const KilnDockerfileWarning *w = g_ptr_array_index(f->plan->warnings, i);
        if (strcmp(w->rule, rule) == 0 && strstr(w->text, part))
            return true;
    }
    return false;
}
