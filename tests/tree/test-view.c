#include "tree/view.h"

#include <string.h>

/* A layer in short: one entry a word, with a letter in front. "d:a" directory, "i:a" implicit
 * directory, "o:a" opaque directory, "f:a" file, "w:a" whiteout, "l:a>target" symlink. */
static KilnManifest *layer(const char *text)
{
    KilnManifest *m = kiln_manifest_new();
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    for (char **w = words; *w; w++) {
        if (!**w)
            continue;
        char *target = strchr(*w, '>');
        if (target)
            *target++ = '\0';
        KilnEntry *e = kiln_manifest_add(m, *w + 2);
        e->implicit = **w == 'i';
        e->opaque = **w == 'o';
        e->type = strchr("io", **w) ? KILN_TYPE_DIR : (KilnType) * *w;
        e->mode = 0750;
        if (target)
            e->target = kiln_manifest_string(m, target);
    }
    kiln_manifest_sort(m);
    return m;
}

/* The view over layers, bottom first, NULL-terminated. */
static KilnView *view(const char *bottom, ...)
{
    g_autoptr(GPtrArray) layers =
        g_ptr_array_new_with_free_func((GDestroyNotify)kiln_manifest_unref);
    va_list arguments;
    va_start(arguments, bottom);
    for (const char *text = bottom; text; text = va_arg(arguments, const char *))
        g_ptr_array_add(layers, layer(text));
    va_end(arguments);
    return kiln_view_new((KilnManifest *const *)layers->pdata, layers->len);
}

static bool append_line(const KilnEntry *entry, guint number, void *data)
{
    g_string_append_printf(data, "%u:%s ", number, entry->path);
    return true;
}

/* "LAYER:PATH " for each entry at and below path. */
static char *all(const KilnView *v, const char *path)
{
    GString *s = g_string_new(NULL);
    g_assert_true(kiln_view_foreach(v, path, append_line, s));
    return g_string_free(s, FALSE);
}

static char *list(const KilnView *v, const char *path)
{
    g_autoptr(GPtrArray) names = kiln_view_list(v, path);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **)names->pdata);
}

static void assert_layer(const KilnView *v, const char *path, guint expected)
{
    guint number = 99;
    const KilnEntry *e = kiln_view_lookup(v, path, &number);
    g_assert_nonnull(e);
    g_assert_cmpstr(e->path, ==, path);
    g_assert_cmpuint(number, ==, expected);
}

static void assert_absent(const KilnView *v, const char *path)
{
    g_assert_null(kiln_view_lookup(v, path, NULL));
}

static void test_scratch(void)
{
    g_autoptr(KilnView) v = view(NULL, NULL);
    const KilnEntry *root = kiln_view_lookup(v, "", NULL);
    g_assert_nonnull(root);
    g_assert_cmpint((int)root->type, ==, KILN_TYPE_DIR);
    g_assert_cmpuint(root->mode, ==, 0755);
    assert_absent(v, "a");
    g_autofree char *entries = all(v, ""), *names = list(v, "");
    g_assert_cmpstr(entries, ==, "0: ");
    g_assert_cmpstr(names, ==, "");
}

static void test_upper_hides_lower(void)
{
    g_autoptr(KilnView) v = view("d: d:a f:a/x f:a/y", "d: d:a f:a/x", NULL);
    assert_layer(v, "a", 1);
    assert_layer(v, "a/x", 1);
    assert_layer(v, "a/y", 0);
    assert_absent(v, "a/z");
    assert_absent(v, "a/x/deeper");
    g_autofree char *entries = all(v, "a");
    g_assert_cmpstr(entries, ==, "1:a 1:a/x 0:a/y ");
}

static void test_whiteout(void)
{
    g_autoptr(KilnView) v =
        view("d:a d:a/b f:a/b/c f:a/bc", "d:a w:a/b", "d:d", "d:a d:a/b f:a/b/new", NULL);
    assert_absent(v, "a/b/c");
    assert_layer(v, "a/b", 3);
    assert_layer(v, "a/b/new", 3);
    assert_layer(v, "a/bc", 0);
    g_autofree char *entries = all(v, ""), *names = list(v, "a");
    g_assert_cmpstr(entries, ==, "0: 3:a 3:a/b 3:a/b/new 0:a/bc 2:d ");
    g_assert_cmpstr(names, ==, "b bc");

    g_autoptr(KilnView) gone = view("d:a f:a/b", "w:a", NULL);
    assert_absent(gone, "a");
    assert_absent(gone, "a/b");
    g_autofree char *nothing = all(gone, "a"), *no_names = list(gone, "a");
    g_assert_cmpstr(nothing, ==, "");
    g_assert_cmpstr(no_names, ==, "");
}

static void test_opaque(void)
{
    g_autoptr(KilnView) v = view("d:a f:a/old d:a/sub f:a/sub/old", "o:a d:a/sub f:a/new", NULL);
    assert_layer(v, "a", 1);
    assert_layer(v, "a/sub", 1);
    assert_absent(v, "a/old");
    assert_absent(v, "a/sub/old");
    g_autofree char *entries = all(v, ""), *below = all(v, "a/sub");
    g_assert_cmpstr(entries, ==, "0: 1:a 1:a/new 1:a/sub ");
    g_assert_cmpstr(below, ==, "1:a/sub ");

    g_autoptr(KilnView) root = view("d: f:a", "o: f:b", NULL);
    assert_absent(root, "a");
    g_autofree char *names = list(root, "");
    g_assert_cmpstr(names, ==, "b");
}

static void test_file_over_directory(void)
{
    /* Replaced by a file, and by a directory again: the lowest content stays hidden. */
    g_autoptr(KilnView) v = view("d:a f:a/x", "f:a", "d:a f:a/y", NULL);
    assert_absent(v, "a/x");
    assert_layer(v, "a/y", 2);
    g_autofree char *entries = all(v, "a");
    g_assert_cmpstr(entries, ==, "2:a 2:a/y ");
}

static void test_implicit(void)
{
    g_autoptr(KilnView) v = view("d:a", "i:a f:a/x", "i:a i:a/n f:a/n/y", NULL);
    assert_layer(v, "a", 0);
    assert_layer(v, "a/n", 2); /* no layer lists it */
    g_autofree char *entries = all(v, "a");
    g_assert_cmpstr(entries, ==, "0:a 2:a/n 2:a/n/y 1:a/x ");

    /* A file or a deletion in between: what lies below is another directory. */
    g_autoptr(KilnView) file = view("d:a", "f:a", "i:a f:a/x", NULL);
    assert_layer(file, "a", 2);
    g_autoptr(KilnView) deleted = view("d:a", "w:a", "i:a f:a/x", NULL);
    assert_layer(deleted, "a", 2);
    g_autoptr(KilnView) hidden = view("d:p d:p/a", "o:p", "d:p i:p/a", NULL);
    assert_layer(hidden, "p/a", 2);
}

static void test_names_around_slash(void)
{
    g_autoptr(KilnView) v = view("d:a f:a-b f:a.b d:a/c f:a/c/d", "d:a f:a!b", "f:ab", NULL);
    g_autofree char *entries = all(v, ""), *names = list(v, ""), *a = list(v, "a");
    g_assert_cmpstr(entries, ==, "0: 1:a 0:a/c 0:a/c/d 1:a!b 0:a-b 0:a.b 2:ab ");
    g_assert_cmpstr(names, ==, "a a!b a-b a.b ab");
    g_assert_cmpstr(a, ==, "c");
}

static void test_list_of_no_directory(void)
{
    g_autoptr(KilnView) v = view("f:a l:b>a", NULL);
    g_autofree char *a = list(v, "a"), *b = list(v, "b"), *c = list(v, "c");
    g_assert_cmpstr(a, ==, "");
    g_assert_cmpstr(b, ==, "");
    g_assert_cmpstr(c, ==, "");
}

static bool stop_at_second(const KilnEntry *entry, guint number, void *data)
{
    (void)entry;
    (void)number;
    return ++*(guint *)data < 2;
}

static void test_foreach_stops(void)
{
    g_autoptr(KilnView) v = view("d: f:a f:b f:c", NULL);
    guint calls = 0;
    g_assert_false(kiln_view_foreach(v, "", stop_at_second, &calls));
    g_assert_cmpuint(calls, ==, 2);
}

static void assert_resolves(const KilnView *v, const char *path, bool follow, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *found = kiln_view_resolve(v, path, follow, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(found, ==, expected);
}

static void test_resolve(void)
{
    g_autoptr(KilnView) v = view("d:usr d:usr/bin f:usr/bin/sh l:bin>usr/bin l:lib>/usr/lib "
                                 "d:var l:var/run>/run l:up>../../../usr l:chain>bin/sh "
                                 "l:usr/here>./bin/",
                                 NULL);
    assert_resolves(v, "/", true, "");
    assert_resolves(v, "", true, "");
    assert_resolves(v, "bin/sh", true, "usr/bin/sh");
    assert_resolves(v, "//bin/./sh", true, "usr/bin/sh");
    assert_resolves(v, "bin", false, "bin");
    assert_resolves(v, "bin", true, "usr/bin");
    assert_resolves(v, "bin/", false, "usr/bin"); /* the slash asks for the directory */
    assert_resolves(v, "chain", true, "usr/bin/sh");
    assert_resolves(v, "usr/here/sh", true, "usr/bin/sh");
    /* ".." goes up from where the link leads, and stops at the root. */
    assert_resolves(v, "bin/..", true, "usr");
    assert_resolves(v, "../../etc/x", true, "etc/x");
    assert_resolves(v, "up/bin", true, "usr/bin");
    /* What does not exist stays as it is, also below a link that leads nowhere. */
    assert_resolves(v, "var/run/app.pid", true, "run/app.pid");
    assert_resolves(v, "lib/nothing/here", true, "usr/lib/nothing/here");
    assert_resolves(v, "usr/bin/sh/x", true, "usr/bin/sh/x");
}

static void test_resolve_loop(void)
{
    g_autoptr(KilnView) v = view("l:a>b l:b>a l:self>self/x", NULL);
    static const char *const loops[] = {"a", "a/x", "self"};
    for (guint i = 0; i < G_N_ELEMENTS(loops); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_view_resolve(v, loops[i], true, &error));
        g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_LOOP);
    }
    assert_resolves(v, "a", false, "a");
}

static void test_resolve_forty_links(void)
{
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    for (int i = 1; i <= 41; i++) {
        g_autofree char *path = g_strdup_printf("l%d", i), *to = g_strdup_printf("l%d", i - 1);
        KilnEntry *e = kiln_manifest_add(m, path);
        e->type = KILN_TYPE_SYMLINK;
        e->target = kiln_manifest_string(m, to);
    }
    kiln_manifest_sort(m);
    g_autoptr(KilnView) v = kiln_view_new(&m, 1);
    assert_resolves(v, "l40", true, "l0");
    g_assert_null(kiln_view_resolve(v, "l41", true, NULL));
}

/* foreach and list merge the layers, lookup searches them: on layers of any kind they must agree.
 */

typedef struct {
    GHashTable *seen; /* path → entry */
    const KilnView *view;
    const char *before;
} Agreement;

static bool check_entry(const KilnEntry *entry, guint number, void *data)
{
    Agreement *a = data;
    guint found;
    g_assert_true(kiln_view_lookup(a->view, entry->path, &found) == entry);
    g_assert_cmpuint(found, ==, number);
    if (a->before)
        g_assert_cmpint(kiln_path_compare(a->before, entry->path), <, 0);
    a->before = entry->path;
    g_hash_table_insert(a->seen, (char *)entry->path, (KilnEntry *)entry);
    return true;
}

static KilnManifest *random_layer(GRand *rand, GPtrArray *paths)
{
    static const char kinds[] = "ddddiiffowl";
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        if (g_rand_int_range(rand, 0, 3))
            continue;
        /* As in real layers, every parent is there, as a directory. */
        for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
            g_autofree char *parent = g_strndup(path, (gsize)(slash - path));
            KilnEntry *e = kiln_manifest_add(m, parent);
            e->type = KILN_TYPE_DIR;
            e->implicit = g_rand_boolean(rand);
            e->opaque = g_rand_int_range(rand, 0, 8) == 0;
        }
        char kind = kinds[g_rand_int_range(rand, 0, sizeof(kinds) - 1)];
        KilnEntry *e = kiln_manifest_add(m, path);
        e->implicit = kind == 'i';
        e->opaque = kind == 'o';
        e->type = strchr("io", kind) ? KILN_TYPE_DIR : (KilnType)kind;
        e->target = kind == 'l' ? "t" : NULL;
    }
    kiln_manifest_sort(m);
    return g_steal_pointer(&m);
}

static void check_agreement(const KilnView *v, GPtrArray *paths, const char *start)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    Agreement a = {.seen = seen, .view = v};
    g_assert_true(kiln_view_foreach(v, start, check_entry, &a));
    g_autoptr(GPtrArray) names = kiln_view_list(v, start);
    guint children = 0;
    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        if (!kiln_path_within(path, start))
            continue;
        const KilnEntry *e = kiln_view_lookup(v, path, NULL);
        g_assert_true(g_hash_table_lookup(seen, path) == e);
        const char *rest = path + strlen(start) + (*start && path[strlen(start)]);
        if (!e || !*rest || strchr(rest, '/'))
            continue;
        children++;
        g_assert_true(g_ptr_array_find_with_equal_func(names, rest, g_str_equal, NULL));
    }
    g_assert_cmpuint(names->len, ==, children);
}

static void test_merge_agrees_with_lookup(void)
{
    static const char *const names[] = {"a", "b", "a-"};
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < 3; i++) {
        g_ptr_array_add(paths, g_strdup(names[i]));
        for (guint j = 0; j < 3; j++) {
            g_ptr_array_add(paths, g_strjoin("/", names[i], names[j], NULL));
            for (guint k = 0; k < 3; k++)
                g_ptr_array_add(paths, g_strjoin("/", names[i], names[j], names[k], NULL));
        }
    }
    g_autoptr(GRand) rand = g_rand_new_with_seed(20);
    for (guint round = 0; round < 300; round++) {
        KilnManifest *layers[6];
        guint n = (guint)g_rand_int_range(rand, 1, 7);
        for (guint i = 0; i < n; i++)
            layers[i] = random_layer(rand, paths);
        g_autoptr(KilnView) v = kiln_view_new(layers, n);
        check_agreement(v, paths, "");
        check_agreement(v, paths, "a");
        check_agreement(v, paths, "b/a-");
        for (guint i = 0; i < n; i++)
            kiln_manifest_unref(layers[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/view/scratch", test_scratch);
    g_test_add_func("/view/upper-hides-lower", test_upper_hides_lower);
    g_test_add_func("/view/whiteout", test_whiteout);
    g_test_add_func("/view/opaque", test_opaque);
    g_test_add_func("/view/file-over-directory", test_file_over_directory);
    g_test_add_func("/view/implicit", test_implicit);
    g_test_add_func("/view/names-around-slash", test_names_around_slash);
    g_test_add_func("/view/list-of-no-directory", test_list_of_no_directory);
    g_test_add_func("/view/foreach-stops", test_foreach_stops);
    g_test_add_func("/view/resolve", test_resolve);
    g_test_add_func("/view/resolve-loop", test_resolve_loop);
    g_test_add_func("/view/resolve-forty-links", test_resolve_forty_links);
    g_test_add_func("/view/merge-agrees-with-lookup", test_merge_agrees_with_lookup);
    return g_test_run();
}
