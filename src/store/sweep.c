/* After a crash of the machine: what another boot wrote and nobody confirmed goes. docs/store.md,
 * "Durability". */
#include "store/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void keep(const char *key, gpointer set)
{
    const char *colon = strchr(key, ':'); /* blobs are files without their "sha256:" */
    g_hash_table_add(set, g_strdup(colon != NULL ? colon + 1 : key));
}

static bool remove_others(KilnStore *s, int dirfd, const char *what, GHashTable *keys,
                          GError **error)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return kiln_store_fail(error, errnum, "cannot read %s/%s", s->root, what);
    }
    bool ok = true;
    struct dirent *e;
    while (ok && (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            !g_hash_table_contains(keys, e->d_name))
            ok = kiln_remove_tree(dirfd, e->d_name, error);
    closedir(d);
    return ok;
}

bool kiln_store_sweep(KilnStore *s, GError **error)
{
    g_autoptr(GHashTable) layers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) blobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    kiln_database_lock(s->db);
    bool ok = kiln_database_sweep(s->db, error) &&
              kiln_database_keys(s->db, "layers", keep, layers, error) &&
              kiln_database_keys(s->db, "blobs", keep, blobs, error);
    kiln_database_unlock(s->db);
    return ok && remove_others(s, s->layers_fd, "layers", layers, error) &&
           remove_others(s, s->manifests_fd, "manifests", layers, error) &&
           remove_others(s, s->blobs_fd, "blobs/sha256", blobs, error);
}
