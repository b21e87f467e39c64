/* How much one archive may unpack to: a few kilobytes can be terabytes of zeros, or files without
 * end. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t size;    /* bytes of all files together, holes too; 0: no limit */
    uint64_t entries; /* 0: no limit, as far as the memory goes that an archive may make us use */
} KilnTarLimits;

/* Several times what the largest images have: 40 GB in a layer with models, 500,000 files in one
 * with a monorepo's node_modules. */
#define KILN_TAR_LIMITS_DEFAULT ((KilnTarLimits){.size = UINT64_C(256) << 30, .entries = 2000000})

/* What was unpacked so far. */
typedef struct {
    KilnTarLimits limits;
    uint64_t size, entries;
    uint64_t memory; /* bytes kept of names and attributes */
} KilnTarMeter;

/* Count one more entry, and bytes of files or of memory. False with an error
 * (KILN_TAR_ERROR_FORMAT) that names the limit and the flag that sets it, without naming an entry.
 */
bool kiln_tar_meter_entry(KilnTarMeter *m, GError **error);
bool kiln_tar_meter_size(KilnTarMeter *m, uint64_t bytes, GError **error);
bool kiln_tar_meter_memory(KilnTarMeter *m, uint64_t bytes, GError **error);
