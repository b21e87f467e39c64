#include "build/history.h"

#include "build/cancel.h"
#include "tree/digest.h"

#include <string.h>
#include <zstd.h>

/* Fast: a build must not be seen to wait for it. */
#define ZSTD_LEVEL 1
/* More than a log can have: lines of output end at KILN_BUILD_LOG_LIMIT, but not those on steps. */
#define LOG_SIZE_MAX (64 << 20)

typedef struct {
    KilnVerdict verdict; /* NONE: it has not ended */
    char *key, *cause;
    gint64 layer, started, duration;
} Note;

struct KilnBuildHistory {
    gint64 started;   /* microseconds since 1970 */
    gint64 monotonic; /* the same instant */
    const KilnPlan *plan; /* NULL: it did not come to one */
    GMutex lock;
    Note *notes; /* by step index */
};

KilnBuildHistory *kiln_build_history_new(void)
{
    KilnBuildHistory *h = g_new0(KilnBuildHistory, 1);
    h->started = g_get_real_time();
    h->monotonic = g_get_monotonic_time();
    g_mutex_init(&h->lock);
    return h;
}

static void clear_notes(KilnBuildHistory *h)
{
    for (guint i = 0; h->plan && i < h->plan->steps->len; i++) {
        g_free(h->notes[i].key);
        g_free(h->notes[i].cause);
    }
    g_clear_pointer(&h->notes, g_free);
}

void kiln_build_history_free(KilnBuildHistory *h)
{
    if (!h)
        return;
    clear_notes(h);
    g_mutex_clear(&h->lock);
    g_free(h);
}

void kiln_build_history_begin(KilnBuildHistory *h, const KilnPlan *plan)
{
    if (!h)
        return;
    clear_notes(h); /* the build begins anew when a layer was damaged */
    h->plan = plan;
    h->notes = g_new0(Note, plan->steps->len + 1);
}

void kiln_build_history_step(KilnBuildHistory *h, const KilnStep *step, gint64 began, KilnVerdict verdict,
                             const char *key, gint64 layer, const char *cause)
{
    if (!h)
        return;
    const Note note = {.verdict = verdict,
                       .key = g_strdup(key),
                       .cause = g_strdup(cause),
                       .layer = layer,
                       .started = began - h->monotonic,
                       .duration = g_get_monotonic_time() - began};
    g_mutex_lock(&h->lock);
    h->notes[step->index] = note;
    g_mutex_unlock(&h->lock);
}

/* A URL without the user and password in it. g_free(). */
static char *without_password(const char *place)
{
    const char *scheme = place ? strstr(place, "://") : NULL;
    const char *rest = scheme ? scheme + 3 : NULL;
    const char *at = rest ? memrchr(rest, '@', strcspn(rest, "/?#")) : NULL;
    return at ? g_strdup_printf("%.*s%s", (int)(rest - place), place, at + 1) : g_strdup(place);
}

/* The Dockerfile that is read if none is named. g_free(). */
static char *dockerfile_of(const KilnBuildSubject *subject)
{
    if (subject->dockerfile)
        return g_path_is_absolute(subject->dockerfile) ? g_canonicalize_filename(subject->dockerfile, "/")
                                                       : without_password(subject->dockerfile);
    return subject->context && g_path_is_absolute(subject->context)
               ? g_build_filename(subject->context, "Dockerfile", NULL)
               : g_strdup("Dockerfile");
}

char *kiln_build_project(const KilnBuildSubject *subject)
{
    g_autofree char *context = without_password(subject->context), *dockerfile = dockerfile_of(subject);
    g_autoptr(KilnHash) hash = kiln_hash_new();
    kiln_hash_string(hash, context);
    kiln_hash_string(hash, dockerfile);
    kiln_hash_string(hash, subject->target);
    return kiln_hash_finish_text(hash);
}

static const char *verdict_text(KilnVerdict verdict)
{
    static const char *const names[] = {[KILN_VERDICT_DONE] = "done",
                                        [KILN_VERDICT_CACHED] = "cached",
                                        [KILN_VERDICT_ERROR] = "error",
                                        [KILN_VERDICT_CANCELED] = "canceled"};
    return names[verdict];
}

GPtrArray *kiln_build_stage_names(const KilnDockerfile *file)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint n = 0; file && n < file->instructions->len; n++) {
        const KilnInstruction *i = file->instructions->pdata[n];
        if (i->kind == KILN_INST_FROM)
            g_ptr_array_add(names, i->args->len > 1 ? g_strdup(i->args->pdata[1])
                                                    : g_strdup_printf("%u", names->len));
    }
    return names;
}

/* Rows of the steps that have ended; their strings are the plan's, the notes' and the names'. */
static GArray *step_rows(const KilnBuildHistory *h, const GPtrArray *stages)
{
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(KilnBuildStepRow));
    for (guint i = 0; h->plan && i < h->plan->steps->len; i++) {
        const KilnStep *step = h->plan->steps->pdata[i];
        const Note *note = &h->notes[i];
        if (note->verdict == KILN_VERDICT_NONE)
            continue;
        const KilnBuildStepRow row = {.position = i,
                                      .stage = step->stage < stages->len ? stages->pdata[step->stage] : NULL,
                                      .name = step->name,
                                      .line = step->file ? step->place.line : 0,
                                      .verdict = (char *)verdict_text(note->verdict),
                                      .key = note->key,
                                      .layer = note->layer,
                                      .started = note->started,
                                      .duration = note->duration,
                                      .cause = note->cause};
        g_array_append_val(rows, row);
    }
    return rows;
}

static GBytes *compress(GBytes *log)
{
    gsize size, room;
    const void *bytes = g_bytes_get_data(log, &size);
    if (size == 0)
        return NULL;
    room = ZSTD_compressBound(size);
    g_autofree void *packed = g_malloc(room);
    gsize n = ZSTD_compress(packed, room, bytes, size, ZSTD_LEVEL);
    return ZSTD_isError(n) ? NULL : g_bytes_new(packed, n);
}

bool kiln_build_history_put(KilnBuildHistory *h, KilnStore *store, const KilnBuildSubject *subject,
                            const KilnDockerfile *file, const GError *failure, KilnEmitter *emitter, guint keep,
                            GError **error)
{
    g_autoptr(GBytes) log = kiln_emitter_kept(emitter);
    g_autoptr(GBytes) packed = log ? compress(log) : NULL;
    g_autoptr(GPtrArray) stages = kiln_build_stage_names(file);
    g_autoptr(GArray) steps = step_rows(h, stages);
    g_autofree char *project = kiln_build_project(subject);
    g_autofree char *context = without_password(subject->context), *dockerfile = dockerfile_of(subject);
    g_autofree char *message = failure ? g_utf8_make_valid(failure->message, -1) : NULL;
    const char *status = !failure                                            ? "built"
                         : kiln_verdict_of(failure) == KILN_VERDICT_CANCELED ? "canceled"
                                                                             : "failed";
    const KilnBuildRow build = {.started = h->started,
                                .duration = g_get_monotonic_time() - h->monotonic,
                                .status = (char *)status,
                                .project = project,
                                .context = context,
                                .dockerfile = dockerfile,
                                .target = (char *)subject->target,
                                .names = (char *)subject->names,
                                .image = (char *)subject->image,
                                .error = message};
    return kiln_build_put(store, &build, (KilnBuildStepRow *)(void *)steps->data, steps->len, packed, keep, error) != 0;
}

char *kiln_build_history_log(KilnStore *store, gint64 build, gsize *size)
{
    g_autoptr(GBytes) packed = kiln_build_log(store, build);
    gsize packed_size;
    const void *bytes = packed ? g_bytes_get_data(packed, &packed_size) : NULL;
    unsigned long long room = bytes ? ZSTD_getFrameContentSize(bytes, packed_size) : 0;
    if (room == 0 || room > LOG_SIZE_MAX) /* errors are large numbers */
        return NULL;
    g_autofree char *text = g_malloc(room + 1);
    gsize n = ZSTD_decompress(text, room, bytes, packed_size);
    if (ZSTD_isError(n))
        return NULL;
    text[n] = '\0';
    *size = n;
    return g_steal_pointer(&text);
}
