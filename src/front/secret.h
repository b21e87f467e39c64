/* Secrets of --secret: read for the builder when a step wants one, as the calling user. Private to
 * src/front. */
#pragma once

#include "report/wire.h"

/* The content of the secret of an id, `*size` bytes, kiln_secret_free(). NULL without *problem: there is none;
 * with one (g_free()): it cannot be read. */
char *kiln_secret_read(const GPtrArray *secrets, const char *id, gsize *size, char **problem);
/* Wipes it first; NULL is nothing. */
void kiln_secret_free(char *bytes, gsize size);
/* Answers a {"message":"secret","id":ID} from the request's "secrets" (char*, see kiln.h). */
void kiln_secret_answer(const GPtrArray *secrets, json_object *message, KilnWire *wire);
