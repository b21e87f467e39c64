/* A directory of its own for a test, removed in the end, and short ways to look into it. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/place.h"

typedef struct {
    char *path;
    int fd;
} Scratch;

static inline Scratch scratch_open(void)
{
    Scratch s = {.path = g_strdup_printf("%s/kiln-test-XXXXXX", g_get_tmp_dir())};
    g_assert_nonnull(g_mkdtemp(s.path));
    s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(s.fd, >=, 0);
    return s;
}

static inline void scratch_close(Scratch *s)
{
    GError *error = NULL;
    close(s->fd);
    kiln_remove_tree(AT_FDCWD, s->path, &error);
    g_assert_no_error(error);
    g_free(s->path);
}

/* A file with this text, as a program would write it. */
static inline void scratch_write(const Scratch *s, const char *path, const char *text)
{
    int fd = openat(s->fd, path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
    close(fd);
}

static inline void scratch_mkdir(const Scratch *s, const char *path)
{
    g_assert_cmpint(mkdirat(s->fd, path, 0755), ==, 0);
}

/* The text of a file; NULL if there is none. */
static inline char *scratch_read(const Scratch *s, const char *path)
{
    g_autofree char *full = g_build_filename(s->path, path, NULL);
    char *text = NULL;
    return g_file_get_contents(full, &text, NULL, NULL) ? text : NULL;
}

static inline struct stat scratch_stat(const Scratch *s, const char *path)
{
    struct stat st;
    g_assert_cmpint(fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    return st;
}

static inline bool scratch_exists(const Scratch *s, const char *path)
{
    struct stat st;
    return fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether the caller can give files away: root, but not that of a user namespace with one id. */
static inline bool scratch_can_chown(void)
{
    Scratch s = scratch_open();
    scratch_write(&s, "f", "");
    bool can = fchownat(s.fd, "f", 33, 4, 0) == 0;
    scratch_close(&s);
    return can;
}
