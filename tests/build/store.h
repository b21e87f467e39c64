/* What the tests of src/build/ share: a store and a context in a directory of the test's own,
 * layers made by hand, and builds without a sandbox (COPY, ADD and WORKDIR). */
#pragma once

#include "build/engine.h"
#include "build/layer-writer.h"
#include "image/config.h"
#include "plan/plan.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *top, *context;
    KilnStore *store;
} Place;

static inline void set_up(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    p->top = g_dir_make_tmp("kiln-build-XXXXXX", NULL);
    p->context = g_build_filename(p->top, "context", NULL);
    g_assert_cmpint(g_mkdir(p->context, 0755), ==, 0);
    g_autofree char *root = g_build_filename(p->top, "store", NULL);
    p->store = kiln_store_open(root, KILN_STORE_SHARED, &error);
    g_assert_no_error(error);
}

static inline void tear_down(Place *p, gconstpointer data)
{
    (void)data;
    kiln_store_close(p->store);
    g_autofree char *parent = g_path_get_dirname(p->top), *name = g_path_get_basename(p->top);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_true(kiln_remove_tree(fd, name, NULL));
    close(fd);
    g_free(p->top);
    g_free(p->context);
}

/* --- Layers
 * ------------------------------------------------------------------------------------------- */

static inline int text_fd(const char *text)
{
    int fd = memfd_create("text", MFD_CLOEXEC);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
    return fd;
}

static inline KilnEntry an_entry(KilnType type, int mode)
{
    return (KilnEntry){.type = type, .mode = (uint16_t)mode, .mtime = 1000000000};
}

static inline void put_text(KilnLayerWriter *w, const char *path, const char *text)
{
    GError *error = NULL;
    KilnEntry e = an_entry(KILN_TYPE_FILE, 0644);
    e.size = strlen(text);
    g_autofree char *parent = g_path_get_dirname(path);
    int fd = text_fd(text);
    kiln_layer_writer_directory(w, strcmp(parent, ".") == 0 ? "" : parent, &error);
    g_assert_no_error(error);
    kiln_layer_writer_put(w, &e, path, fd, &error);
    g_assert_no_error(error);
    close(fd);
}

/* A layer of text files: path and text by turns, then NULL. A text that begins with "->" makes a
 * symlink. */
G_GNUC_NULL_TERMINATED static inline gint64 make_layer(Place *p, const char *path, ...)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnWork) work = kiln_work_new(p->store, NULL);
    g_autoptr(KilnView) below = kiln_view_new(NULL, 0);
    int upper = kiln_work_mkdir(work, "upper", NULL);
    g_autoptr(KilnLayerWriter) w =
        kiln_layer_writer_new(below, upper, kiln_store_owners(p->store), 0, 0, 1000000000);
    va_list args;
    va_start(args, path);
    for (; path; path = va_arg(args, const char *)) {
        const char *text = va_arg(args, const char *);
        KilnEntry link = an_entry(KILN_TYPE_SYMLINK, 0777);
        link.target = text + 2;
        if (g_str_has_prefix(text, "->"))
            g_assert_true(kiln_layer_writer_put(w, &link, path, -1, NULL));
        else
            put_text(w, path, text);
    }
    va_end(args);
    g_autoptr(KilnManifest) m = kiln_layer_writer_finish(w, &error);
    g_assert_no_error(error);
    gint64 layer = kiln_layer_commit(p->store, work, m, &error);
    g_assert_no_error(error);
    return layer;
}

/* --- Builds
 * ------------------------------------------------------------------------------------------- */

typedef struct {
    Place *place;
    const char *target;
    bool no_cache, record;
    const char *const *no_cache_stages;
    guint jobs;
    KilnCancel *cancel; /* NULL: one that is never set */

    KilnBuilt *built;
    GError *error;
    GPtrArray *steps; /* "DONE [2/3] COPY a /b", sorted */
} Build;

static inline void build_clear(Build *b)
{
    g_clear_pointer(&b->built, kiln_built_free);
    g_clear_error(&b->error);
    g_clear_pointer(&b->steps, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Build, build_clear)

static inline KilnResolved *resolve_in_store(const char *name, const KilnPlatform *platform,
                                             void *data, GError **error)
{
    Build *b = data;
    (void)platform;
    g_autoptr(KilnImage) image = kiln_image_lookup(b->place->store, name, error);
    if (!image)
        return NULL;
    KilnResolved *r = g_new0(KilnResolved, 1);
    r->image_id = g_strdup(image->id);
    guint64 size;
    int fd = kiln_blob_open(b->place->store, image->id, &size, NULL);
    g_autofree char *json = g_malloc(size);
    g_assert_cmpint(read(fd, json, size), ==, (gssize)size);
    close(fd);
    r->config = kiln_config_parse(json, size, NULL);
    return r;
}

typedef struct {
    KilnWire *wire;
    GPtrArray *steps;
} Reader;

static inline gpointer read_events(gpointer data)
{
    static const char *const verdicts[] = {
        [KILN_VERDICT_NONE] = "NONE",         [KILN_VERDICT_DONE] = "DONE",
        [KILN_VERDICT_CACHED] = "CACHED",     [KILN_VERDICT_ERROR] = "ERROR",
        [KILN_VERDICT_CANCELED] = "CANCELED",
    };
    Reader *r = data;
    json_object *json;
    while ((json = kiln_wire_receive(r->wire))) {
        KilnEvent e;
        if (kiln_event_from_json(json, &e) && e.type == KILN_EVENT_STEP_DONE)
            g_ptr_array_add(r->steps, g_strdup_printf("%s %s", verdicts[e.verdict], e.name));
        json_object_put(json);
    }
    return NULL;
}

static inline int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Plans and builds; fills built or error, and steps. */
static inline void build(Build *b, const char *dockerfile)
{
    int ends[2];
    build_clear(b);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_autoptr(KilnWire) there = kiln_wire_new(ends[1]);
    KilnWire *here = kiln_wire_new(ends[0]);
    b->steps = g_ptr_array_new_with_free_func(g_free);
    Reader reader = {there, b->steps};
    GThread *thread = g_thread_new("reader", read_events, &reader);
    KilnEmitter *emitter = kiln_emitter_new(here);
    KilnCancel *cancel = b->cancel ? b->cancel : kiln_cancel_new();

    KilnDockerfile *file =
        kiln_dockerfile_parse(dockerfile, strlen(dockerfile), "Dockerfile", &b->error);
    g_assert_no_error(b->error);
    KilnPlanOptions plan_options = {
        .target = b->target, .no_cache = b->no_cache_stages, .resolve = resolve_in_store, .resolve_data = b};
    KilnPlan *plan = kiln_plan_new(file, &plan_options, &b->error);
    g_assert_no_error(b->error);
    g_autoptr(KilnContext) context = kiln_context_new_directory(
        "the build context", open(b->place->context, O_RDONLY | O_DIRECTORY | O_CLOEXEC), NULL);
    KilnBuildOptions options = {
        .store = b->place->store,
        .emitter = emitter,
        .cancel = cancel,
        .plan = plan,
        .context = context,
        .jobs = b->jobs,
        .no_cache = b->no_cache,
        .record = b->record,
        .epoch = -1,
    };
    b->built = kiln_build_run(&options, &b->error);
    g_assert_true((b->built != NULL) == (b->error == NULL));

    kiln_plan_free(plan);
    kiln_dockerfile_free(file);
    if (!b->cancel)
        kiln_cancel_free(cancel);
    kiln_emitter_free(emitter);
    kiln_wire_free(here);
    g_thread_join(thread);
    g_ptr_array_sort(b->steps, by_text);
}

static inline void build_well(Build *b, const char *dockerfile)
{
    build(b, dockerfile);
    g_assert_no_error(b->error);
}

/* How many steps have this in "VERDICT NAME". */
static inline guint count(const Build *b, const char *verdict, const char *part)
{
    guint n = 0;
    for (guint i = 0; i < b->steps->len; i++)
        n += g_str_has_prefix(b->steps->pdata[i], verdict) && strstr(b->steps->pdata[i], part) ? 1
                                                                                               : 0;
    return n;
}

static inline bool is_cached(const Build *b, const char *part)
{
    g_assert_cmpuint(count(b, "CACHED", part) + count(b, "DONE", part), ==, 1);
    return count(b, "CACHED", part) == 1;
}

/* --- The context
 * -------------------------------------------------------------------------------------- */

static inline void write_context(const Place *p, const char *path, const char *text)
{
    g_autofree char *full = g_build_filename(p->context, path, NULL);
    g_autofree char *parent = g_path_get_dirname(full);
    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_true(g_file_set_contents(full, text, -1, NULL));
    g_assert_cmpint(g_chmod(full, 0644), ==, 0);
}

/* A file of what was built; NULL if there is none. */
static inline char *read_built(const Build *b, const char *path)
{
    GError *error = NULL;
    g_autoptr(KilnView) view =
        kiln_layer_view(b->place->store, b->built->chain, b->built->n_chain, &error);
    g_assert_no_error(error);
    guint at;
    const KilnEntry *e = kiln_view_lookup(view, path, &at);
    if (!e || e->type != KILN_TYPE_FILE)
        return NULL;
    int dir = kiln_layer_fd(b->place->store, b->built->chain[at], &error);
    g_assert_no_error(error);
    int fd = kiln_open_beneath(dir, path, O_RDONLY);
    g_assert_cmpint(fd, >=, 0);
    char *text = g_malloc0(e->size + 1);
    g_assert_cmpint(read(fd, text, e->size), ==, (gssize)e->size);
    close(fd);
    return text;
}
