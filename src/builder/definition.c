#include "builder/definition.h"
#include "builder/definition-text.h"
#include "dockerfile/lint.h"

static void join_errors(const GPtrArray *errors, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint n = 0; n < errors->len; n++)
        g_string_append_printf(text, "%s%s", n ? "\n" : "", ((GError *)errors->pdata[n])->message);
    g_set_error_literal(error, KILN_OPERATION_ERROR, 1, text->str);
}

static char *resolution_key(const char *name, const KilnPlatform *platform)
{
    g_autofree char *text = platform ? kiln_platform_text(platform) : NULL;
    return g_strconcat(name, " ", text, NULL);
}

/* For plan: what prefetch found, or found now (a platform that only the plan knows). */
static KilnResolved *resolve(const char *name, const KilnPlatform *platform, void *data, GError **error)
{
    KilnDefinition *d = data;
    g_autofree char *key = resolution_key(name, platform);
    g_mutex_lock(&d->lock);
    gpointer found_key = NULL, found = NULL;
    if (g_hash_table_steal_extended(d->resolved, key, &found_key, &found))
        g_free(found_key);
    const GError *failure = g_hash_table_lookup(d->failures, key);
    g_mutex_unlock(&d->lock);
    if (found)
        return found;
    if (!failure)
        return kiln_base_resolve(&d->bases, name, platform, error);
    g_propagate_error(error, g_error_copy(failure));
    return NULL;
}

/* Several bases are fetched at once; what fails here is reported, with its place, when the plan asks. */
static void prefetch_one(gpointer name, gpointer data)
{
    KilnDefinition *d = data;
    GError *failure = NULL;
    KilnResolved *r = kiln_base_resolve(&d->bases, name, d->platform, &failure);
    g_mutex_lock(&d->lock);
    if (r)
        g_hash_table_replace(d->resolved, resolution_key(name, d->platform), r);
    else
        g_hash_table_replace(d->failures, resolution_key(name, d->platform), failure);
    g_mutex_unlock(&d->lock);
}

static bool prefetch(KilnDefinition *d, const KilnPlanOptions *options, GError **error)
{
    g_autoptr(GPtrArray) references = kiln_plan_references(d->dockerfile, options, error);
    if (!references)
        return false;
    if (references->len < 2)
        return true;
    GThreadPool *pool = g_thread_pool_new(prefetch_one, d, 4, FALSE, NULL);
    for (guint i = 0; i < references->len; i++)
        g_thread_pool_push(pool, references->pdata[i], NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    return true;
}

static void emit_warnings(KilnDefinition *d, const GPtrArray *warnings)
{
    for (guint i = 0; warnings && i < warnings->len; i++) {
        const KilnDockerfileWarning *w = warnings->pdata[i];
        g_autofree char *text = w->place.line
                                    ? g_strdup_printf("%s (line %u)", w->text, w->place.line)
                                    : g_strdup(w->text);
        kiln_emit_warning(d->op->emitter, w->rule, text);
    }
}

/* "# check=error=true": the rules that were broken, each once. */
static bool check_warnings(KilnDefinition *d, const KilnPlan *plan, GError **error)
{
    const GPtrArray *lists[] = {d->dockerfile->warnings, plan->warnings};
    g_autoptr(GPtrArray) rules = g_ptr_array_new();
    if (!kiln_lint_is_strict(d->dockerfile))
        return true;
    for (guint n = 0; n < G_N_ELEMENTS(lists); n++)
        for (guint i = 0; lists[n] && i < lists[n]->len; i++) {
            const KilnDockerfileWarning *w = lists[n]->pdata[i];
            if (!g_ptr_array_find_with_equal_func(rules, w->rule, g_str_equal, NULL))
                g_ptr_array_add(rules, (gpointer)w->rule);
        }
    if (rules->len == 0)
        return true;
    g_ptr_array_add(rules, NULL);
    g_autofree char *names = g_strjoinv(", ", (char **)rules->pdata);
    g_set_error(error, KILN_OPERATION_ERROR, 1,
                "%s: lint violation found for rules: %s (\"# check=error=true\" makes warnings errors)",
                d->dockerfile->name, names);
    return false;
}

static KilnPlan *make_plan(KilnDefinition *d, const KilnPlanOptions *options, GError **error)
{
    KilnPlan *plan = kiln_plan_new(d->dockerfile, options, error);
    if (plan)
        kiln_check_ignored(plan, d->dockerfile, kiln_context_ignore(d->context), d->warnings);
    return plan;
}

/* One line: what is behind it "kiln check" tells better than a build can. */
static void emit_order(KilnDefinition *d)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_warning_free);
    kiln_definition_check_order(d, false, found);
    if (found->len == 0)
        return;
    const KilnDockerfileWarning *first = found->pdata[0];
    g_autofree char *text = found->len == 1
                                ? g_strdup_printf("line %u; \"kiln check\" tells how to mend it", first->place.line)
                                : g_strdup_printf("and %u more on the order of steps; \"kiln check\" explains them",
                                                  found->len - 1);
    kiln_emit_warning(d->op->emitter, first->rule, text);
}

void kiln_definition_check_order(const KilnDefinition *d, bool infos, GPtrArray *warnings)
{
    const KilnCheckContext context = {d->directory ? kiln_context_fd(d->context) : -1,
                                      kiln_context_ignore(d->context)};
    kiln_check_order(d->dockerfile, &context, infos, warnings);
}

KilnPlan *kiln_definition_plan(KilnDefinition *d, GError **error)
{
    json_object *request = d->op->request;
    g_autofree const char **args = kiln_request_list(request, "build_args");
    g_autofree const char **proxies = kiln_request_list(request, "proxy_args");
    g_autofree const char **labels = kiln_request_list(request, "labels");
    g_autofree const char **allow = kiln_request_list(request, "allow");
    g_autofree const char **no_cache = kiln_request_list(request, "no_cache_filter");
    const char *network = kiln_request_text(request, "network");
    KilnPlanOptions options = {
        .target = kiln_request_text(request, "target"),
        .build_args = args,
        .proxy_args = proxies,
        .labels = labels,
        .contexts = kiln_contexts_names(d->contexts),
        .network = g_strcmp0(network, "none") == 0   ? KILN_NETWORK_NONE
                   : g_strcmp0(network, "host") == 0 ? KILN_NETWORK_HOST
                                                     : KILN_NETWORK_DEFAULT,
        .allow = allow,
        .no_cache = no_cache,
        .platform = d->platform,
        .resolve = resolve,
        .resolve_data = d,
        .outline = d->outline,
        .all_stages = d->all_stages,
        .warnings = d->warnings,
    };
    if (d->errors->len > 0) {
        join_errors(d->errors, error);
        return NULL;
    }
    if (d->op->only_reads)
        return make_plan(d, &options, error);
    if (!prefetch(d, &options, error))
        return NULL;
    KilnPlan *plan = make_plan(d, &options, error);
    emit_warnings(d, d->dockerfile->warnings);
    if (!plan)
        return NULL;
    emit_warnings(d, plan->warnings);
    emit_order(d);
    if (!check_warnings(d, plan, error))
        g_clear_pointer(&plan, kiln_plan_free);
    return plan;
}

static bool read_definition(KilnDefinition *d, bool lenient, GError **error)
{
    json_object *request = d->op->request;
    g_autofree const char **contexts = kiln_request_list(request, "build_contexts");
    d->contexts = kiln_contexts_new(contexts, error);
    if (!d->contexts || !kiln_request_platform(request, &d->platform, error) ||
        !kiln_definition_read_files(d, error))
        return false;
    if (d->errors->len > 0 && !lenient) {
        join_errors(d->errors, error);
        return false;
    }
    d->bases = (KilnBases){d->op, d->contexts, kiln_request_text(request, "pull"), d->fetch};
    return true;
}

static KilnDefinition *read_any(KilnOperation *op, bool lenient, GError **error)
{
    g_autoptr(KilnDefinition) d = g_new0(KilnDefinition, 1);
    d->op = op;
    d->fetch = kiln_fetch_new(op);
    g_mutex_init(&d->lock);
    d->warnings = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_warning_free);
    d->errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    d->resolved = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)kiln_resolved_free);
    d->failures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_error_free);
    return read_definition(d, lenient, error) ? g_steal_pointer(&d) : NULL;
}

KilnDefinition *kiln_definition_read(KilnOperation *op, GError **error)
{
    return read_any(op, false, error);
}

KilnDefinition *kiln_definition_read_all(KilnOperation *op, GError **error)
{
    return read_any(op, true, error);
}

void kiln_definition_free(KilnDefinition *d)
{
    g_ptr_array_unref(d->warnings);
    g_ptr_array_unref(d->errors);
    g_free(d->text);
    g_hash_table_unref(d->resolved);
    g_hash_table_unref(d->failures);
    g_clear_pointer(&d->contexts, kiln_contexts_free);
    g_clear_pointer(&d->context, kiln_context_free);
    kiln_fetch_free(d->fetch);
    g_clear_pointer(&d->platform, kiln_platform_free);
    g_clear_pointer(&d->dockerfile, kiln_dockerfile_free);
    g_free(d->file);
    g_mutex_clear(&d->lock);
    g_free(d);
}
