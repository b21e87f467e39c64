/* The files of a definition: the context is made, the Dockerfile and the ignore file are found and read. For
 * definition.c alone. */
#pragma once

#include "builder/definition.h"

/* Mistakes in the Dockerfile are no failure: they are in d->errors. */
bool kiln_definition_read_files(KilnDefinition *d, GError **error);
