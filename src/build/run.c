/* RUN: the command in the sandbox, over an overlay of the chain; what it leaves in the upper directory is
 * the layer. */
#include "build/command.h"
#include "build/content.h"
#include "build/emulate.h"
#include "build/isolation.h"
#include "build/shell.h"
#include "tree/diff.h"

#include <string.h>

/* Nothing is added by default: what a user asked for once must not change the keys of everyone else. */
static void feed_security(KilnKey *key, const KilnRunSettings *s)
{
    if (s->filter) {
        gsize size;
        const void *bytes = g_bytes_get_data(s->filter, &size);
        kiln_key_bytes(key, "seccomp", bytes, size);
    }
    if (s->unconfined)
        kiln_key_text(key, "seccomp", NULL, "unconfined");
    if (s->no_new_privs)
        kiln_key_text(key, "no-new-privileges", NULL, NULL);
}

static bool feed(KilnEngine *e, KilnStep *step, gpointer prepared, KilnKey *key, GError **error)
{
    (void)prepared;
    static const char *const networks[] = {"default", "none", "host"};
    kiln_key_list(key, "command", step->argv);
    kiln_key_variables(key, "variable", step->env);
    kiln_key_text(key, "script", NULL, step->script);
    kiln_key_text(key, "user", NULL, step->user);
    kiln_key_text(key, "directory", NULL, step->workdir);
    kiln_key_text(key, "network", NULL, networks[step->network]);
    kiln_key_text(key, "security", NULL, step->insecure ? "insecure" : "sandbox");
    kiln_key_text(key, "hostname", NULL, e->options->plan->hostname);
    feed_security(key, &e->options->run_settings);
    if (e->options->run_settings.extra_hosts) /* as in BuildKit's ExecOp; resolv.conf is not */
        kiln_key_list(key, "--add-host", e->options->run_settings.extra_hosts);
    kiln_emulation_feed(e, key);
    return kiln_step_mounts_feed(e, step, key, error);
}

/* Of a stage or image that is mounted only what is mounted can be seen. */
static bool same_input(KilnEngine *e, KilnStep *step, gpointer prepared, const KilnStep *input, const GArray *chain)
{
    (void)prepared;
    g_autoptr(GArray) now = kiln_state_chain(kiln_step_state(input));
    for (guint i = 0; step->mounts && i < step->mounts->len; i++) {
        const KilnMount *m = &g_array_index(step->mounts, KilnMount, i);
        if (m->from.step == input && !kiln_content_same(e, now, chain, m->source))
            return false;
    }
    return true;
}

/* --- The command ------------------------------------------------------------------------------------- */

/* What a failed command gets told besides its exit code. */
static const char *hint_for(KilnEngine *e, const struct kilnrun_result *result)
{
    if (kiln_store_owners(e->options->store) == KILN_OWNERS_RECORDED && result->started &&
        kiln_emulation(e) == KILNRUN_EMULATE_OFF && !kiln_isolation_is_bare(e))
        return "\nhint: with --emulate=off, and without subordinate ids, chown and switching users fail in RUN "
               "with \"Operation not permitted\" or \"Invalid argument\"";
    return "";
}

/* Of the command, not of the sandbox. */
static bool is_failure(const struct kilnrun_result *result)
{
    return result->started ? result->exit_code != 0 : strcmp(result->failure.stage, "exec") == 0;
}

static bool check_result(KilnEngine *e, const KilnStep *step, const KilnStepLimits *limits,
                         const struct kilnrun_result *result, GError **error)
{
    if (result->started && result->exit_code == 0)
        return true;
    g_autofree char *command = g_strjoinv(" ", step->argv);
    if (kiln_command_refused(e, command, result, error))
        return false;
    g_autofree char *verdict = kiln_step_limits_verdict(e, limits, result);
    if (verdict)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "process \"%s\" was %s", command, verdict);
    else if (!result->started && strcmp(result->failure.stage, "exec") == 0)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "cannot execute \"%s\": %s: %s (exit code: 127)", command, result->failure.detail,
                    g_strerror(-result->failure.error));
    else if (!result->started)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "preparing the sandbox for \"%s\" failed at %s (%s): %s; kiln doctor shows what this "
                    "host allows",
                    command, result->failure.stage, result->failure.detail,
                    g_strerror(-result->failure.error));
    else if (result->signal)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "process \"%s\" was killed by signal %d (%s), exit code: %d", command, result->signal,
                    g_strsignal(result->signal), result->exit_code);
    else
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "process \"%s\" did not complete successfully: exit code: %d%s", command,
                    result->exit_code, hint_for(e, result));
    return false;
}

static KilnManifest *execute(KilnEngine *e, KilnStep *step, gpointer prepared, KilnWork *work,
                             int upperfd, KilnTask *task, GError **error)
{
    (void)prepared;
    g_autoptr(KilnView) below = kiln_step_view(e, step->parent, error);
    if (!below)
        return NULL;
    KilnCommand command = {0};
    struct kilnrun_result result = {0};
    KilnManifest *manifest = NULL;
    g_autoptr(GError) canceled = NULL;
    bool ran = kiln_command_fill(e, step, below, work, upperfd, &command, error) &&
               kiln_command_run(e, &command, task, &result, error);
    bool ok = ran && check_result(e, step, command.limits, &result, error);
    bool asked = kiln_cancel_check(e->options->cancel, &canceled);
    if (ok && !asked) {
        g_autoptr(KilnRecorded) recorded = kiln_recorded_new(kiln_emulation(e), &result);
        manifest = kiln_step_root_diff(command.root, below, (const char *const *)result.stubs,
                                       kiln_recorded_records(recorded), error);
    }
    if (ok || asked || !ran || !is_failure(&result) ||
        !kiln_shell_keep(e, step, work, &command, &result))
        kiln_command_clear(&command);
    if (asked) { /* whatever else went wrong then */
        g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&canceled));
    }
    kilnrun_result_clear(&result);
    if (!manifest)
        kiln_step_prefix_error(step, &step->place, error);
    return manifest;
}

const KilnStepKindOps kiln_step_run = {.feed = feed, .same_input = same_input, .execute = execute};
