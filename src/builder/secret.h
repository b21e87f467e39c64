/* Asking the front for a secret: the builder keeps none, and reads none of the user's files for one. */
#pragma once

#include "report/wire.h"

#define KILN_SECRET_ERROR (kiln_secret_error_quark())
GQuark kiln_secret_error_quark(void);

typedef struct KilnSecrets KilnSecrets;
KilnSecrets *kiln_secrets_new(KilnWire *wire);
void kiln_secrets_free(KilnSecrets *s);

/* A KilnSecretFunc; data is a KilnSecrets. From the first call on the process can neither dump core nor be
 * traced by others of its user. */
GBytes *kiln_secrets_get(const char *id, void *data, GError **error);

/* A "secret" message that came over the wire (by the thread that reads it). */
void kiln_secrets_message(KilnSecrets *s, json_object *message);
/* The wire is gone: who waits fails. */
void kiln_secrets_abandon(KilnSecrets *s);
