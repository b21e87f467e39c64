/* The operation "advise": which instructions of a Dockerfile should stand lower, as the builds that were made of it
 * show. What may be moved at all is for src/check/moves.c to say; here the kept builds are gone through again: where
 * a step was executed only because the moved instruction's input had changed, its time would have been saved. */
#include "build/history.h"
#include "build/difference.h"
#include "builder/definition.h"
#include "check/moves.h"

#include <string.h>

/* A proposal that saves less over all builds is not worth a change. */
#define WORTH_US (G_USEC_PER_SEC / 2)

/* A build's steps by "STAGE\nINSTRUCTION". */
typedef struct {
    gint64 id;
    GPtrArray *rows;   /* KilnBuildStepRow* */
    GHashTable *named; /* char* → KilnBuildStepRow* */
} Past;

typedef struct {
    KilnOperation *op;
    KilnDefinition *definition;
    const KilnPlan *plan;
    GPtrArray *stages; /* names */
    GPtrArray *past;   /* Past*, oldest first */
} Advice;

/* What one RUN would have saved. */
typedef struct {
    const KilnInstruction *run;
    guint times;
    gint64 saved;
} Saving;

static void past_free(gpointer data)
{
    Past *p = data;
    g_hash_table_unref(p->named);
    g_ptr_array_unref(p->rows);
    g_free(p);
}

/* "RUN npm ci" of "[builder 2/5] RUN npm ci": the numbers change with the file. */
static const char *instruction_of(const char *name)
{
    const char *end = *name == '[' ? strstr(name, "] ") : NULL;
    return end ? end + 2 : name;
}

static char *step_name(const char *stage, const char *name)
{
    return g_strdup_printf("%s\n%s", stage ? stage : "", instruction_of(name));
}

static Past *past_new(KilnStore *store, gint64 build, GError **error)
{
    GPtrArray *rows = kiln_build_steps(store, build, error);
    if (!rows)
        return NULL;
    Past *p = g_new0(Past, 1);
    p->id = build;
    p->rows = rows;
    p->named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < rows->len; i++) {
        KilnBuildStepRow *row = rows->pdata[i];
        g_hash_table_insert(p->named, step_name(row->stage, row->name), row);
    }
    return p;
}

static bool read_past(Advice *a, GError **error)
{
    json_object *request = a->op->request;
    const KilnBuildSubject subject = {.context = kiln_request_text(request, "context"),
                                      .dockerfile = kiln_request_text(request, "file"),
                                      .target = kiln_request_text(request, "target")};
    g_autofree char *project = kiln_build_project(&subject);
    g_autoptr(GPtrArray) builds = a->op->store ? kiln_builds_list(a->op->store, project, 0, error) : g_ptr_array_new();
    a->past = g_ptr_array_new_with_free_func(past_free);
    for (guint i = builds ? builds->len : 0; i > 0; i--) {
        Past *p = past_new(a->op->store, ((KilnBuildRow *)builds->pdata[i - 1])->id, error);
        if (!p)
            return false;
        g_ptr_array_add(a->past, p);
    }
    return builds != NULL;
}

/* ---- what changed ---- */

/* The step that an instruction of the file became; NULL: none. */
static const KilnStep *step_of(const Advice *a, const KilnInstruction *i)
{
    for (guint n = 0; n < a->plan->steps->len; n++) {
        const KilnStep *step = a->plan->steps->pdata[n];
        if (step->file && step->place.line == i->place.line)
            return step;
    }
    return NULL;
}

static KilnBuildStepRow *row_of(const Advice *a, const Past *p, const KilnStep *step)
{
    g_autofree char *name = step_name(a->stages->pdata[step->stage], step->name);
    return g_hash_table_lookup(p->named, name);
}

static bool is_file_of(const KilnMove *m, const char *path)
{
    for (guint n = 0; n < m->files->len; n++) {
        const char *file = m->files->pdata[n];
        if (g_str_has_suffix(file, "/") ? g_str_has_prefix(path, file) : g_str_equal(path, file))
            return true;
    }
    return false;
}

typedef enum { SAME, HARMLESS, OTHER } Change;

/* Whether a difference is one that the move keeps away from the RUNs. */
static bool is_harmless(const KilnDifference *d, const KilnMove *m)
{
    if (m->variable)
        return strcmp(d->what, "variable") == 0 && g_strcmp0(d->name, m->variable) == 0;
    return strcmp(d->what, "files") == 0 || (strcmp(d->what, "file") == 0 && !is_file_of(m, d->name ? d->name : ""));
}

/* How what a step reads from outside of the build differs between two builds. What is not known is taken for another
 * change. */
static Change compare(const Advice *a, const KilnBuildStepRow *before, const KilnBuildStepRow *after, const KilnMove *m)
{
    g_autoptr(GBytes) old = kiln_key_parts(a->op->store, before->key), new = kiln_key_parts(a->op->store, after->key);
    g_autoptr(KilnKeyParts) o = old ? kiln_key_parts_read(old) : NULL, n = new ? kiln_key_parts_read(new) : NULL;
    g_autoptr(KilnDifferences) differences = o && n ? kiln_differences_new(o, n) : NULL;
    Change change = differences ? SAME : OTHER;
    for (guint i = 0; differences && i < kiln_differences_length(differences); i++) {
        const KilnDifference *d = kiln_differences_get(differences, i);
        if (strcmp(d->what, "input") == 0) /* the caller knows of those */
            continue;
        if (!is_harmless(d, m))
            return OTHER;
        change = HARMLESS;
    }
    return change;
}

/* Whether what stands below the step came to the same layer in both. */
static bool same_below(const Advice *a, const Past *before, const Past *after, const KilnStep *step)
{
    const KilnStep *below = step->parent;
    if (!below)
        return true;
    const KilnBuildStepRow *o = row_of(a, before, below), *n = row_of(a, after, below);
    return o && n && (below->kind == KILN_STEP_FROM ? g_strcmp0(o->key, n->key) == 0 : o->layer == n->layer && o->layer);
}

/* The newest build before `at` that has the step with a key. */
static const Past *before(const Advice *a, guint at, const KilnStep *step)
{
    for (guint n = at; n > 0; n--) {
        const KilnBuildStepRow *row = row_of(a, a->past->pdata[n - 1], step);
        if (row && row->key)
            return a->past->pdata[n - 1];
    }
    return NULL;
}

/* ---- what it would have saved ---- */

static bool is_executed(const KilnBuildStepRow *row)
{
    return row && row->key && strcmp(row->verdict, "done") == 0;
}

/* Whether between two builds nothing changed for the RUN but what goes below it. */
static bool is_saved(const Advice *a, const KilnMove *m, const KilnStep *run, const Past *old, const Past *new)
{
    const KilnBuildStepRow *run_before = row_of(a, old, run), *run_after = row_of(a, new, run);
    if (!is_executed(run_after) || !run_before || !run_before->key || g_strcmp0(run_before->key, run_after->key) == 0)
        return false;
    if (m->variable)
        return compare(a, run_before, run_after, m) == HARMLESS && same_below(a, old, new, run);
    const KilnStep *copy = step_of(a, m->moved);
    const KilnBuildStepRow *copy_before = copy ? row_of(a, old, copy) : NULL, *copy_after = copy ? row_of(a, new, copy) : NULL;
    return copy_before && copy_before->key && is_executed(copy_after) && same_below(a, old, new, copy) &&
           compare(a, copy_before, copy_after, m) == HARMLESS && compare(a, run_before, run_after, m) == SAME;
}

static Saving saving_of(const Advice *a, const KilnMove *m, const KilnInstruction *instruction)
{
    Saving s = {.run = instruction};
    const KilnStep *run = step_of(a, instruction);
    for (guint n = 1; run && n < a->past->len; n++) {
        const Past *new = a->past->pdata[n], *old = before(a, n, run);
        if (!old || !is_saved(a, m, run, old, new))
            continue;
        s.times++;
        s.saved += row_of(a, new, run)->duration;
    }
    return s;
}

/* ---- the document ---- */

static void add_string(json_object *to, const char *key, const char *value)
{
    g_autofree char *valid = value ? g_utf8_make_valid(value, -1) : NULL;
    json_object_object_add(to, key, valid ? json_object_new_string(valid) : NULL);
}

static void add_seconds(json_object *to, gint64 microseconds)
{
    double seconds = (double)microseconds / G_USEC_PER_SEC;
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    json_object_object_add(to, "seconds_saved",
                           json_object_new_double_s(seconds, g_ascii_formatd(text, sizeof text, "%.3f", seconds)));
}

static void add_instruction(json_object *to, const KilnInstruction *i)
{
    add_string(to, "instruction", i->original);
    json_object_object_add(to, "line", json_object_new_int64(i->place.line));
}

static void add_list(json_object *to, const char *key, const GPtrArray *strings)
{
    json_object *list = json_object_new_array();
    for (guint n = 0; n < strings->len; n++)
        json_object_array_add(list, json_object_new_string(strings->pdata[n]));
    json_object_object_add(to, key, list);
}

/* A move with what it would have saved. */
static json_object *proposal(const Advice *a, KilnMove *m, gint64 *saved)
{
    json_object *o = json_object_new_object(), *below = json_object_new_array();
    *saved = 0;
    for (guint n = 0; n < m->runs->len; n++) {
        const Saving s = saving_of(a, m, m->runs->pdata[n]);
        json_object *run = json_object_new_object();
        add_instruction(run, s.run);
        json_object_object_add(run, "times", json_object_new_int64(s.times));
        add_seconds(run, s.saved);
        json_object_array_add(below, run);
        *saved += s.saved;
    }
    add_instruction(o, m->moved);
    add_string(o, "stage", a->stages->pdata[m->stage]);
    json_object_object_add(o, "below", below);
    add_list(o, "ahead", m->ahead);
    add_list(o, "assumptions", m->assumptions);
    add_seconds(o, *saved);
    if (m->refusal)
        add_string(o, "refusal", m->refusal);
    return o;
}

static json_object *document(Advice *a, GPtrArray *moves, const char *name)
{
    json_object *result = json_object_new_object(), *list = json_object_new_array(), *refused = json_object_new_array();
    g_autoptr(KilnLineEdit) edit = kiln_line_edit_new(a->definition->text, a->definition->size);
    gint64 total = 0;
    for (guint n = 0; n < moves->len; n++) {
        gint64 saved;
        KilnMove *m = moves->pdata[n];
        json_object *o = proposal(a, m, &saved);
        if (saved < WORTH_US) {
            json_object_put(o);
            continue;
        }
        json_object_array_add(m->refusal ? refused : list, o);
        if (m->refusal)
            continue;
        total += saved;
        kiln_move_apply(m, edit);
    }
    g_autofree char *diff = kiln_line_edit_diff(edit, name);
    add_string(result, "file", a->definition->dockerfile->name);
    json_object_object_add(result, "builds", json_object_new_int64(a->past->len));
    add_seconds(result, total);
    json_object_object_add(result, "advice", list);
    json_object_object_add(result, "refused", refused);
    add_string(result, "diff", diff);
    return result;
}

json_object *kiln_operation_advise(KilnOperation *op, GError **error)
{
    const char *name = kiln_request_text(op->request, "diff_name");
    g_autoptr(KilnDefinition) d = kiln_definition_read(op, error);
    g_autoptr(KilnPlan) plan = d ? kiln_definition_plan(d, error) : NULL;
    if (!plan)
        return NULL;
    Advice a = {.op = op, .definition = d, .plan = plan, .stages = kiln_build_stage_names(d->dockerfile)};
    json_object *result = NULL;
    if (read_past(&a, error)) {
        const KilnCheckContext context = {d->directory ? kiln_context_fd(d->context) : -1, kiln_context_ignore(d->context)};
        g_autoptr(GPtrArray) moves = kiln_check_moves(d->dockerfile, &context);
        result = document(&a, moves, name ? name : d->dockerfile->name);
    }
    g_ptr_array_unref(a.past);
    g_ptr_array_unref(a.stages);
    return result;
}
