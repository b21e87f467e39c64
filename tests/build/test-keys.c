/* What makes a step run again, and what does not: builds of COPY and WORKDIR, twice each. */
#include "store.h"

#include <utime.h>

/* --- The context
 * ---------------------------------------------------------------------------------------- */

#define COPY_ALL "FROM scratch\nCOPY tree /dest/\n"

static void small_tree(Place *p)
{
    write_context(p, "tree/a", "content");
    write_context(p, "tree/sub/b", "other");
    g_autofree char *link = g_build_filename(p->context, "tree/link", NULL);
    g_assert_cmpint(symlink("a", link), ==, 0);
}

static char *in_context(const Place *p, const char *path)
{
    return g_build_filename(p->context, path, NULL);
}

static void test_nothing_changed(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p};
    small_tree(p);
    build_well(&b, COPY_ALL);
    g_assert_false(is_cached(&b, "COPY"));
    g_autofree char *id = g_strdup(b.built->id);
    build_well(&b, COPY_ALL);
    g_assert_true(is_cached(&b, "COPY"));
    g_assert_cmpstr(b.built->id, ==, id);
}

static void change_time(Place *p)
{
    g_autofree char *path = in_context(p, "tree/a");
    g_assert_cmpint(utime(path, &(struct utimbuf){1000, 1000}), ==, 0);
}

/* The same text in a new file, with other times of its own and of its directory. */
static void write_again(Place *p)
{
    write_context(p, "tree/a", "content");
}

static void change_content(Place *p)
{
    write_context(p, "tree/a", "CONTENT");
}

/* Of the same size, and with the times put back: only ctime tells. */
static void change_content_secretly(Place *p)
{
    g_autofree char *path = in_context(p, "tree/a");
    struct stat st;
    g_assert_cmpint(stat(path, &st), ==, 0);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(write(fd, "CONTENT", 7), ==, 7);
    g_assert_cmpint(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}), ==, 0);
    close(fd);
}

static void change_mode(Place *p)
{
    g_autofree char *path = in_context(p, "tree/sub/b");
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
}

static void change_mode_of_directory(Place *p)
{
    g_autofree char *path = in_context(p, "tree/sub");
    g_assert_cmpint(g_chmod(path, 0700), ==, 0);
}

static void change_name(Place *p)
{
    g_autofree char *from = in_context(p, "tree/a"), *to = in_context(p, "tree/c");
    g_assert_cmpint(g_rename(from, to), ==, 0);
}

static void add_file(Place *p)
{
    write_context(p, "tree/empty", "");
}

static void remove_file(Place *p)
{
    g_autofree char *path = in_context(p, "tree/sub/b");
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void change_target(Place *p)
{
    g_autofree char *path = in_context(p, "tree/link");
    g_assert_cmpint(g_remove(path), ==, 0);
    g_assert_cmpint(symlink("sub/b", path), ==, 0);
}

static void change_type(Place *p)
{
    g_autofree char *path = in_context(p, "tree/link");
    g_assert_cmpint(g_remove(path), ==, 0);
    write_context(p, "tree/link", "a");
}

static void add_file_elsewhere(Place *p)
{
    write_context(p, "other", "not copied");
}

typedef struct {
    const char *name;
    void (*change)(Place *p);
    bool cached;
} Change;

static const Change changes[] = {
    {"mtime", change_time, true},
    {"written-again", write_again, true},
    {"elsewhere", add_file_elsewhere, true},
    {"content", change_content, false},
    {"content-secretly", change_content_secretly, false},
    {"mode", change_mode, false},
    {"mode-of-directory", change_mode_of_directory, false},
    {"name", change_name, false},
    {"new-file", add_file, false},
    {"removed-file", remove_file, false},
    {"target", change_target, false},
    {"type", change_type, false},
};

static void test_change(Place *p, gconstpointer data)
{
    const Change *c = data;
    g_auto(Build) b = {.place = p};
    small_tree(p);
    build_well(&b, COPY_ALL "WORKDIR /after\n");
    c->change(p);
    build_well(&b, COPY_ALL "WORKDIR /after\n");
    g_assert_true(is_cached(&b, "COPY") == c->cached);
    g_assert_true(is_cached(&b, "WORKDIR") == c->cached);
}

/* --- The Dockerfile
 * --------------------------------------------------------------------------------------- */

/* Each of a pair makes another layer, so neither may be taken for the other. Of some only the ends
 * of the parts of the key tell them apart. */
static const struct {
    const char *one, *other;
} pairs[] = {
    {"COPY a /x", "COPY a /y"},
    {"COPY a /x", "COPY b /x"},
    {"COPY a /x", "COPY same /x/"},
    {"COPY a same /d/", "COPY same a /d/"},
    {"COPY a /x", "COPY --chown=1:2 a /x"},
    {"COPY --chown=1:2 a /x", "COPY --chown=1:3 a /x"},
    {"COPY --chmod=600 a /x", "COPY --chown=600 a /x"},
    {"COPY --chmod=600 a /x", "COPY --chmod=601 a /x"},
    {"COPY a /x", "ADD a /x"},
    {"COPY ab /d/", "COPY a b /d/"},
    {"COPY --from=s a b /d/", "COPY --from=s --exclude=b a /d/"},
    {"COPY --from=s a /d/", "COPY --from=s b /d/"},
    {"COPY --from=s a /d/", "COPY --from=s --parents a /d/"},
    {"COPY a /d/", "COPY --parents a /d/"},
    {"COPY --from=s a /d/", "COPY --from=t a /d/"},
    {"COPY --from=s --exclude=a . /d/", "COPY --from=s --exclude=b . /d/"},
    {"COPY <<a /d/\nb\na", "COPY <<a <<b /d/\na\nb"},
    {"COPY <<a <<b /d/\nx\na\ny\nb", "COPY <<b <<a /d/\nx\nb\ny\na"},
    {"COPY <<a /d/\nx\na", "COPY <<a b /d/\nx\na"},
    {"WORKDIR /a", "WORKDIR /a/b"},
    {"WORKDIR /a", "USER 5\nWORKDIR /a"},
    {"WORKDIR /a\nCOPY a .", "WORKDIR /b\nCOPY a ."},
};

static void test_parts_do_not_run_together(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    write_context(p, "b", "2");
    write_context(p, "ab", "12");
    write_context(p, "same", "1");
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        static const char base[] =
            "FROM scratch AS s\nCOPY a b /\nFROM scratch AS t\nCOPY b same /\nCOPY b /a\n"
            "FROM scratch AS pair-%u\nWORKDIR /pair-%u\n%s\n";
        g_test_message("%s | %s", pairs[i].one, pairs[i].other);
        g_autofree char *one = g_strdup_printf(base, i, i, pairs[i].one);
        g_autofree char *other = g_strdup_printf(base, i, i, pairs[i].other);
        build_well(&b, one);
        g_autofree char *id = g_strdup(b.built->id);
        build_well(&b, other);
        g_assert_cmpuint(count(&b, "DONE [pair", ""), >, 0);
        g_assert_cmpstr(b.built->id, !=, id);
        build_well(&b, one);
        g_assert_cmpuint(count(&b, "DONE [pair", ""), ==, 0);
        g_assert_cmpstr(b.built->id, ==, id);
    }
}

/* What has no part in the layer has none in the key. */
static void test_metadata(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    build_well(&b, "FROM scratch\nCOPY a /x\n");
    build_well(&b,
               "FROM scratch AS named\nENV A=b\nLABEL c=d\nARG E=f\nCMD [\"g\"]\nCOPY ./a /x\n");
    g_assert_true(is_cached(&b, "COPY"));
}

/* --- Stages
 * -----------------------------------------------------------------------------------------------
 */

#define CHAIN                                                                                      \
    "FROM scratch AS one\nCOPY a /a\n"                                                             \
    "FROM scratch AS two\nCOPY --from=one /a /b\n"                                                 \
    "FROM scratch AS apart\nCOPY c /c\n"                                                           \
    "FROM scratch AS last\nCOPY --from=two /b /d\nCOPY --from=apart /c /c\n"

static void test_copy_from(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "first");
    write_context(p, "c", "untouched");
    build_well(&b, CHAIN);
    g_autofree char *first = read_built(&b, "d");
    g_assert_cmpstr(first, ==, "first");
    build_well(&b, CHAIN);
    g_assert_cmpuint(count(&b, "CACHED", "COPY"), ==, 5);

    write_context(p, "a", "second");
    build_well(&b, CHAIN);
    g_assert_true(is_cached(&b, "COPY c"));
    g_assert_false(is_cached(&b, "--from=one"));
    g_assert_false(is_cached(&b, "--from=two"));
    g_autofree char *second = read_built(&b, "d"), *apart = read_built(&b, "c");
    g_assert_cmpstr(second, ==, "second");
    g_assert_cmpstr(apart, ==, "untouched");
}

#define TWICE                                                                                      \
    "FROM scratch AS one\nCOPY a /a\nWORKDIR /one\n"                                               \
    "FROM scratch AS two\nCOPY a /a\nWORKDIR /two\n"                                               \
    "FROM scratch\nCOPY --from=one / /\nCOPY --from=two / /\n"

/* Over and over, since they would race for it. */
static void test_same_step_in_two_stages(Place *p, gconstpointer data)
{
    (void)data;
    for (guint i = 0; i < 20; i++) {
        g_auto(Build) b = {.place = p, .no_cache = i % 2 == 1};
        g_autofree char *text = g_strdup_printf("%u", i);
        write_context(p, "a", text);
        build_well(&b, TWICE);
        g_assert_cmpuint(count(&b, "DONE", "COPY a /a"), ==, 1);
        g_assert_cmpuint(count(&b, "CACHED", "COPY a /a"), ==, 1);
    }
}

static void test_many_stages(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GString) text = g_string_new(NULL), last = g_string_new("FROM scratch\n");
    for (guint i = 0; i < 24; i++) {
        g_autofree char *name = g_strdup_printf("dir%u/file", i),
                        *content = g_strdup_printf("%u", i);
        write_context(p, name, content);
        g_string_append_printf(
            text, "FROM scratch AS s%u\nCOPY dir%u /d\nWORKDIR /w%u\nCOPY . /all\n", i, i, i);
        g_string_append_printf(last, "COPY --from=s%u /d/file /%u\n", i, i);
    }
    g_string_append(text, last->str);
    static const guint jobs[] = {1, 2, 0, 30};
    for (guint k = 0; k < G_N_ELEMENTS(jobs); k++) {
        g_auto(Build) b = {.place = p, .no_cache = true, .jobs = jobs[k]};
        build_well(&b, text->str);
        for (guint i = 0; i < 24; i++) {
            g_autofree char *name = g_strdup_printf("%u", i), *content = read_built(&b, name);
            g_assert_cmpstr(content, ==, name);
        }
    }
}

static void test_no_cache(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    build_well(&b, "FROM scratch\nCOPY a /\nWORKDIR /w\n");
    gint64 before = b.built->chain[0];
    b.no_cache = true;
    build_well(&b, "FROM scratch\nCOPY a /\nWORKDIR /w\n");
    g_assert_false(is_cached(&b, "COPY"));
    g_assert_false(is_cached(&b, "WORKDIR"));
    gint64 after = b.built->chain[0];
    g_assert_cmpint(after, !=, before);
    b.no_cache = false;
    build_well(&b, "FROM scratch\nCOPY a /\nWORKDIR /w\n");
    g_assert_true(is_cached(&b, "WORKDIR"));
    g_assert_cmpint(b.built->chain[0], ==, after);
}

static void test_no_cache_filter(Place *p, gconstpointer data)
{
    (void)data;
    const char *const stages[] = {"Other", NULL};
    g_auto(Build) b = {.place = p};
    const char *text = "FROM scratch AS one\nCOPY a /one\nFROM scratch AS other\nCOPY a /other\n"
                       "FROM scratch\nCOPY --from=one / /\nCOPY --from=other / /\n";
    write_context(p, "a", "1");
    build_well(&b, text);
    b.no_cache_stages = stages;
    build_well(&b, text);
    g_assert_true(is_cached(&b, "COPY a /one"));
    g_assert_false(is_cached(&b, "COPY a /other"));
    g_assert_true(is_cached(&b, "COPY --from=one"));
    g_assert_true(is_cached(&b, "COPY --from=other")); /* it copies what it did */
}

/* --- By content
 * ------------------------------------------------------------------------------------------------
 */

/* A step that is done again and comes to the same leaves what stands on it as it was, layers and times too. */
static void test_the_same_again(Place *p, gconstpointer data)
{
    (void)data;
    const char *text = "FROM scratch AS s\nCOPY a /\nFROM s\nWORKDIR /w\nCOPY --from=s a /b\n";
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    build_well(&b, text);
    g_autofree char *id = g_strdup(b.built->id);
    gint64 layer = b.built->chain[0];
    b.no_cache = true;
    build_well(&b, "FROM scratch AS s\nCOPY a /\n");
    g_assert_cmpint(b.built->chain[0], !=, layer);
    b.no_cache = false;
    for (int again = 0; again < 2; again++) {
        build_well(&b, text);
        g_assert_true(is_cached(&b, "COPY a"));
        g_assert_true(is_cached(&b, "WORKDIR"));
        g_assert_true(is_cached(&b, "COPY --from"));
        g_assert_cmpint(b.built->chain[0], ==, layer);
    }
}

static void test_another_content(Place *p, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"COPY a /", "COPY a /x"},                     /* another name */
        {"COPY --chmod=644 a /", "COPY --chmod=600 a /"}, /* another mode */
        {"COPY --chown=1 a /", "COPY --chown=2 a /"},  /* another owner */
        {"COPY a /", "COPY same-size /a"},             /* other bytes */
        {"COPY a /", "COPY a b /"},                    /* one more file */
        {"COPY a /", "COPY link /a"},                  /* another type */
    };
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    write_context(p, "same-size", "2");
    write_context(p, "b", "1");
    write_context(p, "tree/file", "1");
    write_context(p, "link/file", "1");
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *before = g_strdup_printf("FROM scratch\n%s\nWORKDIR /w%u\n", cases[i].before, i);
        g_autofree char *after = g_strdup_printf("FROM scratch\n%s\nWORKDIR /w%u\n", cases[i].after, i);
        build_well(&b, before);
        build_well(&b, after);
        g_assert_false(is_cached(&b, "WORKDIR"));
        build_well(&b, before);
        g_assert_true(is_cached(&b, "WORKDIR"));
    }
}

/* What a step cannot see does not make it run: a parent with another history, a stage's other files. */
static void test_unseen_changes(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    write_context(p, "b", "2");
    build_well(&b, "FROM scratch\nCOPY a /a\nWORKDIR /w\n");
    build_well(&b, "FROM scratch\nCOPY a /a\nCOPY a /a\nWORKDIR /w\n");
    g_assert_true(is_cached(&b, "WORKDIR"));
    g_assert_cmpuint(b.built->n_chain, ==, 3); /* as many as its history says */
    build_well(&b, "FROM scratch\nCOPY b /a\nCOPY a /a\nWORKDIR /w\n");
    g_assert_true(is_cached(&b, "WORKDIR"));

    const char *text = "FROM scratch AS s\nCOPY a /a\nCOPY b /b\nFROM scratch\nCOPY --from=s a /of-s\n";
    build_well(&b, text);
    gint64 layer = b.built->chain[0];
    write_context(p, "b", "another");
    build_well(&b, text);
    g_assert_false(is_cached(&b, "COPY b"));
    g_assert_true(is_cached(&b, "COPY --from"));
    g_assert_cmpint(b.built->chain[0], ==, layer);
    write_context(p, "a", "another");
    build_well(&b, text);
    g_assert_false(is_cached(&b, "COPY --from"));
    g_autofree char *content = read_built(&b, "of-s");
    g_assert_cmpstr(content, ==, "another");
}

/* --- Bases
 * ------------------------------------------------------------------------------------------------
 */

static void test_built_bases(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p, .record = true};
    for (guint i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("base:%u", i);
        write_context(p, "a", i ? "one" : "nil");
        build_well(&b, "FROM scratch\nCOPY a /a\n");
        g_assert_true(kiln_image_tag(p->store, b.built->id, name, NULL));
    }
    for (guint i = 0; i < 2; i++) {
        g_autofree char *text = g_strdup_printf("FROM base:%u\nWORKDIR /w\n", i);
        build_well(&b, text);
        g_assert_false(is_cached(&b, "WORKDIR"));
        build_well(&b, text);
        g_assert_true(is_cached(&b, "WORKDIR"));
    }
}

/* COPY --link is the same on any base: what stands on it is not. */
static void test_link(Place *p, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *copy;
        bool cached;
    } cases[] = {
        {"COPY a /d/", false},
        {"COPY --link a /d/", true},
        {"COPY --link=true --chown=1:2 a /e/", true},
        {"COPY --link --chmod=700 a /d/", false},
        {"COPY --link --chown=me a /d/", false}, /* another number on each base */
        {"COPY --link --chown=same a /d/", true},
    };
    g_auto(Build) b = {.place = p, .record = true};
    for (guint i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("base:%u", i);
        g_autofree char *text =
            g_strdup_printf("FROM scratch\nCOPY <<passwd /etc/\nme:x:%u:5::/:\nsame:x:7:7::/:\npasswd\n", i);
        build_well(&b, text);
        g_assert_true(kiln_image_tag(p->store, b.built->id, name, NULL));
    }
    write_context(p, "a", "1");
    for (guint c = 0; c < G_N_ELEMENTS(cases); c++) {
        for (guint i = 0; i < 2; i++) {
            g_test_message("%s on %u", cases[c].copy, i);
            g_autofree char *text =
                g_strdup_printf("FROM base:%u\n%s\nWORKDIR /w%u\n", i, cases[c].copy, c);
            build_well(&b, text);
            g_assert_true(is_cached(&b, "COPY") == (i > 0 && cases[c].cached));
            g_assert_false(is_cached(&b, "WORKDIR"));
            build_well(&b, text);
            g_assert_true(is_cached(&b, "COPY"));
            g_assert_true(is_cached(&b, "WORKDIR"));
        }
    }
}

/* An image that is not asked for is not recorded; its layers are. */
static void test_records(Place *p, gconstpointer data)
{
    (void)data;
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    build_well(&b, "FROM scratch\nCOPY a /\n");
    g_autoptr(KilnImage) none = kiln_image_lookup(p->store, b.built->id, NULL);
    g_assert_null(none);
    b.record = true;
    build_well(&b, "FROM scratch\nCOPY a /\n");
    g_assert_true(is_cached(&b, "COPY"));
    g_autoptr(KilnImage) image = kiln_image_lookup(p->store, b.built->id, NULL);
    g_assert_cmpuint(image->n_chain, ==, b.built->n_chain);
    g_assert_cmpint(image->chain[0], ==, b.built->chain[0]);
    int fd = kiln_blob_open(p->store, b.built->id, NULL, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

/* --- Failures
 * --------------------------------------------------------------------------------------------- */

static void test_failure_has_its_place(Place *p, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *line, *place, *part;
    } cases[] = {
        {"COPY a missing /d/", "Dockerfile:3:8", "\"missing\" is not in the build context"},
        {"COPY misssing /d/", "Dockerfile:3:6", "\"misssing\" is not in the build context"},
        {"COPY sub/Deep/MAIN.c /d/", "Dockerfile:3:6", "did you mean \"sub/deep/main.c\"?"},
        {"COPY sub/deep/mian.c /d/", "Dockerfile:3:6", "did you mean \"sub/deep/main.c\"?"},
        {"COPY /main.c /d/", "Dockerfile:3:6", "did you mean \"/sub/deep/main.c\"?"},
        {"COPY ../outside /d/", "Dockerfile:3:6", "\"../outside\" is outside of the build context"},
        {"COPY --exclude=sub --parents sub /d/", "Dockerfile:3:30", "\"sub\" is excluded by --exclude"},
        {"COPY --parents sub/[a- /d/", "Dockerfile:3:16", "sub/[a-: malformed pattern"},
        {"COPY --parents sub/none /d/", "Dockerfile:3:16", "\"sub/none\" is not in the build"},
        {"COPY --parents sub/./ /d/", "Dockerfile:3:16", "\"sub/./\" leaves nothing to copy"},
        {"COPY --parents . /d/", "Dockerfile:3:16", "\".\" leaves nothing to copy"},
        {"FROM scratch\nCOPY --from=s nothing /", "Dockerfile:4:15", "\"nothing\" is not in s"},
        {"COPY --chown=nobody a /", "Dockerfile:3:1", "no user \"nobody\""},
        {"COPY a /a/b/c", "Dockerfile:3:6", "/a: a file"},
        {"WORKDIR /a", "Dockerfile:3:1", ""},
    };
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    write_context(p, "sub/deep/main.c", "2");
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strconcat("FROM scratch AS s\nCOPY a /a\n", cases[i].line, "\n", NULL);
        g_test_message("%s", cases[i].line);
        build(&b, text);
        g_assert_nonnull(b.error);
        if (!g_str_has_prefix(b.error->message, cases[i].place) ||
            !strstr(b.error->message, cases[i].part))
            g_error("%s", b.error->message);
        g_assert_cmpuint(count(&b, "ERROR", ""), ==, 1);
        g_assert_true(is_cached(&b, "COPY a /a") == (i > 0));
    }
}

/* Whatever else runs: the first failure is the one that is told, and nothing hangs. */
static void test_failure_among_many(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GString) text = g_string_new(NULL), last = g_string_new("FROM scratch\n");
    write_context(p, "a", "1");
    for (guint i = 0; i < 20; i++) {
        g_string_append_printf(text,
                               "FROM scratch AS s%u\nWORKDIR /w%u\nCOPY %s /\nWORKDIR /after\n", i,
                               i, i == 10 ? "missing" : "a");
        g_string_append_printf(last, "COPY --from=s%u / /\n", i);
    }
    g_string_append(text, last->str);
    for (guint i = 0; i < 20; i++) {
        g_auto(Build) b = {.place = p, .no_cache = true};
        build(&b, text->str);
        g_assert_nonnull(strstr(b.error->message, "\"missing\""));
        g_assert_cmpuint(count(&b, "ERROR", ""), ==, 1);
    }
}

static void test_canceled(Place *p, gconstpointer data)
{
    (void)data;
    KilnCancel *cancel = kiln_cancel_new();
    g_auto(Build) b = {.place = p};
    write_context(p, "a", "1");
    build_well(&b, "FROM scratch\nCOPY a /a\n");
    kiln_cancel_trigger(cancel);
    b.cancel = cancel;
    build(&b, "FROM scratch\nCOPY a /a\nCOPY a /b\n");
    g_assert_error(b.error, KILN_CANCEL_ERROR, 0);
    g_assert_true(is_cached(&b, "COPY a /a"));
    g_assert_cmpuint(count(&b, "CANCELED", "COPY a /b"), ==, 1);
    /* nor is an image made of what is all there */
    build(&b, "FROM scratch\nCOPY a /a\n");
    g_assert_error(b.error, KILN_CANCEL_ERROR, 0);
    kiln_cancel_free(cancel);
}

#define ADD(name, function) g_test_add("/keys/" name, Place, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("nothing-changed", test_nothing_changed);
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *path = g_strconcat("/keys/change/", changes[i].name, NULL);
        g_test_add(path, Place, &changes[i], set_up, test_change, tear_down);
    }
    ADD("parts", test_parts_do_not_run_together);
    ADD("metadata", test_metadata);
    ADD("copy-from", test_copy_from);
    ADD("same-step", test_same_step_in_two_stages);
    ADD("many-stages", test_many_stages);
    ADD("no-cache", test_no_cache);
    ADD("no-cache-filter", test_no_cache_filter);
    ADD("the-same-again", test_the_same_again);
    ADD("another-content", test_another_content);
    ADD("unseen-changes", test_unseen_changes);
    ADD("built-bases", test_built_bases);
    ADD("link", test_link);
    ADD("records", test_records);
    ADD("failure-place", test_failure_has_its_place);
    ADD("failure-among-many", test_failure_among_many);
    ADD("canceled", test_canceled);
    return g_test_run();
}
