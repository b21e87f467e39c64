/* Leases: a lock on a byte of `leases` for each layer and blob that a process may be using. Builds share them,
 * a collector has to have one alone to remove what it stands for, and never waits for it. docs/store.md,
 * "Collection". For src/store/ alone; kiln_layer_lease() and kiln_store_touch() are in store.h. */
#pragma once

#include "store/store.h"

void kiln_leases_init(KilnStore *s);
bool kiln_leases_open(KilnStore *s, GError **error);
/* Ends all leases; what was used stays known for kiln_store_touch(). */
void kiln_leases_release(KilnStore *s);
void kiln_leases_clear(KilnStore *s);

/* A lease on a layer whose row is about to be committed: to be called in that transaction. */
bool kiln_lease_new_layer(KilnStore *s, gint64 layer);
/* Waits while a collector deletes the blob, so not to be called in a transaction. To be had before the blob is
 * looked for. */
bool kiln_lease_blob(KilnStore *s, const char *digest);

/* The collector's side: false if anybody has a lease. */
bool kiln_lease_layer_try(KilnStore *s, gint64 layer);
void kiln_lease_layer_drop(KilnStore *s, gint64 layer);
bool kiln_lease_blob_try(KilnStore *s, const char *digest);
void kiln_lease_blob_drop(KilnStore *s, const char *digest);
/* Whether another process has one now. */
bool kiln_lease_layer_held(KilnStore *s, gint64 layer);
bool kiln_lease_blob_held(KilnStore *s, const char *digest);
