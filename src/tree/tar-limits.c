#include "tree/tar-limits.h"

#include "tree/tar.h"

#include <inttypes.h>

enum { MEMORY_PER_ENTRY = 512, MEMORY_MIN = 1 << 30 };

static bool refuse(GError **error, const char *what, const char *flag)
{
    g_set_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT,
                "it unpacks to more than %s; where that is meant, set %s higher", what, flag);
    return false;
}

static bool refuse_size(const KilnTarMeter *m, GError **error)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    uint64_t size = m->limits.size;
    guint unit = 0;
    for (; size >= 1024 && size % 1024 == 0 && unit + 1 < G_N_ELEMENTS(units); unit++)
        size /= 1024;
    g_autofree char *what = g_strdup_printf("%" PRIu64 " %s", size, units[unit]);
    return refuse(error, what, "--max-layer-size");
}

static bool refuse_entries(uint64_t limit, GError **error)
{
    g_autofree char *what = g_strdup_printf("%" PRIu64 " entries", limit);
    return refuse(error, what, "--max-layer-entries");
}

bool kiln_tar_meter_entry(KilnTarMeter *m, GError **error)
{
    m->entries++;
    return !m->limits.entries || m->entries <= m->limits.entries ||
           refuse_entries(m->limits.entries, error);
}

bool kiln_tar_meter_size(KilnTarMeter *m, uint64_t bytes, GError **error)
{
    bool fits = !m->limits.size || (m->size <= m->limits.size && bytes <= m->limits.size - m->size);
    m->size += bytes;
    return fits || refuse_size(m, error);
}

/* Names and attributes of an average length fit for as many entries as are allowed. */
bool kiln_tar_meter_memory(KilnTarMeter *m, uint64_t bytes, GError **error)
{
    uint64_t limit = MAX(m->limits.entries, MEMORY_MIN / MEMORY_PER_ENTRY);
    m->memory += bytes;
    if (m->memory / MEMORY_PER_ENTRY <= limit)
        return true;
    g_autofree char *what =
        g_strdup_printf("%" PRIu64 " MiB of names and attributes", limit * MEMORY_PER_ENTRY >> 20);
    return refuse(error, what, "--max-layer-entries");
}
