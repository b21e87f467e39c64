#include "build/image-command.h"
#include "build/command.h"
#include "build/etc.h"
#include "build/network.h"

static bool run_in(KilnEngine *e, KilnStep *run, KilnWork *work, const KilnStreams *streams,
                   struct kilnrun_result *result, GError **error)
{
    g_autoptr(KilnView) below = kiln_step_view(e, run->parent, error);
    int upperfd = below ? kiln_work_mkdir(work, "upper", error) : -1;
    KilnCommand command = {0};
    bool ok = upperfd >= 0 && kiln_command_fill(e, run, below, work, upperfd, &command, error);
    if (ok) {
        command.spec.input_fd = streams->input;
        command.spec.output_fd = streams->output;
        command.spec.error_fd = streams->errors;
        if (streams->terminal >= 0)
            kiln_command_set_terminal(&command, streams->terminal, e->options->term);
        kiln_emit_console(e->options->emitter, NULL);
        ok = kiln_command_run(e, &command, NULL, result, error) &&
             !kiln_command_refused(e, run->argv[0], result, error);
        g_autofree char *verdict = ok ? kiln_step_limits_verdict(e, command.limits, result) : NULL;
        g_autofree char *text = verdict ? g_strdup_printf("the command was %s", verdict) : NULL;
        if (text)
            kiln_emit_warning(e->options->emitter, NULL, text);
    }
    kiln_command_clear(&command);
    return ok;
}

bool kiln_image_command(const KilnBuildOptions *options, const char *image_id, KilnStep *run,
                        const KilnStreams *streams, struct kilnrun_result *result, GError **error)
{
    KilnEngine e = {.options = options};
    KilnStep from = {.kind = KILN_STEP_FROM, .image_id = (char *)image_id};
    g_mutex_init(&e.lock);
    KilnState *state = from.state = kiln_state_new(NULL);
    run->parent = &from;
    KilnWork *work = kiln_step_from(&e, &from, state, error) ? kiln_work_new(options->store, error) : NULL;
    bool ok = work && run_in(&e, run, work, streams, result, error);
    run->parent = NULL;
    g_clear_pointer(&work, kiln_work_free);
    g_clear_pointer(&e.networks, kiln_networks_free);
    g_clear_pointer(&e.limits, kiln_build_limits_free);
    g_clear_pointer(&e.etc, kiln_etc_free);
    kiln_state_free(state);
    g_mutex_clear(&e.lock);
    return ok;
}
