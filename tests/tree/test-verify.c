/* A layer's directory against its manifest: everything that differs is told, and the forms on disk that differ from
 * the manifest on purpose are not. */
#include "tree/digest.h"
#include "tree/verify.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef struct {
    char *top;
    int fd;
    KilnManifest *m;
    GString *found;
} Layer;

static void tell(const char *path, const char *problem, void *data)
{
    g_string_append_printf(data, "/%s %s\n", path, problem);
}

/* What is wrong with the layer, a line a problem. */
static const char *verify(Layer *l, KilnOwners owners)
{
    g_string_truncate(l->found, 0);
    kiln_manifest_sort(l->m);
    kiln_verify_layer(l->m, l->fd, owners, tell, l->found, NULL);
    return l->found->str;
}

static KilnEntry *add(Layer *l, const char *path, KilnType type, uint16_t mode)
{
    KilnEntry *e = kiln_manifest_add(l->m, path);
    e->type = type;
    e->mode = mode;
    e->uid = geteuid();
    e->gid = getegid();
    e->mtime = 1000;
    return e;
}

static void place(Layer *l, KilnOwners owners)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnPlacer) p = kiln_placer_new(l->fd, owners);
    g_autofree char *content = g_build_filename(l->top, "..", NULL);
    int fd = open(content, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "text", 4), ==, 4);
    for (guint i = 0; i < kiln_manifest_length(l->m); i++) {
        KilnEntry *e = kiln_manifest_get(l->m, i);
        if (e->type == KILN_TYPE_FILE) {
            e->size = 4;
            e->has_digest = true;
            g_assert_cmpint(kiln_digest_fd(fd, e->digest, NULL), ==, 0);
        }
        g_assert_true(kiln_placer_put(p, e, e->type == KILN_TYPE_FILE ? fd : -1, &error));
        g_assert_no_error(error);
    }
    g_assert_true(kiln_placer_finish(p, &error));
    close(fd);
}

static void set_up(Layer *l, gconstpointer data)
{
    (void)data;
    g_autofree char *template = g_strdup("/var/tmp/kiln-verify-XXXXXX");
    l->top = g_strdup(g_mkdtemp(template));
    l->fd = open(l->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(l->fd, >=, 0);
    l->m = kiln_manifest_new();
    l->found = g_string_new(NULL);
    add(l, "", KILN_TYPE_DIR, 0755);
    add(l, "d", KILN_TYPE_DIR, 0700);
    add(l, "d/f", KILN_TYPE_FILE, 0640);
    add(l, "l", KILN_TYPE_SYMLINK, 0777)->target = "d/f";
    add(l, "p", KILN_TYPE_FIFO, 0600);
}

static void tear_down(Layer *l, gconstpointer data)
{
    (void)data;
    close(l->fd);
    g_assert_true(kiln_remove_tree(AT_FDCWD, l->top, NULL));
    kiln_manifest_unref(l->m);
    g_string_free(l->found, TRUE);
    g_free(l->top);
}

static void test_as_made(Layer *l, gconstpointer data)
{
    (void)data;
    place(l, KILN_OWNERS_REAL);
    g_assert_cmpstr(verify(l, KILN_OWNERS_REAL), ==, "");
}

static void test_altered(Layer *l, gconstpointer data)
{
    (void)data;
    place(l, KILN_OWNERS_REAL);
    g_autofree char *file = g_build_filename(l->top, "d", "f", NULL), *link = g_build_filename(l->top, "l", NULL);
    g_autofree char *fifo = g_build_filename(l->top, "p", NULL), *more = g_build_filename(l->top, "d", "x", NULL);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    int fd = open(file, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(write(fd, "TEXT", 4), ==, 4);
    g_assert_cmpint(futimens(fd, times), ==, 0);
    close(fd);
    g_assert_cmpstr(verify(l, KILN_OWNERS_REAL), ==, "/d/f has another content\n");
    g_assert_cmpint(g_chmod(file, 0600), ==, 0);
    g_assert_cmpint(utimensat(AT_FDCWD, file, NULL, 0), ==, 0);
    g_assert_cmpint(setxattr(file, "user.x", "y", 1, 0), ==, 0);
    g_assert_nonnull(strstr(verify(l, KILN_OWNERS_REAL), "/d/f has mode 0600 in place of 0640\n"));
    g_assert_nonnull(strstr(l->found->str, "/d/f was modified"));
    g_assert_nonnull(strstr(l->found->str, "/d/f has the extended attribute user.x"));
    g_assert_cmpint(g_unlink(link), ==, 0);
    g_assert_cmpint(g_unlink(fifo), ==, 0);
    g_assert_cmpint(g_mkdir(fifo, 0700), ==, 0);
    g_assert_cmpint(symlink("f", more), ==, 0);
    verify(l, KILN_OWNERS_REAL);
    g_assert_nonnull(strstr(l->found->str, "/l is missing\n"));
    g_assert_nonnull(strstr(l->found->str, "/p is a file of another type\n"));
    g_assert_nonnull(strstr(l->found->str, "/d/x was not in the layer\n"));
}

/* One line for a directory that is gone, none for what was in it. */
static void test_directory_is_gone(Layer *l, gconstpointer data)
{
    (void)data;
    place(l, KILN_OWNERS_REAL);
    g_assert_true(kiln_remove_tree(l->fd, "d", NULL));
    g_assert_cmpstr(verify(l, KILN_OWNERS_REAL), ==, "/d is missing\n");
}

static void test_recorded(Layer *l, gconstpointer data)
{
    (void)data;
    for (guint i = 0; i < kiln_manifest_length(l->m); i++) {
        kiln_manifest_get(l->m, i)->uid = 33;
        kiln_manifest_get(l->m, i)->gid = 7;
    }
    KilnEntry *device = add(l, "null", KILN_TYPE_CHAR, 0666);
    device->uid = device->gid = 0;
    device->major = 1;
    device->minor = 3;
    place(l, KILN_OWNERS_RECORDED);
    g_assert_cmpstr(verify(l, KILN_OWNERS_RECORDED), ==, "");
    g_autofree char *file = g_build_filename(l->top, "d", "f", NULL), *null = g_build_filename(l->top, "null", NULL);
    g_assert_cmpint(setxattr(file, KILN_STAT_XATTR, "f 640 33 8 0 0", 14, 0), ==, 0);
    g_assert_cmpint(removexattr(null, KILN_STAT_XATTR), ==, 0);
    g_assert_cmpstr(verify(l, KILN_OWNERS_RECORDED), !=, "");
    g_assert_nonnull(strstr(l->found->str, "/d/f has another owner than 33:7\n"));
    g_assert_nonnull(strstr(l->found->str, "/null is not recorded as the device that it is\n"));
}

/* As they are where 0:0 devices cannot be made. */
static void test_markers(Layer *l, gconstpointer data)
{
    (void)data;
    place(l, KILN_OWNERS_REAL);
    add(l, "d/gone", KILN_TYPE_WHITEOUT, 0);
    ((KilnEntry *)kiln_manifest_lookup(l->m, "d"))->opaque = true;
    verify(l, KILN_OWNERS_REAL);
    g_assert_nonnull(strstr(l->found->str, "/d/gone is missing\n"));
    g_assert_nonnull(strstr(l->found->str, "/d does not hide"));
    g_autofree char *marker = g_build_filename(l->top, "d", ".wh.gone", NULL);
    g_autofree char *opaque = g_build_filename(l->top, "d", ".wh..wh..opq", NULL);
    g_assert_true(g_file_set_contents(marker, "", 0, NULL));
    g_assert_true(g_file_set_contents(opaque, "", 0, NULL));
    g_assert_cmpstr(verify(l, KILN_OWNERS_REAL), ==, "");
}

#define ADD(name, func) g_test_add("/verify/" name, Layer, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("as-made", test_as_made);
    ADD("altered", test_altered);
    ADD("directory-is-gone", test_directory_is_gone);
    ADD("recorded", test_recorded);
    ADD("markers", test_markers);
    return g_test_run();
}
