/* --build-context NAME=PLACE: what is understood, and what is refused. */
#include "builder/base.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

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
    g_assert_cmpuint(g_hash_table_size(kiln_contexts_directories(c)), ==, 0);
    kiln_contexts_free(c);
}

static void test_kinds(Place *p, gconstpointer data)
{
    (void)data;
    static const char *const arguments[] = {"plain=%D",
                                            "Odd.Name/x:y=%D/../dir/.",
                                            "layout=oci-layout://%D",
                                            "tagged=oci-layout://%D:a=b",
                                            "oci=oci-archive://%F",
                                            "docker=docker-archive://%F",
                                            NULL};
    static const char *const names[] = {"plain", "Odd.Name/x:y", "layout", "tagged",
                                        "oci",   "docker",       NULL};
    g_autoptr(GError) error = NULL;
    KilnContexts *c = parse(p, arguments, &error);
    g_assert_no_error(error);
    g_assert_cmpstrv((char **)kiln_contexts_names(c), (char **)names);
    GHashTable *directories = kiln_contexts_directories(c);
    g_assert_cmpuint(g_hash_table_size(directories), ==, 2);
    g_assert_cmpstr(g_hash_table_lookup(directories, "plain"), ==, p->directory);
    g_assert_cmpstr(g_hash_table_lookup(directories, "Odd.Name/x:y"), ==, p->directory);
    kiln_contexts_free(c);
}

/* The last of a name counts, of whatever kind it and the others are. */
static void test_same_name(Place *p, gconstpointer data)
{
    (void)data;
    static const char *const to_archive[] = {"name=%D", "NAME=%D", "Name=oci-archive://%F", NULL};
    static const char *const to_directory[] = {"name=oci-archive://%F", "Name=%D/..", "NAME=%D",
                                               NULL};
    KilnContexts *c = parse(p, to_archive, NULL);
    g_assert_cmpstrv((char **)kiln_contexts_names(c), ((char *[]){(char *)"Name", NULL}));
    g_assert_cmpuint(g_hash_table_size(kiln_contexts_directories(c)), ==, 0);
    kiln_contexts_free(c);
    c = parse(p, to_directory, NULL);
    g_assert_cmpstrv((char **)kiln_contexts_names(c), ((char *[]){(char *)"NAME", NULL}));
    g_assert_cmpuint(g_hash_table_size(kiln_contexts_directories(c)), ==, 1);
    g_assert_cmpstr(g_hash_table_lookup(kiln_contexts_directories(c), "NAME"), ==, p->directory);
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
        {"name=%D/missing", "/missing is not there"},
        {"name=%F", "no directory"},
        {"name=docker-image://alpine", "not supported yet"},
        {"name=https://example.org/x.git", "not supported yet"},
        {"name=oci-layout://%D/missing", "/missing is not there"},
        {"name=oci-archive://%D/missing", "/missing is not there"},
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
