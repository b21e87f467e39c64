/* What `kiln build`'s command line asks for, as a request. */
#pragma once

#include "cli/build-limits.h"
#include "cli/command.h"
#include "cli/unpack-limits.h"

typedef struct {
    const char *operation; /* of the builder: "build", or one that explains it */
    char *file, *target, *pull, *output, *iidfile, *metadata_file, *progress, *platform, *jobs,
        *call, *network, *hostname, *on_error, *emulate, *snapshotter, *isolation, *keep_builds,
        *keep_storage;
    char *format; /* of `kiln check` */
    GPtrArray *tags, *build_args, *labels, *build_contexts, *secrets, *ssh, *allow, *no_cache_filter, *security_opts,
        *cache_from, *cache_to;
    KilnLimitFlags limits;
    GPtrArray *hosts, *dns, *dns_search, *dns_options;
    bool no_cache, quiet, check, debug;
    KilnUnpackLimits unpack;
} KilnBuildFlags;

void kiln_build_flags_init(KilnBuildFlags *f);
void kiln_build_flags_clear(KilnBuildFlags *f);
/* Parses the call's command line by the flags of a build and `more`. False as kiln_call_parse(). */
bool kiln_build_flags_parse(KilnCall *call, KilnBuildFlags *f, const KilnFlag *more, guint n_more,
                            GError **error);
/* Checks what can be checked without the store, and describes the build. NULL with
 * KILN_ERROR_USAGE. */
KilnRequest *kiln_build_request(const KilnCall *call, const KilnBuildFlags *f, GError **error);
/* The flags of `kiln check`: those that say what is built. */
bool kiln_check_flags_parse(KilnCall *call, KilnBuildFlags *f, GError **error);
/* Runs "check" and prints what it found to standard output. The exit code is 1 if there is a
 * warning or an error. */
int kiln_build_check(KilnCall *call, KilnBuildFlags *f, bool json, GError **error);
/* --call=METHOD[,format=text|json] of something else than a build: prints what it gives. *handled: whether it was
 * that. Returns the exit code. */
int kiln_build_call(KilnCall *call, KilnBuildFlags *f, bool *handled, GError **error);
/* --secret, --ssh, --network, --allow, --hostname, --emulate and limits as the request has them. */
bool kiln_build_add_sandbox(KilnRequest *r, const KilnBuildFlags *f, GError **error);
/* --cache-from and --cache-to as the request has them: lines KEY=VALUE, paths absolute. */
bool kiln_build_add_caches(KilnRequest *r, const KilnBuildFlags *f, GError **error);
/* --security-opt as the request has it. */
bool kiln_build_add_security(KilnRequest *r, const GPtrArray *options, GError **error);
/* --network, --add-host, --dns and its like. */
bool kiln_build_add_network(KilnRequest *r, const KilnBuildFlags *f, GError **error);
/* How the build is to be shown: the renderer's mode. NULL with an error. Borrowed. */
const char *kiln_build_progress(const KilnCall *call, const KilnBuildFlags *f, GError **error);
