/* Secrets of --secret: read for the builder when a step wants one, as the calling user. Private to
 * src/front. */
#pragma once

#include "report/wire.h"

/* Answers a {"message":"secret","id":ID} from the request's "secrets" (char*, see kiln.h). */
void kiln_secret_answer(const GPtrArray *secrets, json_object *message, KilnWire *wire);
