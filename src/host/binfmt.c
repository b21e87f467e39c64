#include "host/binfmt.h"

#include <stdbool.h>
#include <string.h>

/* An ELF program of some machine: its magic starts so (binfmt_misc's documentation). */
static bool is_for_programs(const char *text)
{
    return g_str_has_prefix(text, "enabled\n") && strstr(text, "\nmagic 7f454c46");
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *kiln_binfmt_handlers(const char *proc)
{
    g_autofree char *path = g_build_filename(proc, "sys/fs/binfmt_misc", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *text = NULL;
        if (strcmp(name, "register") != 0 && g_file_get_contents(file, &text, NULL, NULL) &&
            is_for_programs(text)) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    if (names->len == 0) {
        return NULL;
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **)names->pdata);
}
