/* --build-context NAME=PLACE: what is understood, and what is refused. */
#include "builder/contexts.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef struct {
    char *top, *directory, *file;
} Place;

static void set_up(Place *p, gconstpointer data)
{
    (void)data;
    p->top = g_dir_make_tmp("kiln-contexts-XXXXXX", NULL);
    p->directory = g_build_filename(p->top, "dir", NULL);
    p->file = g_build_filename(p->top, "archive.tar", NULL);
    g_assert_cmpint(g_mkdir(p->directory, 0755), ==, 0);
    g_assert_true(g_file_set_contents(p->file, "", 0, NULL));
}

static void tear_down(Place *p, gconstpointer data)
{
    (void)data;
    g_assert_cmpint(kiln_remove_tree(AT_FDCWD, p->top, NULL), ==, true);
    g_free(p->top);
    g_free(p->directory);
    g_free(p->file);
}

/* Arguments with %D and %F for the directory and the file. */
static KilnContexts *parse(const Place *p, const char *const *arguments, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    for (; *arguments; arguments++) {
        GString *text = g_string_new(*arguments);
        g_string_replace(text, "%D", p->directory, 0);
        g_string_replace(text, "%F", p->file, 0);
        g_ptr_array_add(list, g_string_free(text, FALSE));
    }
    g_ptr_array_add(list, NULL);
    return kiln_contexts_new((const char *const *)list->pdata, error);
}

static void test_none(Place *p, gconstpointer data)
{
    (void)data;
    static const char *const arguments[] = {NULL};
    KilnContexts *c = parse(p, arguments, NULL);
    g_assert_null(kiln_contexts_names(c)[0]);
    g_assert_null(kiln_contexts_find(c, "name"));
    kiln_contexts_free(c);
}

static void assert_found(const KilnContexts *c, const char *name, KilnNamedKind kind, const char *path,
                         const char *ref)
{
    const KilnNamedContext *n = kiln_contexts_find(c, name);
    g_assert_nonnull(n);
    g_assert_cmpint(n->kind, ==, kind);
    g_assert_cmpstr(n->path, ==, path);
    g_assert_cmpstr(n->ref, ==, ref);
}

static void test_kinds(Place *p, gconstpointer data)
{
    (void)data;
    static const char *const arguments[] = {"plain=%D",
                                            "Odd.Name/x:y=%D/../dir/.",
                                            "layout=oci-layout://%D",
                                            "tagged=oci-layout://%D:a=b",
                                            "oci=oci-archive://%F",
                                            "exact=oci-layout://%D:t@" DIGEST,
                                            "docker=docker-archive://%F",
                                            "tar=%F",
                                            "image=docker-image://alpine:3",
                                            "none=docker-image://scratch",
                                            NULL};
    static const char *const names[] = {"plain", "Odd.Name/x:y", "layout", "tagged", "oci", "exact",
                                        "docker", "tar", "image", "none", NULL};
    g_autoptr(GError) error = NULL;
    KilnContexts *c = parse(p, arguments, &error);
    g_assert_no_error(error);
    g_assert_cmpstrv((char **)kiln_contexts_names(c), (char **)names);
    assert_found(c, "plain", KILN_NAMED_TREE, p->directory, NULL);
    assert_found(c, "Odd.Name/x:y", KILN_NAMED_TREE, p->directory, NULL);
    assert_found(c, "layout", KILN_NAMED_ARCHIVE, p->directory, NULL);
    assert_found(c, "tagged", KILN_NAMED_ARCHIVE, p->directory, "a=b");
    assert_found(c, "exact", KILN_NAMED_ARCHIVE, p->directory, DIGEST);
    assert_found(c, "oci", KILN_NAMED_ARCHIVE, p->file, NULL);
    assert_found(c, "docker", KILN_NAMED_ARCHIVE, p->file, NULL);
    assert_found(c, "tar", KILN_NAMED_TREE, p->file, NULL);
    assert_found(c, "image", KILN_NAMED_IMAGE, NULL, "docker.io/library/alpine:3");
    assert_found(c, "none", KILN_NAMED_TREE, NULL, NULL);
    g_assert_cmpuint(g_hash_table_size(kiln_contexts_trees(c)), ==, 0); /* until they are wanted */
    kiln_contexts_free(c);
}

/* The last of a name counts, of whatever kind it and the others are, and however the name is written. */
static void test_same_name(Place *p, gconstpointer data)
{
    (void)data;
    static const char *const to_archive[] = {"name=%D", "NAME=%D", "Name=oci-archive://%F", NULL};
    static const char *const to_directory[] = {"name=oci-archive://%F", "other=%F",
                                               "docker.io/library/name:latest=%D", NULL};
    KilnContexts *c = parse(p, to_archive, NULL);
    g_assert_cmpstrv((char **)kiln_contexts_names(c), ((char *[]){(char *)"Name", NULL}));
    assert_found(c, "naME", KILN_NAMED_ARCHIVE, p->file, NULL);
    kiln_contexts_free(c);
    c = parse(p, to_directory, NULL);
    g_assert_cmpstrv((char **)kiln_contexts_names(c),
                     ((char *[]){(char *)"other", (char *)"docker.io/library/name:latest", NULL}));
    assert_found(c, "name", KILN_NAMED_TREE, p->directory, NULL);
    kiln_contexts_free(c);
}

static void test_refused(Place *p, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *argument, *part;
    } cases[] = {
        {"", "NAME and a place are needed"},
        {"name", "NAME and a place are needed"},
        {"name=", "NAME and a place are needed"},
        {"=%D", "NAME and a place are needed"},
        {"name=%D/missing", "/missing: No such file"},
        {"name=ftp://example.org/x", "no kind of place"},
        {"name=-", "standard input"},
        {"name=target:other", "bake"},
        {"name=docker-image://Not A Name", "--build-context name=docker-image://Not A Name: "},
        {"name=oci-layout://%D/missing", "/missing: No such file"},
        {"name=oci-archive://%D/missing", "/missing: No such file"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        const char *arguments[] = {"good=%D", cases[i].argument, NULL};
        g_test_message("%s", cases[i].argument);
        g_assert_null(parse(p, arguments, &error));
        g_assert_error(error, KILN_OPERATION_ERROR, 2);
        g_assert_nonnull(strstr(error->message, cases[i].part));
        g_assert_nonnull(strstr(error->message, "--build-context"));
    }
}

#define ADD(name, function) g_test_add("/contexts/" name, Place, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("none", test_none);
    ADD("kinds", test_kinds);
    ADD("same-name", test_same_name);
    ADD("refused", test_refused);
    return g_test_run();
}
