/* -o type=oci,dest=FILE: reading it, and writing the file whole or not at all. */
#include "build/build.h"
#include "builder/output.h"
#include "tree/digest.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Reading
 * ---------------------------------------------------------------------------------------------- */

static void test_parse(void)
{
    static const struct {
        const char *text, *path;
        bool docker;
    } cases[] = {
        {NULL, NULL, false},
        {"", NULL, false},
        {"type=oci,dest=/a/b.tar", "/a/b.tar", false},
        {"dest=/a/b.tar,type=docker", "/a/b.tar", true},
        {"type=docker,type=oci,dest=/x,dest=/y", "/y", false},
        {"type=oci,dest=/a/./b/../c", "/a/c", false},
        {"type=oci,dest=/a=b", "/a=b", false},
        {"type=oci,dest=-", "-", false},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        KilnOutput out;
        g_test_message("%s", cases[i].text);
        kiln_output_parse(cases[i].text, &out, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(out.path, ==, cases[i].path);
        g_assert_true(out.docker == cases[i].docker);
        kiln_output_clear(&out);
    }
}

static void test_parse_refused(void)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"type=oci", "dest is missing"},
        {"type=oci,dest=", "a value is missing"},
        {"/a/file", "KEY=VALUE"},
        {"type=oci,dest=/a,", "KEY=VALUE"},
        {"type=oci,,dest=/a", "KEY=VALUE"},
        {"type=local,dest=/a", "only the types oci and docker"},
        {"type=OCI,dest=/a", "only the types oci and docker"},
        {"type=oci,dest=/a,push=true", "only type and dest"},
        {"=x,dest=/a", "only type and dest"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        KilnOutput out;
        g_test_message("%s", cases[i].text);
        g_assert_false(kiln_output_parse(cases[i].text, &out, &error));
        g_assert_error(error, KILN_OPERATION_ERROR, 2);
        g_assert_nonnull(strstr(error->message, cases[i].part));
        g_assert_nonnull(strstr(error->message, cases[i].text));
        kiln_output_clear(&out);
    }
}

/* --- Writing
 * ---------------------------------------------------------------------------------------------- */

typedef struct {
    char *top, *dir, *file;
    KilnWire *here, *there; /* what is emitted fits into the socket: nobody reads it */
    KilnOperation op;
    char *id;
} Place;

#define CONFIG                                                                                     \
    "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\","  \
    "\"diff_ids\":[]}}"

static void set_up(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    int ends[2];
    p->top = g_dir_make_tmp("kiln-output-XXXXXX", NULL);
    p->dir = g_build_filename(p->top, "dir", NULL);
    p->file = g_build_filename(p->dir, "a.tar", NULL);
    g_assert_cmpint(g_mkdir(p->dir, 0755), ==, 0);
    g_autofree char *root = g_build_filename(p->top, "store", NULL);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    p->here = kiln_wire_new(ends[0]);
    p->there = kiln_wire_new(ends[1]);
    p->op.store = kiln_store_open(root, KILN_STORE_SHARED, &error);
    g_assert_no_error(error);
    p->op.emitter = kiln_emitter_new(p->here);
    p->op.cancel = kiln_cancel_new();
    p->op.umask = 027;
    p->id = kiln_digest_of_bytes(CONFIG, strlen(CONFIG));
}

static void tear_down(Place *p, gconstpointer data)
{
    (void)data;
    kiln_store_close(p->op.store);
    kiln_emitter_free(p->op.emitter);
    kiln_cancel_free(p->op.cancel);
    kiln_wire_free(p->here);
    kiln_wire_free(p->there);
    g_assert_true(kiln_remove_tree(AT_FDCWD, p->top, NULL));
    g_free(p->top);
    g_free(p->dir);
    g_free(p->file);
    g_free(p->id);
}

/* An image without layers, or one that there is not. */
static bool write_to(Place *p, const char *path, bool there, GError **error)
{
    static char *const names[] = {NULL};
    const KilnOutput out = {.path = (char *)path};
    const KilnExport good = {
        .image_id = p->id, .names = names, .config = CONFIG, .config_size = strlen(CONFIG)};
    const KilnExport bad = {.image_id = p->id, .names = names};
    g_autofree char *digest = NULL;
    bool ok = kiln_output_write(&p->op, &out, there ? &good : &bad, 1, &digest, error);
    g_assert_true(!ok || digest);
    return ok;
}

static guint entries(const char *path)
{
    g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
    guint n = 0;
    while (g_dir_read_name(d))
        n++;
    return n;
}

static void assert_text(const char *path, const char *text)
{
    g_autofree char *content = NULL;
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, text);
}

static void test_new_file(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    struct stat st;
    write_to(p, p->file, true, &error);
    g_assert_no_error(error);
    g_assert_cmpint(stat(p->file, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0640); /* what the user's umask leaves */
    g_assert_cmpint(st.st_size, >, 1024);
    g_assert_cmpuint(entries(p->dir), ==, 1);
}

/* By rename: whoever has the old one open goes on reading that. */
static void test_existing_file(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    char text[8] = "";
    g_assert_true(g_file_set_contents(p->file, "old", -1, NULL));
    int fd = open(p->file, O_RDONLY | O_CLOEXEC);
    write_to(p, p->file, true, &error);
    g_assert_no_error(error);
    g_assert_cmpint(read(fd, text, sizeof text - 1), ==, 3);
    g_assert_cmpstr(text, ==, "old");
    close(fd);
    struct stat st;
    g_assert_cmpint(stat(p->file, &st), ==, 0);
    g_assert_cmpint(st.st_size, >, 1024);
    g_assert_cmpuint(entries(p->dir), ==, 1);
}

static void test_failure_leaves_nothing(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_false(write_to(p, p->file, false, &error));
    g_assert_true(g_str_has_prefix(error->message, "writing "));
    g_assert_cmpuint(entries(p->dir), ==, 0);
    g_assert_true(g_file_set_contents(p->file, "old", -1, NULL));
    g_assert_false(write_to(p, p->file, false, NULL));
    assert_text(p->file, "old");
    g_assert_cmpuint(entries(p->dir), ==, 1);
}

static void test_canceled(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_set_contents(p->file, "old", -1, NULL));
    kiln_cancel_trigger(p->op.cancel);
    g_assert_false(write_to(p, p->file, true, &error));
    g_assert_error(error, KILN_CANCEL_ERROR, 0);
    assert_text(p->file, "old");
    g_assert_cmpuint(entries(p->dir), ==, 1);
}

static void test_places_that_cannot_be_written(Place *p, gconstpointer data)
{
    (void)data;
    const char *const tails[] = {"missing/a.tar", "", "file/a.tar"};
    g_autofree char *file = g_build_filename(p->dir, "file", NULL);
    g_assert_true(g_file_set_contents(file, "x", -1, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_build_filename(p->dir, tails[i], NULL);
        g_assert_false(write_to(p, path, true, &error));
        g_assert_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_OUTPUT);
        g_assert_nonnull(strstr(error->message, p->dir));
        g_assert_cmpuint(entries(p->dir), ==, 1);
        g_assert_cmpuint(entries(p->top), ==, 2); /* dir and store */
    }
}

/* What is there and no file is written into. */
static void test_device(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    struct stat st;
    write_to(p, "/dev/null", true, &error);
    g_assert_no_error(error);
    g_assert_cmpint(stat("/dev/null", &st), ==, 0);
    g_assert_true(S_ISCHR(st.st_mode));
    g_assert_false(write_to(p, "/dev/full", true, &error));
    g_assert_nonnull(strstr(error->message, "No space left"));
}

#define ADD(name, function) g_test_add("/output/" name, Place, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/output/parse", test_parse);
    g_test_add_func("/output/parse-refused", test_parse_refused);
    ADD("new", test_new_file);
    ADD("existing", test_existing_file);
    ADD("failure", test_failure_leaves_nothing);
    ADD("canceled", test_canceled);
    ADD("places", test_places_that_cannot_be_written);
    ADD("device", test_device);
    return g_test_run();
}
