#include "tree/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* FIPS 180-2, appendix B.1 */
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_known_values(void)
{
    g_autofree char *abc = kiln_digest_of_bytes("abc", 3), *empty = kiln_digest_of_bytes(NULL, 0);
    g_assert_cmpstr(abc, ==, ABC);
    g_assert_cmpstr(empty, ==, EMPTY);
}

static void test_hash_can_be_used_again(void)
{
    g_autoptr(KilnHash) h = kiln_hash_new();
    kiln_hash_update(h, "a", 1);
    kiln_hash_update(h, "bc", 2);
    g_autofree char *first = kiln_hash_finish_text(h);
    g_autofree char *second = kiln_hash_finish_text(h);
    g_assert_cmpstr(first, ==, ABC);
    g_assert_cmpstr(second, ==, EMPTY);
}

static char *of_strings(const char *a, const char *b)
{
    g_autoptr(KilnHash) h = kiln_hash_new();
    kiln_hash_string(h, a);
    kiln_hash_string(h, b);
    return kiln_hash_finish_text(h);
}

static void test_neighbours_do_not_run_together(void)
{
    static const char *const pairs[][2] = {{"ab", "c"}, {"a", "bc"},   {"abc", ""},
                                           {"", "abc"}, {"abc", NULL}, {NULL, "abc"}};
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++)
        g_assert_true(g_hash_table_add(seen, of_strings(pairs[i][0], pairs[i][1])));
}

static void test_parse(void)
{
    uint8_t digest[KILN_SHA256_SIZE];
    g_assert_true(kiln_digest_parse(ABC, digest));
    g_autofree char *text = kiln_digest_text(digest);
    g_assert_cmpstr(text, ==, ABC);

    g_autofree char *upper = g_strdup(ABC), *junk = g_strdup(ABC);
    upper[7] = 'B';
    junk[70] = 'g';
    const char *bad[] = {NULL, "", "sha256:", &ABC[7], ABC "0", "sha512:" EMPTY, upper, junk};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(kiln_digest_parse(bad[i], digest));
}

static void test_file(void)
{
    int fd = memfd_create("digest", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    gsize size = 300 * 1000; /* more than one read */
    g_autofree char *bytes = g_malloc(size);
    for (gsize i = 0; i < size; i++)
        bytes[i] = (char)(i * 7);
    g_assert_cmpint(write(fd, bytes, size), ==, (gssize)size);
    g_assert_cmpint(lseek(fd, 5, SEEK_SET), ==, 5);

    uint8_t digest[KILN_SHA256_SIZE];
    uint64_t hashed;
    g_assert_cmpint(kiln_digest_fd(fd, digest, &hashed), ==, 0);
    g_autofree char *found = kiln_digest_text(digest);
    g_autofree char *expected = kiln_digest_of_bytes(bytes, size);
    g_assert_cmpstr(found, ==, expected);
    g_assert_cmpuint(hashed, ==, size);
    g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 5); /* the offset is not moved */
    close(fd);
}

static void test_file_errors(void)
{
    uint8_t digest[KILN_SHA256_SIZE];
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(kiln_digest_fd(fd, digest, NULL), ==, -EISDIR);
    close(fd);
    g_assert_cmpint(kiln_digest_fd(-1, digest, NULL), ==, -EBADF);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/digest/known-values", test_known_values);
    g_test_add_func("/digest/hash-can-be-used-again", test_hash_can_be_used_again);
    g_test_add_func("/digest/neighbours-do-not-run-together", test_neighbours_do_not_run_together);
    g_test_add_func("/digest/parse", test_parse);
    g_test_add_func("/digest/file", test_file);
    g_test_add_func("/digest/file-errors", test_file_errors);
    return g_test_run();
}
