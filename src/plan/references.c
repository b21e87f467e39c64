/* What the names after --from and FROM mean. */
#include <string.h>

#include "dockerfile/expand.h"
#include "dockerfile/suggest.h"
#include "plan/plan-private.h"
#include "remote/reference.h"

/* "alpine" for "docker.io/library/alpine:latest": names of build contexts are compared so, as in
 * BuildKit. What is no reference stays as it is. g_free(). */
static char *familiar(const char *name)
{
    g_autoptr(KilnReference) r = kiln_reference_parse(name, NULL);
    if (!r)
        return g_ascii_strdown(name, -1);
    return kiln_reference_familiar(r);
}

const char *kiln_planner_context(const KilnPlanner *p, const char *name)
{
    const char *const *contexts = p->options->contexts;
    if (!contexts || !*contexts || g_ascii_strcasecmp(name, "scratch") == 0 ||
        g_ascii_strcasecmp(name, "context") == 0)
        return NULL;
    g_autofree char *wanted = familiar(name);
    for (; *contexts; contexts++) {
        g_autofree char *offered = familiar(*contexts);
        if (strcmp(wanted, offered) == 0)
            return *contexts;
    }
    return NULL;
}

static const char *unset(const char *name, void *data)
{
    (void)name;
    (void)data;
    return NULL;
}

bool kiln_planner_reference(KilnPlanner *p, const KilnSite *site, const char *from,
                            KilnFrom *reference, GError **error)
{
    memset(reference, 0, sizeof *reference);
    g_autofree char *plain = kiln_expand_word(from, site->escape, unset, NULL, NULL);
    if (!plain || strcmp(plain, from) != 0)
        return kiln_site_fail(
            site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_flag(site, "from"),
            "variables cannot be used in --from (\"%s\"): begin a stage \"FROM %s AS "
            "NAME\" with an ARG from before the first FROM, and take from that",
            from, from);
    const char *digits = *from == '-' || *from == '+' ? from + 1 : from;
    bool number = *digits && strspn(digits, "0123456789") == strlen(digits);
    /* To a mount a number is a name like others (detectRunMount() of convert_runmount.go). */
    if (number && site->instruction->kind != KILN_INST_RUN) {
        guint64 index;
        if (*from == '-' || p->stages->len == 0 ||
            !g_ascii_string_to_unsigned(digits, 10, 0, p->stages->len - 1, &index, NULL))
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_STAGE, kiln_site_flag(site, "from"),
                                  "--from=%s: there is no stage %s; the stages are 0 to %u", from,
                                  from, p->stages->len - 1);
        reference->stage = g_ptr_array_index(p->stages, index);
        return true;
    }
    g_autofree char *lower = g_ascii_strdown(from, -1);
    reference->stage = g_hash_table_lookup(p->names, lower);
    if (reference->stage || strcmp(from, "scratch") == 0)
        return true;
    reference->name = from;
    reference->context = kiln_planner_context(p, from);
    return true;
}

void kiln_planner_hint(const KilnPlanner *p, const char *name, GError **error)
{
    static const char *const common[] = {"alpine", "busybox", "centos", "debian",
                                         "golang", "ubuntu",  "fedora"};
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < p->stages->len; i++) {
        const KilnStage *s = g_ptr_array_index(p->stages, i);
        if (s->name)
            g_ptr_array_add(names, s->name);
    }
    for (guint i = 0; i < G_N_ELEMENTS(common); i++)
        g_ptr_array_add(names, (gpointer)common[i]);
    g_ptr_array_add(names, NULL);
    g_autofree char *lower = g_ascii_strdown(name, -1);
    const char *near = strcmp(lower, name) != 0 && g_hash_table_contains(p->names, lower)
                           ? lower
                           : kiln_suggest(name, (const char *const *)names->pdata, false);
    if (!near)
        return;
    /* At the end of the first line, before what quotes the Dockerfile. */
    const char *message = (*error)->message, *end = message + strcspn(message, "\n");
    const char *what = g_hash_table_contains(p->names, near) ? "the stage " : "";
    g_autoptr(GError) hinted =
        g_error_new((*error)->domain, (*error)->code, "%.*s (did you mean %s%s?)%s",
                    (int)(end - message), message, what, near, end);
    g_clear_error(error);
    *error = g_steal_pointer(&hinted);
}

GPtrArray *kiln_instruction_froms(const KilnInstruction *i)
{
    GPtrArray *froms = g_ptr_array_new_with_free_func(g_free);
    if (i->kind == KILN_INST_COPY) {
        const char *from = kiln_instruction_flag(i, "from");
        if (from && *from)
            g_ptr_array_add(froms, g_strdup(from));
    }
    if (i->kind != KILN_INST_RUN)
        return froms;
    g_autoptr(GPtrArray) mounts = kiln_instruction_flags(i, "mount");
    for (guint n = 0; n < mounts->len; n++) {
        g_auto(GStrv) fields = kiln_mount_fields(g_ptr_array_index(mounts, n));
        const char *from = NULL; /* what is malformed is told when the stage is run */
        for (char **field = fields; field && *field; field++) {
            if (g_ascii_strncasecmp(*field, "from=", strlen("from=")) == 0)
                from = *field + strlen("from=");
        }
        g_ptr_array_add(froms, from && *from ? g_strdup(from) : NULL);
    }
    return froms;
}
