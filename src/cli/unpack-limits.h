/* --max-layer-size and --max-layer-entries: of every command that unpacks archives. */
#pragma once

#include "cli/command.h"

typedef struct {
    char *size, *entries; /* as written; NULL: not given */
} KilnUnpackLimits;

enum { KILN_N_UNPACK_FLAGS = 2 };

/* The flags, for the table of a command's. */
void kiln_unpack_flags(KilnUnpackLimits *l, KilnFlag flags[KILN_N_UNPACK_FLAGS]);
/* Puts them, or else the settings, into a request. */
bool kiln_unpack_limits_add(KilnRequest *r, const KilnCall *call, const KilnUnpackLimits *l,
                            GError **error);
void kiln_unpack_limits_clear(KilnUnpackLimits *l);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KilnUnpackLimits, kiln_unpack_limits_clear)
