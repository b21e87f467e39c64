/* A command in an image, outside of any build (kiln run): the sandbox is that of a RUN, and what the command
 * leaves is thrown away. */
#pragma once

#include "build/build.h"
#include "runtime/kilnrun.h"

/* The command's standard streams: kilnrun.h, struct kilnrun_spec. */
typedef struct {
    int input, output, errors, terminal;
} KilnStreams;

/* run: a KILN_STEP_RUN without a parent, which says everything but what it stands on: that is the image's
 * layers. Of the options the store, the launcher, the emitter, the cancel, the run settings and the plan's
 * hostname are used. False with an error;
 * what became of the command is in *result (kilnrun_result_clear()). */
bool kiln_image_command(const KilnBuildOptions *options, const char *image_id, KilnStep *run,
                        const KilnStreams *streams, struct kilnrun_result *result, GError **error);
