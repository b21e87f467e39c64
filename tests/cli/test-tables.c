/* What the commands print: tables, names, sizes, findings. */
#include "cli/checks.h"
#include "cli/names.h"
#include "cli/table.h"

#include <errno.h>
#include <string.h>

static void test_table(void)
{
    static const char *const headings[] = {"REPOSITORY", "TAG", NULL};
    g_autoptr(KilnTable) t = kiln_table_new(headings);
    kiln_table_add(t, (const char *const[]){"a", "latest"});
    kiln_table_add(t, (const char *const[]){"añejo-repository", "1"});
    g_autofree char *text = kiln_table_text(t);
    g_assert_cmpstr(text, ==,
                    "REPOSITORY         TAG\n"
                    "a                  latest\n"
                    "añejo-repository   1\n");
}

static void test_sizes(void)
{
    static const struct {
        gint64 bytes;
        const char *text;
    } cases[] = {{0, "0B"},           {999, "999B"},        {1000, "1kB"},
                 {4260000, "4.26MB"}, {187654321, "188MB"}, {999600, "1MB"},
                 {-1, "0B"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = kiln_human_size(cases[i].bytes);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_durations(void)
{
    static const struct {
        gint64 seconds;
        const char *text;
    } cases[] = {
        {0, "Less than a second"}, {1, "1 second"},          {59, "59 seconds"},
        {60, "About a minute"},    {120, "2 minutes"},       {3600, "About an hour"},
        {5400, "2 hours"},         {47 * 3600, "47 hours"},  {48 * 3600, "2 days"},
        {14 * 86400, "2 weeks"},   {60 * 86400, "2 months"}, {730 * 86400, "2 years"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = kiln_human_duration(cases[i].seconds);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_names(void)
{
    static const struct {
        const char *canonical, *repository, *tag;
    } cases[] = {
        {"docker.io/library/busybox:latest", "busybox", "latest"},
        {"docker.io/me/app:1.2", "me/app", "1.2"},
        {"docker.io/library/a/b:1", "library/a/b", "1"},
        {"localhost:5000/app:dev", "localhost:5000/app", "dev"},
        {"localhost:5000/app@sha256:00", "localhost:5000/app", "<none>"},
        {"quay.io/a/b:1@sha256:00", "quay.io/a/b", "1"},
        {"<none>", "<none>", "<none>"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *repository = NULL, *tag = NULL;
        kiln_name_split(cases[i].canonical, &repository, &tag);
        g_assert_cmpstr(repository, ==, cases[i].repository);
        g_assert_cmpstr(tag, ==, cases[i].tag);
    }
    g_autofree char *id = kiln_id_short("sha256:0123456789abcdef");
    g_assert_cmpstr(id, ==, "0123456789ab");
}

/* The status of the check of this name; it must be there. */
static const KilnCheck *find(const GPtrArray *checks, const char *name)
{
    for (guint i = 0; i < checks->len; i++) {
        const KilnCheck *c = g_ptr_array_index(checks, i);
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    g_error("no check \"%s\"", name);
}

static void test_kernel(void)
{
    static const struct {
        const char *release;
        KilnCheckStatus status;
    } cases[] = {{"5.11.0", KILN_CHECK_FAIL},
                 {"5.12.0", KILN_CHECK_OK},
                 {"6.1.0-18-amd64", KILN_CHECK_OK},
                 {"4.18.0-553.el8", KILN_CHECK_FAIL},
                 {"10.0", KILN_CHECK_OK},
                 {"what", KILN_CHECK_FAIL}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) checks = kiln_checks_new();
        kiln_checks_add_kernel(checks, cases[i].release);
        g_assert_cmpint(find(checks, "kernel")->status, ==, cases[i].status);
    }
}

static GPtrArray *probe(const char *json)
{
    GPtrArray *checks = kiln_checks_new();
    json_object *document = json_tokener_parse(json);
    kiln_checks_add_probe(checks, document);
    json_object_put(document);
    return checks;
}

static void test_probe_good(void)
{
    g_autoptr(GPtrArray) checks =
        probe("{\"kernel\":\"6.18\",\"store\":{\"root\":\"/s\",\"fs\":\"ext4\",\"owners\":\"real\","
              "\"free_bytes\":50000000000},\"snapshotter\":\"overlay\",\"lowerdir_plus\":0,\"fresh_proc\":0,"
              "\"nested_userns\":0,\"seccomp\":0}");
    g_assert_cmpuint(checks->len, ==, 7);
    for (guint i = 0; i < checks->len; i++) {
        g_assert_cmpint(((KilnCheck *)g_ptr_array_index(checks, i))->status, ==, KILN_CHECK_OK);
    }
    g_assert_cmpstr(find(checks, "store")->detail, ==, "/s (ext4), owners of files are real");
    g_assert_cmpstr(find(checks, "disk space")->detail, ==, "50GB free");
    g_assert_false(kiln_checks_failed(checks));
}

/* An old kernel, in a container, on a full overlay. */
static void test_probe_poor(void)
{
    g_autofree char *json = g_strdup_printf(
        "{\"store\":{\"root\":\"/s\",\"owners\":\"recorded\",\"free_bytes\":1000},"
        "\"snapshotter\":\"copy\",\"snapshotters_refused\":{\"overlay\":\"no xattrs\",\"fuse-overlayfs\":\"none\"},"
        "\"lowerdir_plus\":%d,\"fresh_proc\":%d}",
        -EINVAL, -EPERM);
    g_autoptr(GPtrArray) checks = probe(json);
    g_assert_cmpint(find(checks, "snapshotter")->status, ==, KILN_CHECK_WARN);
    g_assert_cmpstr(find(checks, "snapshotter")->detail, ==, "copy (overlay: no xattrs; fuse-overlayfs: none)");
    g_assert_nonnull(strstr(find(checks, "snapshotter")->remedy, "--root"));
    g_assert_cmpint(find(checks, "lowerdir+")->status, ==, KILN_CHECK_OK);
    g_assert_cmpint(find(checks, "fresh /proc")->status, ==, KILN_CHECK_WARN);
    g_assert_cmpint(find(checks, "disk space")->status, ==, KILN_CHECK_FAIL);
    g_assert_true(kiln_checks_failed(checks));
}

static void test_shown(void)
{
    g_autoptr(GPtrArray) checks = kiln_checks_new();
    kiln_checks_add(checks, "one", KILN_CHECK_OK, "fine", NULL);
    kiln_checks_add(checks, "two", KILN_CHECK_WARN, "weak", "sudo mend");
    g_autofree char *text = kiln_checks_text(checks);
    g_assert_cmpstr(text, ==,
                    "OK    one                    fine\n"
                    "WARN  two                    weak\n"
                    "                             → sudo mend\n");
    g_autofree char *json = kiln_checks_json(checks);
    json_object *list = json_tokener_parse(json), *remedy;
    g_assert_cmpuint(json_object_array_length(list), ==, 2);
    json_object_object_get_ex(json_object_array_get_idx(list, 1), "remedy", &remedy);
    g_assert_cmpstr(json_object_get_string(remedy), ==, "sudo mend");
    json_object_put(list);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/tables/table", test_table);
    g_test_add_func("/cli/tables/sizes", test_sizes);
    g_test_add_func("/cli/tables/durations", test_durations);
    g_test_add_func("/cli/tables/names", test_names);
    g_test_add_func("/cli/checks/kernel", test_kernel);
    g_test_add_func("/cli/checks/probe-good", test_probe_good);
    g_test_add_func("/cli/checks/probe-poor", test_probe_poor);
    g_test_add_func("/cli/checks/shown", test_shown);
    return g_test_run();
}
