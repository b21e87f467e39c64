/* Why newuidmap fails, found by looking at the program and at a directory that looks like /proc. */
#include "front/mapper.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char *dir;
    char *program;
} Fixture;

static void put(const Fixture *f, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(f->dir, file, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = g_dir_make_tmp("kiln-mapper-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->program = g_build_filename(f->dir, "newuidmap", NULL);
    put(f, "newuidmap", "");
    g_assert_cmpint(chmod(f->program, 0755), ==, 0);
    put(f, "self/status", "Name:\tkiln\nNoNewPrivs:\t0\n");
    put(f, "self/uid_map", "         0          0 4294967295\n");
}

static void tear_down(Fixture *f, gconstpointer data)
{
    static const char *const files[] = {"newuidmap", "self/status", "self/uid_map", "self", "."};
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(f->dir, files[i], NULL);
        g_remove(path);
    }
    g_rmdir(f->dir);
    g_free(f->dir);
    g_free(f->program);
}

static void assert_problem(const Fixture *f, const char *path, KilnIdRange range, const char *cause,
                           const char *remedy)
{
    KilnHostProblem p = kiln_mapper_problem(f->dir, path, range, false);
    g_assert_nonnull(p.cause);
    g_assert_nonnull(p.remedy);
    if (!strstr(p.cause, cause) || !strstr(p.remedy, remedy)) {
        g_error("\"%s\" → \"%s\" is not \"%s\" → \"%s\"", p.cause, p.remedy, cause, remedy);
    }
    kiln_host_problem_clear(&p);
}

static void test_causes(Fixture *f, gconstpointer data)
{
    const KilnIdRange range = {.start = 100000, .count = 65536};
    (void)data;
    assert_problem(f, NULL, range, "newuidmap is not installed", "uidmap");
    assert_problem(f, f->program, range, "neither set-user-ID root nor has file capabilities",
                   "setcap cap_setuid+ep");
    put(f, "self/status", "Name:\tkiln\nNoNewPrivs:\t1\n");
    assert_problem(f, f->program, range, "no_new_privs is set", "allowPrivilegeEscalation");
}

/* /bin/su or the like: what has the power is asked about the map. */
static void test_map(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *map;
        gboolean good;
    } cases[] = {
        {"0 0 4294967295\n", TRUE},
        {"0 1000 1\n1 100000 65536\n", FALSE},
        {"0 1000 1\n1 100000 165535\n", TRUE},
        {"0 1000 100000\n100000 500000 65535\n", FALSE},
        {"0 1000 110000\n110000 500000 65535\n", TRUE},
        {"0 1000 1\n", FALSE},
    };
    const KilnIdRange range = {.start = 100000, .count = 65536};
    g_autofree char *mapper = g_find_program_in_path("newuidmap");
    (void)data;
    g_assert_nonnull(mapper); /* package uidmap, which the build needs */
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        put(f, "self/uid_map", cases[i].map);
        KilnHostProblem p = kiln_mapper_problem(f->dir, mapper, range, false);
        if (cases[i].good) {
            g_assert_null(p.cause);
        } else {
            g_assert_nonnull(strstr(p.cause, "100000 to 165535"));
        }
        kiln_host_problem_clear(&p);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/front/mapper/causes", Fixture, NULL, set_up, test_causes, tear_down);
    g_test_add("/front/mapper/map", Fixture, NULL, set_up, test_map, tear_down);
    return g_test_run();
}
