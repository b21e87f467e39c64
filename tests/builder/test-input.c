/* Bytes from outside: what they are taken for, and how much of them. */
#include "builder/input.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static KilnInput *input_of(KilnOperation *op, const void *bytes, gsize size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    g_assert_cmpint(write(fd, bytes, size), ==, (gssize)size);
    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    g_autoptr(GError) error = NULL;
    KilnInput *input = kiln_input_new(op, fd, "the input", &error);
    g_assert_no_error(error);
    return input;
}

/* A header of tar(5) for an empty file, with or without the magic of POSIX. */
static void fill_header(char *header, bool magic)
{
    memset(header, 0, 512);
    strcpy(header, "Dockerfile");
    strcpy(header + 100, "0000644");
    strcpy(header + 108, "0000000");
    strcpy(header + 116, "0000000");
    strcpy(header + 124, "00000000000");
    strcpy(header + 136, "00000000000");
    memset(header + 148, ' ', 8);
    if (magic)
        memcpy(header + 257, "ustar\00000", 8);
    else
        header[156] = '0';
    unsigned sum = 0;
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)header[i];
    g_snprintf(header + 148, 7, "%06o", sum);
}

static void test_kinds(void)
{
    KilnOperation op = {.cancel = kiln_cancel_new()};
    char posix[1536], old[1536], zeros[1024] = {0}, damaged[1536];
    fill_header(posix, true);
    fill_header(old, false);
    memset(posix + 512, 0, 1024);
    memset(old + 512, 0, 1024);
    memcpy(damaged, old, sizeof damaged);
    damaged[3] ^= 1;
    const struct {
        const char *name;
        const void *bytes;
        gsize size;
        KilnInputKind kind;
    } cases[] = {
        {"nothing", "", 0, KILN_INPUT_EMPTY},
        {"a Dockerfile", "FROM busybox\n", 13, KILN_INPUT_TEXT},
        {"one byte", "F", 1, KILN_INPUT_TEXT},
        {"a tar of POSIX", posix, sizeof posix, KILN_INPUT_ARCHIVE},
        {"an old tar", old, sizeof old, KILN_INPUT_ARCHIVE},
        {"its checksum is wrong", damaged, sizeof damaged, KILN_INPUT_TEXT},
        {"half of its header", old, 256, KILN_INPUT_TEXT},
        {"an empty tar", zeros, sizeof zeros, KILN_INPUT_ARCHIVE},
        {"gzip", "\x1f\x8b\x08\x00", 4, KILN_INPUT_ARCHIVE},
        {"bzip2", "BZh9", 4, KILN_INPUT_ARCHIVE},
        {"xz", "\xfd" "7zXZ\0", 6, KILN_INPUT_ARCHIVE},
        {"zstd", "\x28\xb5\x2f\xfd", 4, KILN_INPUT_ARCHIVE},
        {"the beginning of gzip's magic", "\x1f\x8b", 2, KILN_INPUT_TEXT},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].name);
        g_autoptr(KilnInput) input = input_of(&op, cases[i].bytes, cases[i].size);
        g_assert_cmpint(kiln_input_kind(input), ==, cases[i].kind);
    }
    kiln_cancel_free(op.cancel);
}

static void test_text(void)
{
    KilnOperation op = {.cancel = kiln_cancel_new()};
    for (gsize extra = 0; extra <= 1; extra++) {
        gsize size = KILN_TEXT_MAX + extra, got = 0;
        g_autofree char *bytes = g_malloc(size);
        memset(bytes, '#', size);
        bytes[size - 1] = '\n';
        g_autoptr(KilnInput) input = input_of(&op, bytes, size);
        g_autoptr(GError) error = NULL;
        g_autofree char *text = kiln_input_text(input, &got, &error);
        if (extra) {
            g_assert_error(error, KILN_OPERATION_ERROR, 1);
            g_assert_nonnull(strstr(error->message, "the input is larger than 16 MB"));
        } else {
            g_assert_no_error(error);
            g_assert_cmpmem(text, got, bytes, size);
            g_assert_cmpint(text[got], ==, '\0');
        }
    }
    kiln_cancel_free(op.cancel);
}

static void test_cancelled(void)
{
    KilnOperation op = {.cancel = kiln_cancel_new()};
    kiln_cancel_trigger(op.cancel);
    g_autoptr(GError) error = NULL;
    int fd = memfd_create("input", MFD_CLOEXEC);
    g_assert_null(kiln_input_new(&op, fd, "the input", &error));
    g_assert_error(error, KILN_CANCEL_ERROR, 0);
    kiln_cancel_free(op.cancel);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/input/kinds", test_kinds);
    g_test_add_func("/input/text", test_text);
    g_test_add_func("/input/cancelled", test_cancelled);
    return g_test_run();
}
