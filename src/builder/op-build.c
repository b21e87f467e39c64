/* The operation "build": Dockerfile, bases, plan, steps, tags, archive. */
#include "build/build.h"
#include "builder/base.h"
#include "builder/output.h"
#include "dockerfile/lint.h"
#include "plan/plan.h"
#include "tree/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* BuildKit reads no larger Dockerfile either. */
#define DOCKERFILE_MAX (16 * 1024 * 1024)

typedef struct {
    KilnOperation *op;
    const char *context, *file;
    KilnDockerfile *dockerfile;
    KilnIgnore *ignore;
    KilnContexts *contexts;
    KilnPlatform *platform;
    KilnOutput output;
    KilnBases bases;
    GHashTable *resolved; /* "NAME PLATFORM" → KilnResolved, by prefetch() */
    GHashTable *failures; /* likewise → GError: what could not be had is not asked for twice */
    GMutex lock;
} Build;

/* Opens a file for reading; one of the context as COPY does: symlinks are followed inside of it. The
 * context may be anybody's, and errors quote what they find. -1 on error. */
static int open_text(const Build *b, const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
    char *real = realpath(directory, NULL);
    gsize n = strlen(b->context);
    bool inside = real && strncmp(real, b->context, n) == 0 && (real[n] == '/' || !real[n]);
    g_autofree char *below = inside ? g_build_filename("/", real + n, name, NULL) : NULL;
    free(real);
    int fd = -ENOENT;
    if (inside) {
        int context = open(b->context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_autoptr(KilnSource) tree = kiln_source_new_dir(context, "the build context", NULL, NULL);
        g_autoptr(GPtrArray) found = kiln_source_match(tree, below, false, error);
        if (!found)
            return -1;
        if (found->len)
            fd = kiln_open_beneath(context, found->pdata[0], O_RDONLY | O_NONBLOCK);
    } else if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
        fd = -errno;
    }
    if (fd >= 0)
        return fd;
    g_set_error(error, KILN_OPERATION_ERROR, 1, "cannot open %s%s: %s", path,
                inside ? " within the build context" : "", g_strerror(-fd));
    return -1;
}

static char *read_text(const Build *b, const char *path, gsize *size, GError **error)
{
    int fd = open_text(b, path, error);
    if (fd < 0)
        return NULL;
    struct stat st;
    char *text = NULL;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        g_set_error(error, KILN_OPERATION_ERROR, 1, "%s is not a regular file", path);
    else if (st.st_size > DOCKERFILE_MAX)
        g_set_error(error, KILN_OPERATION_ERROR, 1, "%s is larger than 16 MB", path);
    else
        text = g_malloc0((gsize)st.st_size + 1);
    ssize_t got = 0;
    for (*size = 0; text && *size < (gsize)st.st_size; *size += (gsize)got)
        if ((got = read(fd, text + *size, (gsize)st.st_size - *size)) <= 0)
            break;
    if (text && got < 0) {
        g_set_error(error, KILN_OPERATION_ERROR, 1, "reading %s: %s", path, g_strerror(errno));
        g_clear_pointer(&text, g_free);
    }
    close(fd);
    return text;
}

static bool load_dockerfile(Build *b, GError **error)
{
    g_autofree char *base = g_path_get_basename(b->file);
    g_autofree char *title = g_strdup_printf("[internal] load build definition from %s", base);
    KilnTask *task = kiln_task_start(b->op->emitter, title);
    gsize size = 0;
    g_autoptr(GError) local = NULL;
    g_autofree char *text = read_text(b, b->file, &size, &local);
    if (text)
        b->dockerfile = kiln_dockerfile_parse(text, size, base, &local);
    kiln_task_end(task, b->dockerfile ? KILN_VERDICT_DONE : KILN_VERDICT_ERROR,
                  local ? local->message : NULL);
    if (!text && !g_file_test(b->file, G_FILE_TEST_EXISTS))
        g_set_error(error, KILN_OPERATION_ERROR, 1,
                    "no Dockerfile at %s; name it with -f, and the context directory last", b->file);
    else if (local)
        g_propagate_error(error, g_steal_pointer(&local));
    return b->dockerfile != NULL;
}

/* FILE.dockerignore beside the Dockerfile, else .dockerignore of the context. */
static bool load_ignore(Build *b, GError **error)
{
    g_autofree char *own = g_strconcat(b->file, ".dockerignore", NULL);
    g_autofree char *common = g_build_filename(b->context, ".dockerignore", NULL);
    const char *path = g_file_test(own, G_FILE_TEST_EXISTS) ? own : common;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    gsize size;
    g_autofree char *text = read_text(b, path, &size, error);
    g_autofree char *name = g_path_get_basename(path);
    b->ignore = text ? kiln_ignore_parse(text, size, name, error) : NULL;
    return b->ignore != NULL;
}

static char *resolution_key(const char *name, const KilnPlatform *platform)
{
    g_autofree char *text = platform ? kiln_platform_text(platform) : NULL;
    return g_strconcat(name, " ", text, NULL);
}

/* For plan: what prefetch found, or found now (a platform that only the plan knows). */
static KilnResolved *resolve(const char *name, const KilnPlatform *platform, void *data, GError **error)
{
    Build *b = data;
    g_autofree char *key = resolution_key(name, platform);
    g_mutex_lock(&b->lock);
    gpointer found_key = NULL, found = NULL;
    if (g_hash_table_steal_extended(b->resolved, key, &found_key, &found))
        g_free(found_key);
    const GError *failure = g_hash_table_lookup(b->failures, key);
    g_mutex_unlock(&b->lock);
    if (found)
        return found;
    if (!failure)
        return kiln_base_resolve(&b->bases, name, platform, error);
    g_propagate_error(error, g_error_copy(failure));
    return NULL;
}

/* Several bases are fetched at once; what fails here is reported, with its place, when the plan asks. */
static void prefetch_one(gpointer name, gpointer data)
{
    Build *b = data;
    GError *failure = NULL;
    KilnResolved *r = kiln_base_resolve(&b->bases, name, b->platform, &failure);
    g_mutex_lock(&b->lock);
    if (r)
        g_hash_table_replace(b->resolved, resolution_key(name, b->platform), r);
    else
        g_hash_table_replace(b->failures, resolution_key(name, b->platform), failure);
    g_mutex_unlock(&b->lock);
}

static bool prefetch(Build *b, const KilnPlanOptions *options, GError **error)
{
    g_autoptr(GPtrArray) references = kiln_plan_references(b->dockerfile, options, error);
    if (!references)
        return false;
    if (references->len < 2)
        return true;
    GThreadPool *pool = g_thread_pool_new(prefetch_one, b, 4, FALSE, NULL);
    for (guint i = 0; i < references->len; i++)
        g_thread_pool_push(pool, references->pdata[i], NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    return true;
}

static void emit_warnings(Build *b, const GPtrArray *warnings)
{
    for (guint i = 0; warnings && i < warnings->len; i++) {
        const KilnDockerfileWarning *w = warnings->pdata[i];
        g_autofree char *text = w->place.line
                                    ? g_strdup_printf("%s (line %u)", w->text, w->place.line)
                                    : g_strdup(w->text);
        kiln_emit_warning(b->op->emitter, w->rule, text);
    }
}

/* "# check=error=true": the rules that were broken, each once. */
static bool check_warnings(Build *b, const KilnPlan *plan, GError **error)
{
    const GPtrArray *lists[] = {b->dockerfile->warnings, plan->warnings};
    g_autoptr(GPtrArray) rules = g_ptr_array_new();
    if (!kiln_lint_is_strict(b->dockerfile))
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
                b->dockerfile->name, names);
    return false;
}

static KilnPlan *make_plan(Build *b, GError **error)
{
    json_object *request = b->op->request;
    g_autofree const char **args = kiln_request_list(request, "build_args");
    g_autofree const char **proxies = kiln_request_list(request, "proxy_args");
    g_autofree const char **labels = kiln_request_list(request, "labels");
    KilnPlanOptions options = {
        .target = kiln_request_text(request, "target"),
        .build_args = args,
        .proxy_args = proxies,
        .labels = labels,
        .contexts = kiln_contexts_names(b->contexts),
        .platform = b->platform,
        .resolve = resolve,
        .resolve_data = b,
    };
    if (!prefetch(b, &options, error))
        return NULL;
    KilnPlan *plan = kiln_plan_new(b->dockerfile, &options, error);
    emit_warnings(b, b->dockerfile->warnings);
    if (!plan)
        return NULL;
    emit_warnings(b, plan->warnings);
    if (!check_warnings(b, plan, error))
        g_clear_pointer(&plan, kiln_plan_free);
    return plan;
}

static bool parse_epoch(json_object *request, gint64 *epoch, GError **error)
{
    const char *text = kiln_request_text(request, "source_date_epoch");
    guint64 value = 0;
    *epoch = -1;
    if (!text || !*text)
        return true;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &value, NULL)) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "SOURCE_DATE_EPOCH=%s is not a number of seconds", text);
        return false;
    }
    *epoch = (gint64)value;
    return true;
}

static KilnBuilt *run_plan(Build *b, const KilnPlan *plan, GError **error)
{
    json_object *request = b->op->request;
    const char *jobs = kiln_request_text(request, "jobs");
    KilnBuildOptions options = {
        .store = b->op->store,
        .run = b->op->run,
        .emitter = b->op->emitter,
        .cancel = b->op->cancel,
        .plan = plan,
        .context = b->context,
        .ignore = b->ignore,
        .contexts = kiln_contexts_directories(b->contexts),
        .jobs = jobs ? (guint)g_ascii_strtoull(jobs, NULL, 10) : 0,
        .no_cache = kiln_request_flag(request, "no_cache"),
        .record = !b->output.path, /* of an image in an archive only the layers are kept, as the cache */
        .blobs = b->output.path != NULL,
    };
    return parse_epoch(request, &options.epoch, error) ? kiln_build_run(&options, error) : NULL;
}

/* Names the image, or writes the archive; fills the result document. */
static json_object *deliver(Build *b, const KilnBuilt *built, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree const char **tags = kiln_request_list(b->op->request, "tags");
    json_object *list = json_object_new_array();
    json_object *result = json_object_new_object();
    json_object_object_add(result, "image_id", json_object_new_string(built->id));
    json_object_object_add(result, "names", list);
    bool ok = !kiln_cancel_check(b->op->cancel, error);
    for (const char **tag = tags; *tag && ok; tag++) {
        char *name = kiln_canonical_name(*tag, error);
        ok = name && (b->output.path || kiln_image_tag(b->op->store, built->id, name, error));
        if (name) {
            g_ptr_array_add(names, name);
            json_object_array_add(list, json_object_new_string(name));
        }
    }
    g_ptr_array_add(names, NULL);
    g_autofree char *digest = NULL;
    if (ok && b->output.path) {
        KilnExport image = {built->id,    (char **)names->pdata, built->config, built->config_size,
                            built->chain, built->n_chain};
        ok = kiln_output_write(b->op, &b->output, &image, 1, &digest, error);
        if (ok)
            json_object_object_add(result, "digest", json_object_new_string(digest));
    }
    if (!ok) {
        json_object_put(result);
        return NULL;
    }
    return result;
}

static json_object *build(Build *b, GError **error)
{
    json_object *request = b->op->request;
    b->context = kiln_request_text(request, "context");
    const char *file = kiln_request_text(request, "file");
    struct stat st;
    if (!b->context || stat(b->context, &st) < 0 || !S_ISDIR(st.st_mode)) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "the build context %s is no directory",
                    b->context ? b->context : "");
        return NULL;
    }
    g_autofree char *fallback = g_build_filename(b->context, "Dockerfile", NULL);
    b->file = file ? file : fallback;
    g_autofree const char **contexts = kiln_request_list(request, "build_contexts");
    b->contexts = kiln_contexts_new(contexts, error);
    if (!b->contexts || !kiln_request_platform(request, &b->platform, error) ||
        !kiln_output_parse(kiln_request_text(request, "output"), &b->output, error) ||
        !load_dockerfile(b, error) || !load_ignore(b, error))
        return NULL;
    b->bases = (KilnBases){b->op, b->contexts, kiln_request_text(request, "pull")};
    g_autoptr(KilnPlan) plan = make_plan(b, error);
    g_autoptr(KilnBuilt) built = plan ? run_plan(b, plan, error) : NULL;
    return built ? deliver(b, built, error) : NULL;
}

json_object *kiln_operation_build(KilnOperation *op, GError **error)
{
    Build b = {.op = op};
    g_mutex_init(&b.lock);
    b.resolved = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)kiln_resolved_free);
    b.failures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_error_free);
    json_object *result = build(&b, error);
    g_hash_table_unref(b.resolved);
    g_hash_table_unref(b.failures);
    g_clear_pointer(&b.contexts, kiln_contexts_free);
    g_clear_pointer(&b.ignore, kiln_ignore_free);
    g_clear_pointer(&b.platform, kiln_platform_free);
    g_clear_pointer(&b.dockerfile, kiln_dockerfile_free);
    kiln_output_clear(&b.output);
    g_mutex_clear(&b.lock);
    return result;
}
