/* A command made ready for the sandbox: what a step says, as a kilnrun_spec. */
#pragma once

#include "build/engine.h"
#include "build/mounts.h"
#include "build/network.h"
#include "build/step-limits.h"
#include "build/step-root.h"
#include "build/user.h"

/* The spec, and everything that it points to. */
typedef struct {
    struct kilnrun_spec spec;
    KilnStepRoot *root;
    GPtrArray *env;
    KilnUser user;
    KilnStepMounts *mounts;
    KilnStepLimits *limits;
    KilnNetworkUse network;
} KilnCommand;

/* Fills *c for the step (argv, env, user, workdir, mounts, network … of it): over the chain of its parent,
 * of which `below` is the view, with upperfd as the upper directory; files that it needs are made in `work`.
 * A working directory that is missing is made in the upper directory. False with an error;
 * kiln_command_clear() in either case. */
bool kiln_command_fill(KilnEngine *e, KilnStep *step, const KilnView *below, KilnWork *work, int upperfd,
                       KilnCommand *c, GError **error);

/* Its streams are a terminal of its own (kilnrun.h, terminal_fd), of the kind `term` unless the image says
 * another. */
void kiln_command_set_terminal(KilnCommand *c, int socket, const char *term);

/* Runs it to its end; a cancel kills it. task gets its output, line by line; NULL: the spec says where that
 * goes. False with an error if the sandbox's launcher cannot be spoken to; what became of the command is in
 * *result. */
bool kiln_command_run(KilnEngine *e, KilnCommand *c, KilnTask *task, struct kilnrun_result *result,
                      GError **error);

/* Whether the host is what kept the command from starting; then the error is set. command: for people. */
bool kiln_command_refused(KilnEngine *e, const char *command, const struct kilnrun_result *result,
                          GError **error);

/* When the command has ended: its network is the next one's, locks of cache mounts are given up, agents end,
 * cgroups are removed. */
void kiln_command_clear(KilnCommand *c);
