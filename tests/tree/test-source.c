#include "tree/source.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "scratch.h"
#include "tree/digest.h"

/* The source of a scratch directory. */
static KilnSource *source(const Scratch *s, const KilnIgnore *ignore, KilnStatIndex *index)
{
    int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return kiln_source_new_dir(fd, "the build context", ignore, index);
}

static KilnIgnore *ignore(const char *text)
{
    GError *error = NULL;
    KilnIgnore *i = kiln_ignore_parse(text, strlen(text), ".dockerignore", &error);
    g_assert_no_error(error);
    return i;
}

/* A context that the tests below share. */
static Scratch context(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "src");
    scratch_write(&s, "src/main.c", "int main(void);");
    scratch_write(&s, "src/util.c", "");
    scratch_write(&s, "src/notes.txt", "n");
    scratch_mkdir(&s, "src.d");
    scratch_write(&s, "src.d/main.c", "other");
    scratch_mkdir(&s, "src/deep");
    scratch_write(&s, "src/deep/x.c", "x");
    g_assert_cmpint(symlinkat("src", s.fd, "link"), ==, 0);
    g_assert_cmpint(symlinkat("/src/./main.c", s.fd, "abs"), ==, 0);
    g_assert_cmpint(symlinkat("../../../../src/util.c", s.fd, "src/up"), ==, 0);
    g_assert_cmpint(symlinkat("loop", s.fd, "loop"), ==, 0);
    g_assert_cmpint(symlinkat("/etc", s.fd, "host"), ==, 0);
    scratch_write(&s, "with space", "");
    scratch_write(&s, "[x]", "");
    return s;
}

/* The same tree as two layers, without content. */
static KilnView *view(void)
{
    KilnManifest *layers[2] = {kiln_manifest_new(), kiln_manifest_new()};
    const char *bottom[] = {"d:src",
                            "f:src/main.c",
                            "f:src/old.c",
                            "f:src/util.c",
                            "d:src.d",
                            "f:src.d/main.c",
                            "d:src/deep",
                            "f:src/deep/x.c",
                            "l:link>src",
                            "l:abs>/src/./main.c",
                            "l:src/up>../../../../src/util.c",
                            "l:loop>loop",
                            "l:host>/etc",
                            "f:with space",
                            "f:[x]"};
    const char *top[] = {"w:src/old.c", "d:src", "f:src/notes.txt"};
    for (int l = 0; l < 2; l++) {
        for (gsize i = 0; i < (l ? G_N_ELEMENTS(top) : G_N_ELEMENTS(bottom)); i++) {
            g_auto(GStrv) parts = g_strsplit((l ? top : bottom)[i], ">", 2);
            KilnEntry *e = kiln_manifest_add(layers[l], parts[0] + 2);
            e->type = (KilnType)parts[0][0];
            e->mode = 0644;
            e->uid = 7;
            if (parts[1])
                e->target = kiln_manifest_string(layers[l], parts[1]);
        }
        kiln_manifest_sort(layers[l]);
    }
    KilnView *v = kiln_view_new(layers, 2);
    kiln_manifest_unref(layers[0]);
    kiln_manifest_unref(layers[1]);
    return v;
}

static char *match(KilnSource *s, const char *pattern, bool wildcards)
{
    GError *error = NULL;
    g_autoptr(GPtrArray) paths = kiln_source_match(s, pattern, wildcards, &error);
    if (!paths) {
        char *text = g_strdup_printf("error %d", error->code);
        g_clear_error(&error);
        return text;
    }
    g_ptr_array_add(paths, NULL);
    return g_strjoinv(" ", (char **)paths->pdata);
}

static void assert_matches(KilnSource *s)
{
    const struct {
        const char *pattern, *expected;
    } cases[] = {
        {".", ""}, /* the root; its path is empty */
        {"src/main.c", "src/main.c"},
        {"/src//./main.c", "src/main.c"},
        {"./src/", "src"},
        {"../../src/deep/..", "src"},
        {"missing", ""},
        {"src/main.c/x", ""},
        {"link", "src"}, /* COPY link copies what it points to */
        {"link/main.c", "src/main.c"},
        {"abs", "src/main.c"},
        {"src/up", "src/util.c"}, /* ".." stops at the root */
        {"host", ""},             /* /etc of the context, which it has not */
        {"host/passwd", ""},
        {"with space", "with space"},
        {"src/*.c", "src/main.c src/util.c"},
        {"*/main.c", "src/main.c src.d/main.c"}, /* not by way of link */
        {"link/*.c", "src/main.c src/util.c"},
        {"src/d*/x.c", "src/deep/x.c"},
        {"src*", "src src.d"},
        {"l??k", "link"}, /* a link that a wildcard found stays one */
        {"*/*/*/*", ""},
        {"src/[mn]*", "src/main.c src/notes.txt"},
        {"\\[x\\]", "[x]"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *actual = match(s, cases[i].pattern, true);
        if (strcmp(actual, cases[i].expected) != 0)
            g_error("“%s” gives “%s”, not “%s”", cases[i].pattern, actual, cases[i].expected);
    }
    GError *error = NULL;
    g_autoptr(GPtrArray) root = kiln_source_match(s, "/", true, &error);
    g_assert_cmpuint(root->len, ==, 1);
    g_autofree char *literal = match(s, "[x]", false), *none = match(s, "*", false);
    g_assert_cmpstr(literal, ==, "[x]");
    g_assert_cmpstr(none, ==, "");
    g_assert_null(kiln_source_match(s, "src/[", true, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_null(kiln_source_match(s, "loop", true, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
}

static void test_match_dir(void)
{
    Scratch s = context();
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    assert_matches(x);
    scratch_close(&s);
}

static void test_match_view(void)
{
    g_autoptr(KilnView) v = view();
    const int fds[2] = {-1, -1};
    g_autoptr(KilnSource) x = kiln_source_new_view(v, fds, "stage “build”");
    assert_matches(x);
}

static void list_quietly(KilnSource *s, const char *path, KilnManifest *out)
{
    GError *error = NULL;
    kiln_source_list(s, path, true, out, &error);
    g_assert_no_error(error);
}

/* Lists, and tells what the list holds then. */
static char *list(KilnSource *s, const char *path, KilnManifest *out)
{
    list_quietly(s, path, out);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(out); i++) {
        const KilnEntry *e = kiln_manifest_get(out, i);
        g_string_append_printf(text, "%c:%s ", (int)e->type, e->path);
    }
    return g_string_free(text, FALSE);
}

static void test_list_dir(void)
{
    Scratch s = context();
    g_assert_cmpint(fchmodat(s.fd, "src/main.c", 0600, 0), ==, 0);
    g_assert_cmpint(mknodat(s.fd, "src/fifo", S_IFIFO | 0600, 0), ==, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/src/socket", s.path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    close(fd);
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_autofree char *shape = list(x, "src", m);
    g_assert_cmpstr(shape, ==,
                    "d:src d:src/deep f:src/deep/x.c p:src/fifo f:src/main.c "
                    "f:src/notes.txt l:src/up f:src/util.c ");
    const KilnEntry *e = kiln_manifest_lookup(m, "src/main.c");
    g_assert_cmpuint(e->mode, ==, 0600);
    g_assert_cmpuint(e->uid, ==, 0); /* whoever owns the context */
    g_assert_cmpuint(e->size, ==, 15);
    g_assert_cmpint(e->mtime, ==, scratch_stat(&s, "src/main.c").st_mtim.tv_sec);
    g_autofree char *digest = kiln_digest_text(e->digest);
    g_autofree char *expected = kiln_digest_of_bytes("int main(void);", 15);
    g_assert_cmpstr(digest, ==, expected);

    /* More into the same list, before what is there. */
    g_autofree char *more = list(x, "abs", m);
    g_assert_true(g_str_has_prefix(more, "l:abs d:src "));

    GError *error = NULL;
    g_assert_false(kiln_source_list(x, "missing", true, m, &error));
    g_assert_error(error, KILN_SOURCE_ERROR, ENOENT);
    g_assert_nonnull(strstr(error->message, "missing"));
    g_assert_nonnull(strstr(error->message, "the build context"));
    g_clear_error(&error);
    scratch_close(&s);
}

static void test_ignored(void)
{
    Scratch s = context();
    g_autoptr(KilnIgnore) i = ignore("src\n!src/deep\n*.d\nabs\n");
    g_autoptr(KilnSource) x = source(&s, i, NULL);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    /* src is there, but only for what is in src/deep. */
    g_autofree char *shape = list(x, "", m);
    g_assert_cmpstr(shape, ==,
                    "d: f:[x] l:host l:link l:loop d:src d:src/deep f:src/deep/x.c "
                    "f:with space ");
    const struct {
        const char *pattern, *expected;
    } cases[] = {
        {"src", "src"},        {"src/main.c", ""},
        {"src/*", "src/deep"}, {"src.d", ""},
        {"src.d/main.c", ""},  {"abs", ""}, /* an excluded link leads nowhere */
        {"link", "src"},       {"link/main.c", ""},
        {"*.d", ""},           {"src/deep/x.c", "src/deep/x.c"},
    };
    for (gsize c = 0; c < G_N_ELEMENTS(cases); c++) {
        g_autofree char *actual = match(x, cases[c].pattern, true);
        if (strcmp(actual, cases[c].expected) != 0)
            g_error("“%s” gives “%s”, not “%s”", cases[c].pattern, actual, cases[c].expected);
    }
    GError *error = NULL;
    g_assert_false(kiln_source_list(x, "src/main.c", false, m, &error));
    g_assert_error(error, KILN_SOURCE_ERROR, ENOENT);
    g_clear_error(&error);

    /* A directory of which nothing is left is not there. */
    g_autoptr(KilnIgnore) all = ignore("src\n!src/nothing\n");
    g_autoptr(KilnSource) y = source(&s, all, NULL);
    g_autoptr(KilnManifest) n = kiln_manifest_new();
    g_autofree char *rest = list(y, "", n);
    g_assert_null(strstr(rest, "d:src "));
    g_autofree char *none = match(y, "src", true);
    g_assert_cmpstr(none, ==, "");
    scratch_close(&s);
}

/* What is listed of "" with the filter of these lists ("" for none); implicit entries in parentheses. */
static char *list_wanted(KilnSource *s, bool digests, const char *base, const char *one,
                         const char *other)
{
    const char *texts[] = {one, other};
    KilnIgnore *lists[2] = {0};
    for (guint i = 0; i < 2; i++)
        if (*texts[i])
            lists[i] = ignore(texts[i]);
    KilnSourceFilter filter = {.base = base, .ignores = {lists[0], lists[1]}};
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    kiln_source_list_wanted(s, base, &filter, digests, m, &error);
    g_assert_no_error(error);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        g_string_append_printf(text, e->implicit ? "(%s) " : "%s ", *e->path ? e->path : "/");
        g_assert_true(e->has_digest == (digests && e->type == KILN_TYPE_FILE));
    }
    g_clear_pointer(&lists[0], kiln_ignore_free);
    g_clear_pointer(&lists[1], kiln_ignore_free);
    return g_string_free(text, FALSE);
}

static void assert_wanted(KilnSource *s, bool digests)
{
    static const struct {
        const char *base, *one, *other, *expected;
    } cases[] = {
        {"", "*\n!src/deep/x.c", "", "/ (src) (src/deep) src/deep/x.c "},
        {"", "*\n!**/x.c", "", "/ (src) (src/deep) src/deep/x.c "},
        {"", "*\n!src/deep", "", "/ (src) src/deep src/deep/x.c "},
        {"", "*\n!src/*.c", "", "/ (src) src/main.c src/util.c "},
        {"", "*\n!src/*.c", "src/u*", "/ (src) src/main.c "},
        {"", "*\n!src/*.c", "src", "/ "},
        {"", "*\n!nothing", "", "/ "},
        {"", "*", "", "/ "},
        {"src", "*\n!deep/*", "", "src (src/deep) src/deep/x.c "},
        {"src", "", "deep\nup\nnotes.txt", "src src/main.c src/util.c "},
        {"src", "", "*\n!deep/x.c", "src (src/deep) src/deep/x.c "},
        {"src/main.c", "*\n!x", "main.c", "src/main.c "},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *actual = list_wanted(s, digests, cases[i].base, cases[i].one, cases[i].other);
        if (strcmp(actual, cases[i].expected) != 0)
            g_error("case %zu gives “%s”, not “%s”", i, actual, cases[i].expected);
    }
}

static void test_wanted(void)
{
    Scratch s = context();
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    assert_wanted(x, true);
    /* What .dockerignore leaves is there before the filter: its parents are not implicit. */
    g_autoptr(KilnIgnore) i = ignore("src\n!src/deep\n");
    g_autoptr(KilnSource) y = source(&s, i, NULL);
    g_autofree char *by_name = list_wanted(y, true, "", "*\n!src", "");
    g_assert_cmpstr(by_name, ==, "/ src src/deep src/deep/x.c ");
    g_autofree char *below = list_wanted(y, true, "", "*\n!src/*/x.c", "");
    g_assert_cmpstr(below, ==, "/ (src) (src/deep) src/deep/x.c ");
    scratch_close(&s);
}

static void test_wanted_of_view(void)
{
    g_autoptr(KilnView) v = view();
    const int fds[2] = {-1, -1};
    g_autoptr(KilnSource) x = kiln_source_new_view(v, fds, "stage “build”");
    assert_wanted(x, false);
}

static void test_device(void)
{
    if (geteuid() != 0) {
        g_test_skip("needs the right to make a device");
        return;
    }
    Scratch s = context();
    if (mknodat(s.fd, "src/device", S_IFCHR | 0600, makedev(1, 3)) < 0) {
        g_test_skip("this root may not make devices");
        scratch_close(&s);
        return;
    }
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    g_assert_false(kiln_source_list(x, "", true, m, &error));
    g_assert_error(error, KILN_SOURCE_ERROR, EINVAL);
    g_assert_nonnull(strstr(error->message, "src/device"));
    g_clear_error(&error);
    g_autoptr(KilnIgnore) i = ignore("src/dev*\n");
    g_autoptr(KilnSource) y = source(&s, i, NULL);
    g_assert_true(kiln_source_list(y, "", true, m, &error));
    g_assert_no_error(error);
    scratch_close(&s);
}

static void test_unreadable(void)
{
    if (geteuid() == 0) {
        g_test_skip("root can read everything");
        return;
    }
    Scratch s = context();
    g_assert_cmpint(fchmodat(s.fd, "src/util.c", 0, 0), ==, 0);
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    /* An empty file is opened as well: the error must not wait until it is copied. */
    g_assert_false(kiln_source_list(x, "", true, m, &error));
    g_assert_error(error, KILN_SOURCE_ERROR, EACCES);
    g_assert_nonnull(strstr(error->message, "src/util.c"));
    g_clear_error(&error);
    g_assert_cmpint(fchmodat(s.fd, "src/deep", 0, 0), ==, 0);
    g_assert_false(kiln_source_list(x, "", false, m, &error));
    g_assert_error(error, KILN_SOURCE_ERROR, EACCES);
    g_assert_nonnull(strstr(error->message, "src/deep"));
    g_clear_error(&error);
    scratch_close(&s);
}

static void test_open(void)
{
    Scratch s = context();
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    list_quietly(x, "src", m);
    const KilnEntry *e = kiln_manifest_lookup(m, "src/main.c");
    GError *error = NULL;
    int fd = kiln_source_open(x, NULL, e, &error);
    g_assert_no_error(error);
    char text[16] = "";
    g_assert_cmpint(read(fd, text, 15), ==, 15);
    g_assert_cmpstr(text, ==, "int main(void);");
    close(fd);

    const struct timespec later[2] = {{0, UTIME_OMIT}, {2000000000, 0}};
    g_assert_cmpint(utimensat(s.fd, "src/main.c", later, 0), ==, 0);
    g_assert_cmpint(kiln_source_open(x, NULL, e, &error), ==, -1);
    g_assert_error(error, KILN_SOURCE_ERROR, ESTALE);
    g_clear_error(&error);
    /* A path that has become a way out of the context. */
    g_assert_cmpint(unlinkat(s.fd, "src/main.c", 0), ==, 0);
    g_assert_cmpint(symlinkat("/etc/passwd", s.fd, "src/main.c"), ==, 0);
    g_assert_cmpint(kiln_source_open(x, NULL, e, &error), ==, -1);
    g_assert_error(error, KILN_SOURCE_ERROR, ELOOP);
    g_clear_error(&error);
    scratch_close(&s);
}

/* What the index knows is not read. */
static void test_index(void)
{
    Scratch s = context(), store = scratch_open();
    KilnStatIndex *index = kiln_statindex_open(store.fd, "index");
    uint8_t lie[KILN_SHA256_SIZE];
    memset(lie, 0xaa, sizeof(lie));
    const struct timespec times[2] = {{0, UTIME_OMIT}, {1000000000, 1}};
    g_assert_cmpint(utimensat(s.fd, "src/main.c", times, 0), ==, 0);
    struct stat st;
    do { /* until the file's ctime is old enough to be trusted: 20 ms */
        st = scratch_stat(&s, "src/main.c");
        kiln_statindex_store(index, &st, lie);
    } while (!kiln_statindex_lookup(index, &st, lie));

    g_autoptr(KilnSource) x = source(&s, NULL, index);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    list_quietly(x, "src", m);
    const KilnEntry *e = kiln_manifest_lookup(m, "src/main.c");
    g_assert_cmpmem(e->digest, sizeof(e->digest), lie, sizeof(lie));

    /* And what was read is known from then on, if it could not change unseen. */
    st = scratch_stat(&s, "src/deep/x.c");
    uint8_t digest[KILN_SHA256_SIZE];
    while (kiln_statindex_racy(&st))
        ;
    g_autoptr(KilnManifest) n = kiln_manifest_new();
    list_quietly(x, "src/deep", n);
    g_assert_true(kiln_statindex_lookup(index, &st, digest));
    e = kiln_manifest_lookup(n, "src/deep/x.c");
    g_assert_cmpmem(e->digest, sizeof(e->digest), digest, sizeof(digest));
    kiln_statindex_free(index);
    scratch_close(&s);
    scratch_close(&store);
}

/* Enough files for all threads; the digests must be each file's own. */
static void test_many_files(void)
{
    Scratch s = scratch_open();
    for (int i = 0; i < 300; i++) {
        g_autofree char *name = g_strdup_printf("f%03d", i);
        scratch_write(&s, name, name);
    }
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    list_quietly(x, "", m);
    g_assert_cmpuint(kiln_manifest_length(m), ==, 301);
    for (guint i = 1; i <= 300; i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        g_autofree char *digest = kiln_digest_text(e->digest);
        g_autofree char *expected = kiln_digest_of_bytes(e->path, strlen(e->path));
        g_assert_true(e->has_digest);
        g_assert_cmpstr(digest, ==, expected);
    }
    scratch_close(&s);
}

static void test_hard_links_of_a_context(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "d");
    scratch_write(&s, "a", "one file");
    scratch_write(&s, "b", "another");
    g_assert_cmpint(linkat(s.fd, "a", s.fd, "d/a", 0), ==, 0);
    g_assert_cmpint(linkat(s.fd, "b", s.fd, "d/b", 0), ==, 0);
    scratch_write(&s, "d/alone", "");
    g_autoptr(KilnSource) x = source(&s, NULL, NULL);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_autofree char *shape = list(x, "", m);
    g_assert_nonnull(shape);
    guint32 group_a = kiln_manifest_lookup(m, "a")->link_group;
    guint32 group_b = kiln_manifest_lookup(m, "b")->link_group;
    g_assert_cmpuint(group_a, !=, 0);
    g_assert_cmpuint(group_a, ==, kiln_manifest_lookup(m, "d/a")->link_group);
    g_assert_cmpuint(group_b, ==, kiln_manifest_lookup(m, "d/b")->link_group);
    g_assert_cmpuint(group_a, !=, group_b);
    g_assert_cmpuint(kiln_manifest_lookup(m, "d/alone")->link_group, ==, 0);
    scratch_close(&s);
}

static void test_layers(void)
{
    Scratch dirs[2] = {scratch_open(), scratch_open()};
    KilnManifest *layers[2] = {kiln_manifest_new(), kiln_manifest_new()};
    const KilnXattr xattr = {"user.x", "v", 1};
    for (int l = 0; l < 2; l++) {
        const char *names[2] = {l ? "c" : "a", l ? "d" : "b"};
        scratch_write(&dirs[l], names[0], l ? "top" : "bottom");
        g_assert_cmpint(linkat(dirs[l].fd, names[0], dirs[l].fd, names[1], 0), ==, 0);
        for (int i = 0; i < 2; i++) {
            KilnEntry *e = kiln_manifest_add(layers[l], names[i]);
            e->type = KILN_TYPE_FILE;
            e->mode = 0640;
            e->uid = 33;
            e->size = l ? 3 : 6;
            e->link_group = 1; /* the same number in both layers, yet other files */
            kiln_manifest_set_xattrs(layers[l], e, &xattr, 1);
        }
        KilnEntry *e = kiln_manifest_add(layers[l], "dir");
        e->type = KILN_TYPE_DIR;
        e->opaque = true;
        kiln_manifest_sort(layers[l]);
    }
    g_autoptr(KilnView) v = kiln_view_new(layers, 2);
    const int fds[2] = {dirs[0].fd, dirs[1].fd};
    g_autoptr(KilnSource) x = kiln_source_new_view(v, fds, "stage 0");
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_autofree char *shape = list(x, "", m);
    g_assert_nonnull(strstr(shape, "f:a f:b f:c f:d d:dir "));
    const KilnEntry *a = kiln_manifest_lookup(m, "a"), *b = kiln_manifest_lookup(m, "b"),
                    *c = kiln_manifest_lookup(m, "c");
    g_assert_cmpuint(a->link_group, ==, b->link_group);
    g_assert_cmpuint(a->link_group, !=, c->link_group);
    g_assert_cmpuint(a->uid, ==, 33);
    g_assert_cmpuint(a->n_xattrs, ==, 1);
    g_assert_false(kiln_manifest_lookup(m, "dir")->opaque);
    g_autofree char *digest = kiln_digest_text(c->digest);
    g_autofree char *expected = kiln_digest_of_bytes("top", 3);
    g_assert_cmpstr(digest, ==, expected);

    GError *error = NULL;
    int fd = kiln_source_open(x, NULL, c, &error);
    g_assert_no_error(error);
    char text[4] = "";
    g_assert_cmpint(read(fd, text, 4), ==, 3);
    g_assert_cmpstr(text, ==, "top");
    close(fd);
    g_assert_false(kiln_source_list(x, "none", true, m, &error));
    g_assert_error(error, KILN_SOURCE_ERROR, ENOENT);
    g_clear_error(&error);
    for (int l = 0; l < 2; l++) {
        kiln_manifest_unref(layers[l]);
        scratch_close(&dirs[l]);
    }
}

/* A file's size and mtime can be set to what they were; that it was written shows all the same. */
static void test_may_have_changed(void)
{
    Scratch s = scratch_open();
    g_autoptr(KilnSource) src = source(&s, NULL, NULL);
    scratch_write(&s, "file", "as it was");
    int file = openat(s.fd, "file", O_RDONLY | O_CLOEXEC);
    const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    g_assert_cmpint(utimensat(s.fd, "file", old, 0), ==, 0);
    g_assert_true(kiln_source_may_have_changed(src, file));
    int untouched = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* older than this process */
    g_assert_false(kiln_source_may_have_changed(src, untouched));
    close(untouched);
    close(file);
    scratch_close(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/source/match/dir", test_match_dir);
    g_test_add_func("/source/match/view", test_match_view);
    g_test_add_func("/source/list", test_list_dir);
    g_test_add_func("/source/ignored", test_ignored);
    g_test_add_func("/source/wanted/dir", test_wanted);
    g_test_add_func("/source/wanted/view", test_wanted_of_view);
    g_test_add_func("/source/device", test_device);
    g_test_add_func("/source/unreadable", test_unreadable);
    g_test_add_func("/source/open", test_open);
    g_test_add_func("/source/index", test_index);
    g_test_add_func("/source/many-files", test_many_files);
    g_test_add_func("/source/hard-links", test_hard_links_of_a_context);
    g_test_add_func("/source/layers", test_layers);
    g_test_add_func("/source/may-have-changed", test_may_have_changed);
    return g_test_run();
}
