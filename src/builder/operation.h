/* The builder: what every operation gets, and the table of operations. */
#pragma once

#include "build/cancel.h"
#include "builder/remote.h"
#include "builder/secret.h"
#include "image/config.h"
#include "report/emit.h"
#include "runtime/kilnrun.h"
#include "store/store.h"

#include <json-c/json.h>

#define KILN_OPERATION_ERROR (kiln_operation_error_quark())
GQuark kiln_operation_error_quark(void); /* codes are exit codes: 1 failed, 2 usage, 3 host */

typedef struct {
    json_object *request;
    KilnStore *store; /* NULL for reset, and for what only reads if there is none to read */
    bool only_reads;  /* builds, fetches and stores nothing; runs on every host */
    KilnEmitter *emitter;
    KilnCancel *cancel;
    KilnRemote *remote;
    KilnSecrets *secrets;
    enum kilnrun_isolation isolation; /* of `run` */
    struct kilnrun *run; /* NULL if the operation runs nothing */
    int console;         /* where a command's terminal is handed to the front (kilnrun.h, terminal_fd), or -1;
                            for "run" without a terminal 0, 1 and 2 are the command's streams */
    mode_t umask;        /* the user's, for files that are not the store's */
} KilnOperation;

/* Each returns the result document, or NULL with an error. */
typedef json_object *(*KilnOperationFunc)(KilnOperation *op, GError **error);
json_object *kiln_operation_advise(KilnOperation *op, GError **error);
json_object *kiln_operation_build(KilnOperation *op, GError **error);
json_object *kiln_operation_check(KilnOperation *op, GError **error);
json_object *kiln_operation_history(KilnOperation *op, GError **error);
json_object *kiln_operation_history_rm(KilnOperation *op, GError **error);
json_object *kiln_operation_fsck(KilnOperation *op, GError **error);
json_object *kiln_operation_import(KilnOperation *op, GError **error);
json_object *kiln_operation_load(KilnOperation *op, GError **error);
json_object *kiln_operation_outline(KilnOperation *op, GError **error);
json_object *kiln_operation_plan(KilnOperation *op, GError **error);
json_object *kiln_operation_pull(KilnOperation *op, GError **error);
json_object *kiln_operation_save(KilnOperation *op, GError **error);
json_object *kiln_operation_images(KilnOperation *op, GError **error);
json_object *kiln_operation_inspect(KilnOperation *op, GError **error);
json_object *kiln_operation_tag(KilnOperation *op, GError **error);
json_object *kiln_operation_targets(KilnOperation *op, GError **error);
json_object *kiln_operation_why(KilnOperation *op, GError **error);
json_object *kiln_operation_run(KilnOperation *op, GError **error);
json_object *kiln_operation_du(KilnOperation *op, GError **error);
json_object *kiln_operation_prune(KilnOperation *op, GError **error);
json_object *kiln_operation_rmi(KilnOperation *op, GError **error);
json_object *kiln_operation_reset(KilnOperation *op, GError **error);
json_object *kiln_operation_probe(KilnOperation *op, GError **error);

/* --- Reading the request ----------------------------------------------------------------------------- */
const char *kiln_request_text(json_object *request, const char *key); /* NULL if not there */
bool kiln_request_flag(json_object *request, const char *key);
/* Borrowed strings in a new array with a NULL at its end; g_free(). Empty if the key is not there. */
const char **kiln_request_list(json_object *request, const char *key);
/* The platform asked for, or NULL without error. */
bool kiln_request_platform(json_object *request, KilnPlatform **out, GError **error);

/* "docker.io/library/app:latest" from what a user wrote; g_free(). */
char *kiln_canonical_name(const char *text, GError **error);
/* An image by what a user wrote: a name or an ID. */
KilnImage *kiln_find_image(KilnStore *store, const char *text, GError **error);
/* Its configuration. */
KilnConfig *kiln_image_config(KilnStore *store, const char *image_id, GError **error);
