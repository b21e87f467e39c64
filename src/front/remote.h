/* kiln-remote, run on behalf of the builder as the calling user: registries and credentials are its
 * business. What it prints goes to the builder line by line. Private to src/front. */
#pragma once

#include "report/wire.h"

#include <glib.h>
#include <stdbool.h>

typedef struct KilnRemoteProcess KilnRemoteProcess;

/* How it is started, all borrowed: the program (NULL: it was not found), and of the user's keys and logins an
 * agent's socket (NULL: none) and, if it runs git, the secrets of the request that are logins of git. */
typedef struct {
    const char *program, *agent;
    const GPtrArray *secrets;
} KilnRemoteSetting;

/* Starts it for a {"message":"remote","id":N,"argv":[…]}. NULL if it cannot be started: then the builder has been
 * told. */
KilnRemoteProcess *kiln_remote_process_start(const KilnRemoteSetting *setting, json_object *message,
                                             KilnWire *wire);
int kiln_remote_process_fd(const KilnRemoteProcess *p);
/* Forwards what it printed; to be called when the fd is readable. False once it has ended, and its
 * exit code has been sent. */
bool kiln_remote_process_read(KilnRemoteProcess *p, KilnWire *wire);
/* Asks it to end. */
void kiln_remote_process_stop(KilnRemoteProcess *p);
/* Kills it if it still runs. */
void kiln_remote_process_free(KilnRemoteProcess *p);
