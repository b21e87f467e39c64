#include "tree/digest.h"
#include "tree/statindex.h"

#include <time.h>

#include "scratch.h"

/* A file as stat(2) tells of it, last changed long ago. */
static struct stat file(ino_t ino)
{
    struct stat st = {.st_dev = 1, .st_ino = ino, .st_size = 5};
    st.st_ctim = (struct timespec){1500000000, 1};
    st.st_mtim = (struct timespec){1400000000, 2};
    return st;
}

static void store(KilnStatIndex *x, const struct stat *st, uint8_t byte)
{
    uint8_t digest[KILN_SHA256_SIZE];
    memset(digest, byte, sizeof(digest));
    kiln_statindex_store(x, st, digest);
}

/* The first byte of the digest that is known for a file in this state, or -1. */
static int known(KilnStatIndex *x, const struct stat *st)
{
    uint8_t digest[KILN_SHA256_SIZE];
    return kiln_statindex_lookup(x, st, digest) ? digest[0] : -1;
}

/* Writes the index and reads it back. */
static KilnStatIndex *again(KilnStatIndex *x, const Scratch *s)
{
    GError *error = NULL;
    kiln_statindex_write(x, s->fd, "index", &error);
    g_assert_no_error(error);
    kiln_statindex_free(x);
    return kiln_statindex_open(s->fd, "index");
}

static void test_round_trip(void)
{
    Scratch s = scratch_open();
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    struct stat a = file(7), b = file(3), c = file(9);
    store(x, &a, 'a');
    store(x, &b, 'b');
    g_assert_cmpint(known(x, &a), ==, 'a'); /* before it is written too */
    x = again(x, &s);
    g_assert_cmpint(known(x, &a), ==, 'a');
    g_assert_cmpint(known(x, &b), ==, 'b');
    g_assert_cmpint(known(x, &c), ==, -1);
    store(x, &a, 'A');
    store(x, &c, 'c');
    x = again(x, &s);
    g_assert_cmpint(known(x, &a), ==, 'A');
    g_assert_cmpint(known(x, &b), ==, 'b');
    g_assert_cmpint(known(x, &c), ==, 'c');
    kiln_statindex_free(x);
    scratch_close(&s);
}

static void test_any_change_counts(void)
{
    Scratch s = scratch_open();
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    struct stat st = file(7);
    store(x, &st, 'a');
    for (int pass = 0; pass < 2; pass++) {
        struct stat other[7];
        for (gsize i = 0; i < G_N_ELEMENTS(other); i++)
            other[i] = st;
        other[0].st_dev++;
        other[1].st_ino++;
        other[2].st_size++;
        other[3].st_mtim.tv_sec++;
        other[4].st_mtim.tv_nsec++;
        other[5].st_ctim.tv_sec--;
        other[6].st_ctim.tv_nsec++;
        for (gsize i = 0; i < G_N_ELEMENTS(other); i++)
            g_assert_cmpint(known(x, &other[i]), ==, -1);
        g_assert_cmpint(known(x, &st), ==, 'a');
        x = again(x, &s);
    }
    kiln_statindex_free(x);
    scratch_close(&s);
}

static void test_racily_clean(void)
{
    Scratch s = scratch_open();
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);

    struct stat st = file(1);
    st.st_ctim = now; /* may be written again without another time */
    g_assert_true(kiln_statindex_racy(&st));
    store(x, &st, 'x');
    g_assert_cmpint(known(x, &st), ==, -1);

    st = file(2);
    st.st_mtim = (struct timespec){now.tv_sec - 1, 0}; /* a file system that keeps seconds */
    store(x, &st, 'x');
    g_assert_cmpint(known(x, &st), ==, -1);

    st = file(3);
    st.st_mtim = (struct timespec){now.tv_sec + 1000, 1}; /* a clock that is ahead */
    store(x, &st, 'x');
    g_assert_cmpint(known(x, &st), ==, -1);

    st = file(4);
    st.st_ctim = (struct timespec){now.tv_sec - 1, now.tv_nsec | 1};
    g_assert_false(kiln_statindex_racy(&st));
    store(x, &st, 'x');
    g_assert_cmpint(known(x, &st), ==, 'x');
    kiln_statindex_free(x);
    scratch_close(&s);
}

/* The bytes of an index as if they had been written at another time. */
static void set_written(gint64 written, char *bytes, gsize size)
{
    enum { TIME = 24, SUM = 32, ENTRIES = 64 };
    g_autoptr(KilnHash) hash = kiln_hash_new();
    uint8_t digest[KILN_SHA256_SIZE];
    memcpy(bytes + TIME, &written, sizeof written);
    kiln_hash_update(hash, &written, sizeof written);
    kiln_hash_update(hash, bytes + ENTRIES, size - ENTRIES);
    kiln_hash_finish(hash, digest);
    memcpy(bytes + SUM, digest, sizeof digest);
}

/* The clock was set back between two builds: what it showed then it shows again. */
static void test_clock_set_back(void)
{
    Scratch s = scratch_open();
    struct stat st = file(1), other = file(2);
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    st.st_ctim = (struct timespec){now.tv_sec - 3, 0};
    store(x, &st, 'a');
    store(x, &other, 'b');
    x = again(x, &s);
    g_assert_cmpint(known(x, &st), ==, 'a');
    kiln_statindex_free(x);

    g_autofree char *path = g_build_filename(s.path, "index", NULL), *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    gint64 written; /* magic, byte order, generation, count, time */
    memcpy(&written, bytes + 24, sizeof written);
    g_assert_cmpint(written, >=, now.tv_sec);
    g_assert_cmpint(written, <=, now.tv_sec + 600);
    set_written(now.tv_sec + 1000, bytes, size);
    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    x = kiln_statindex_open(s.fd, "index");
    g_assert_cmpint(known(x, &other), ==, -1);
    kiln_statindex_free(x);
    scratch_close(&s);
}

static void test_changed_since(void)
{
    const struct timespec since = {.tv_sec = 1000, .tv_nsec = 500000000};
    struct stat st = file(1);
    static const struct {
        struct timespec ctime;
        bool changed;
    } cases[] = {
        {{1000, 499999999}, false}, {{1000, 500000000}, true}, {{1001, 1}, true},
        {{999, 999999999}, false},  {{1000, 0}, true},          {{999, 0}, true},
        {{998, 0}, false},          {{996, 0}, false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        st.st_ctim = cases[i].ctime;
        g_assert_cmpint(kiln_statindex_changed_since(&st, &since), ==, cases[i].changed);
    }
}

static void test_forgets_the_unused(void)
{
    Scratch s = scratch_open();
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    struct stat used = file(1), unused = file(2), other = file(3);
    store(x, &used, 'u');
    store(x, &unused, 'n');
    for (int i = 0; i < 10; i++) {
        x = again(x, &s);
        g_assert_cmpint(known(x, &used), ==, 'u');
        store(x, &other, (uint8_t)i);
    }
    x = again(x, &s);
    g_assert_cmpint(known(x, &used), ==, 'u');
    g_assert_cmpint(known(x, &unused), ==, -1);
    g_assert_cmpint(known(x, &other), ==, 9);
    kiln_statindex_free(x);
    scratch_close(&s);
}

static void test_damaged_is_empty(void)
{
    Scratch s = scratch_open();
    struct stat st = file(1);
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    store(x, &st, 'a');
    x = again(x, &s);
    kiln_statindex_free(x);

    g_autofree char *path = g_build_filename(s.path, "index", NULL), *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    for (gsize i = 0; i < size; i++) { /* every byte matters, but for those of the generation */
        if (i >= 12 && i < 16)
            continue;
        bytes[i] ^= 0x40;
        g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
        x = kiln_statindex_open(s.fd, "index");
        g_assert_cmpint(known(x, &st), ==, -1);
        kiln_statindex_free(x);
        bytes[i] ^= 0x40;
    }
    for (gsize i = 0; i < size; i += 7) {
        g_assert_true(g_file_set_contents(path, bytes, (gssize)i, NULL));
        x = kiln_statindex_open(s.fd, "index");
        g_assert_cmpint(known(x, &st), ==, -1);
        kiln_statindex_free(x);
    }
    scratch_close(&s);
}

static void test_writes_only_changes(void)
{
    Scratch s = scratch_open();
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    x = again(x, &s);
    g_assert_false(scratch_exists(&s, "index"));
    struct stat st = file(1);
    store(x, &st, 'a');
    x = again(x, &s);
    ino_t written = scratch_stat(&s, "index").st_ino;
    g_assert_cmpint(known(x, &st), ==, 'a');
    x = again(x, &s);
    g_assert_cmpuint(scratch_stat(&s, "index").st_ino, ==, written);
    kiln_statindex_free(x);
    scratch_close(&s);
}

static void test_write_failure(void)
{
    Scratch s = scratch_open();
    KilnStatIndex *x = kiln_statindex_open(s.fd, "index");
    struct stat st = file(1);
    store(x, &st, 'a');
    GError *error = NULL;
    g_assert_false(kiln_statindex_write(x, s.fd, "missing/index", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_clear_error(&error);
    kiln_statindex_free(x);
    scratch_close(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/statindex/round-trip", test_round_trip);
    g_test_add_func("/statindex/any-change-counts", test_any_change_counts);
    g_test_add_func("/statindex/racily-clean", test_racily_clean);
    g_test_add_func("/statindex/clock-set-back", test_clock_set_back);
    g_test_add_func("/statindex/changed-since", test_changed_since);
    g_test_add_func("/statindex/forgets-the-unused", test_forgets_the_unused);
    g_test_add_func("/statindex/damaged-is-empty", test_damaged_is_empty);
    g_test_add_func("/statindex/writes-only-changes", test_writes_only_changes);
    g_test_add_func("/statindex/write-failure", test_write_failure);
    return g_test_run();
}
