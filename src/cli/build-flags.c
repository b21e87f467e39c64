#include "cli/build.h"

void kiln_build_flags_init(KilnBuildFlags *f)
{
    *f = (KilnBuildFlags){
        .operation = "build",
        .tags = g_ptr_array_new_with_free_func(g_free),
        .build_args = g_ptr_array_new_with_free_func(g_free),
        .labels = g_ptr_array_new_with_free_func(g_free),
        .build_contexts = g_ptr_array_new_with_free_func(g_free),
        .secrets = g_ptr_array_new_with_free_func(g_free),
        .ssh = g_ptr_array_new_with_free_func(g_free),
        .cache_from = g_ptr_array_new_with_free_func(g_free),
        .cache_to = g_ptr_array_new_with_free_func(g_free),
        .allow = g_ptr_array_new_with_free_func(g_free),
        .no_cache_filter = g_ptr_array_new_with_free_func(g_free),
        .security_opts = g_ptr_array_new_with_free_func(g_free),
        .hosts = g_ptr_array_new_with_free_func(g_free),
        .dns = g_ptr_array_new_with_free_func(g_free),
        .dns_search = g_ptr_array_new_with_free_func(g_free),
        .dns_options = g_ptr_array_new_with_free_func(g_free),
    };
    kiln_limit_flags_init(&f->limits);
}

void kiln_build_flags_clear(KilnBuildFlags *f)
{
    g_ptr_array_unref(f->tags);
    g_ptr_array_unref(f->build_args);
    g_ptr_array_unref(f->labels);
    g_ptr_array_unref(f->build_contexts);
    g_ptr_array_unref(f->secrets);
    g_ptr_array_unref(f->ssh);
    g_ptr_array_unref(f->cache_from);
    g_ptr_array_unref(f->cache_to);
    g_ptr_array_unref(f->allow);
    g_ptr_array_unref(f->no_cache_filter);
    g_ptr_array_unref(f->security_opts);
    kiln_limit_flags_clear(&f->limits);
    g_ptr_array_unref(f->hosts);
    g_ptr_array_unref(f->dns);
    g_ptr_array_unref(f->dns_search);
    g_ptr_array_unref(f->dns_options);
    kiln_unpack_limits_clear(&f->unpack);
    char *strings[] = {f->file,    f->target,        f->pull,     f->output,  f->jobs,
                       f->iidfile, f->metadata_file, f->progress, f->platform,
                       f->call,    f->network,       f->format,   f->hostname,
                       f->on_error, f->emulate,      f->snapshotter,
                       f->isolation, f->keep_builds, f->keep_storage};
    for (guint i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_free(strings[i]);
    }
}

/* Of `docker build` and `docker buildx build`: what is done elsewhere, by nobody, or later. */
static const KilnFlag docker_flags[] = {
    {0, "load", KILN_FLAG_IGNORED_SWITCH},
    {0, "rm", KILN_FLAG_IGNORED_SWITCH},
    {0, "force-rm", KILN_FLAG_IGNORED_SWITCH},
    {0, "compress", KILN_FLAG_IGNORED_SWITCH},
    {0, "disable-content-trust", KILN_FLAG_IGNORED_SWITCH},
    {0, "builder", KILN_FLAG_IGNORED},
    {0, "provenance", KILN_FLAG_ONLY, NULL, "false|0"},
    {0, "sbom", KILN_FLAG_ONLY, NULL, "false|0"},
    {0, "annotation", KILN_FLAG_UNSUPPORTED},
    {0, "attest", KILN_FLAG_UNSUPPORTED},
    {0, "policy", KILN_FLAG_UNSUPPORTED},
    {0, "push", KILN_FLAG_UNSUPPORTED},
    {0, "squash", KILN_FLAG_UNSUPPORTED},
    {0, "stream", KILN_FLAG_UNSUPPORTED},
};

bool kiln_build_flags_parse(KilnCall *call, KilnBuildFlags *f, const KilnFlag *more, guint n_more,
                            GError **error)
{
    const KilnFlag own[] = {
        {'f', "file", KILN_FLAG_STRING, &f->file, "FILE|URL|-",
         "Dockerfile (default: PATH/Dockerfile)"},
        {'t', "tag", KILN_FLAG_LIST, &f->tags, "NAME[:TAG]", "Name the image; may be repeated"},
        {'o', "output", KILN_FLAG_STRING, &f->output, "OUTPUT",
         "Write an archive: type=oci|docker,dest=FILE"},
        {0, "target", KILN_FLAG_STRING, &f->target, "STAGE", "Build this stage, not the last one"},
        {0, "call", KILN_FLAG_STRING, &f->call, "METHOD[,format=FORMAT]",
         "check, outline or targets: build nothing, show what there is; text or json"},
        {0, "check", KILN_FLAG_SWITCH, &f->check, NULL, "The same as --call=check"},
        {0, "build-arg", KILN_FLAG_LIST, &f->build_args, "NAME[=VALUE]",
         "Set an ARG; may be repeated"},
        {0, "build-context", KILN_FLAG_LIST, &f->build_contexts, "NAME=PLACE",
         "Name a directory, tar, URL or image for FROM and --from"},
        {0, "label", KILN_FLAG_LIST, &f->labels, "NAME=VALUE", "Label the image; may be repeated"},
        {0, "secret", KILN_FLAG_LIST, &f->secrets, "id=ID[,src=FILE|,env=NAME]",
         "Give RUN --mount=type=secret a secret"},
        {0, "ssh", KILN_FLAG_LIST, &f->ssh, "ID[=SOCKET|KEY]",
         "Give RUN --mount=type=ssh and git by ssh an agent or keys"},
        {0, "network", KILN_FLAG_STRING, &f->network, "NETWORK",
         "Network of RUN: default, private, host or none"},
        {0, "add-host", KILN_FLAG_LIST, &f->hosts, "NAME:IP",
         "Add a line to /etc/hosts of RUN; may be repeated"},
        {0, "dns", KILN_FLAG_LIST, &f->dns, "IP", "Name servers of RUN, in place of this host's"},
        {0, "dns-search", KILN_FLAG_LIST, &f->dns_search, "DOMAIN", "Search domains of RUN"},
        {0, "dns-option", KILN_FLAG_LIST, &f->dns_options, "OPTION", "Resolver options of RUN"},
        {0, "allow", KILN_FLAG_LIST, &f->allow, "ENTITLEMENT",
         "Allow RUN network.host or security.insecure"},
        {0, "security-opt", KILN_FLAG_LIST, &f->security_opts, "OPTION",
         "seccomp=FILE|unconfined|builtin, no-new-privileges"},
        {0, "hostname", KILN_FLAG_STRING, &f->hostname, "NAME", "Name of the host that RUN sees"},
        {0, "on-error", KILN_FLAG_STRING, &f->on_error, "shell|fail",
         "shell: open one in the sandbox of a RUN that fails"},
        {'D', "debug", KILN_FLAG_SWITCH, &f->debug, NULL, "The same as --on-error=shell"},
        {0, "emulate", KILN_FLAG_STRING, &f->emulate, "off|owners|full",
         "What RUNs are made to believe of owners and devices"},
        {0, "isolation", KILN_FLAG_STRING, &f->isolation, "auto|userns|chroot|proot",
         "What stands between RUN and this host"},
        {0, "snapshotter", KILN_FLAG_STRING, &f->snapshotter, "auto|overlay|fuse-overlayfs|copy",
         "How the rootfs of RUN is made"},
        {0, "keep-builds", KILN_FLAG_STRING, &f->keep_builds, "N",
         "How many builds \"kiln history\" knows of (default: 200)"},
        {0, "no-cache", KILN_FLAG_SWITCH, &f->no_cache, NULL, "Run every step"},
        {0, "cache-from", KILN_FLAG_LIST, &f->cache_from, "CACHE",
         "Use a cache that --cache-to wrote: type=local,src=DIR, or an image"},
        {0, "cache-to", KILN_FLAG_LIST, &f->cache_to, "CACHE",
         "Write the cache: type=local,dest=DIR[,mode=max][,mounts=all], type=inline"},
        {0, "no-cache-filter", KILN_FLAG_LIST, &f->no_cache_filter, "STAGE",
         "Run every step of these stages"},
        {0, "pull", KILN_FLAG_OPTIONAL, &f->pull, "always|missing|never",
         "When to fetch bases from their registries"},
        {0, "platform", KILN_FLAG_STRING, &f->platform, "OS/ARCH", "Platform of the image"},
        {0, "keep-storage", KILN_FLAG_STRING, &f->keep_storage, "SIZE|unlimited",
         "How much of the cache stays when the build has ended"},
        {0, "jobs", KILN_FLAG_STRING, &f->jobs, "N", "Steps that run at once"},
        {0, "progress", KILN_FLAG_STRING, &f->progress, "MODE",
         "auto, tty, plain, quiet or rawjson"},
        {'q', "quiet", KILN_FLAG_SWITCH, &f->quiet, NULL, "Print the image ID alone"},
        {0, "iidfile", KILN_FLAG_STRING, &f->iidfile, "FILE", "Write the image ID to a file"},
        {0, "metadata-file", KILN_FLAG_STRING, &f->metadata_file, "FILE",
         "Write digests and names as JSON to a file"},
    };
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(KilnFlag));
    g_array_append_vals(all, more, n_more);
    g_array_append_vals(all, own, G_N_ELEMENTS(own));
    kiln_limit_flags_append(&f->limits, all);
    KilnFlag unpack[KILN_N_UNPACK_FLAGS];
    kiln_unpack_flags(&f->unpack, unpack);
    g_array_append_vals(all, unpack, KILN_N_UNPACK_FLAGS);
    g_array_append_vals(all, docker_flags, G_N_ELEMENTS(docker_flags));
    return kiln_call_parse(call, (const KilnFlag *)(void *)all->data, all->len, error);
}

bool kiln_check_flags_parse(KilnCall *call, KilnBuildFlags *f, GError **error)
{
    const KilnFlag flags[] = {
        {'f', "file", KILN_FLAG_STRING, &f->file, "FILE", "Dockerfile (default: PATH/Dockerfile)"},
        {0, "format", KILN_FLAG_STRING, &f->format, "text|json", "How to print what was found"},
        {0, "target", KILN_FLAG_STRING, &f->target, "STAGE", "Check only what this stage needs"},
        {0, "build-arg", KILN_FLAG_LIST, &f->build_args, "NAME[=VALUE]",
         "Set an ARG; may be repeated"},
        {0, "build-context", KILN_FLAG_LIST, &f->build_contexts, "NAME=SOURCE",
         "Give FROM and COPY --from another source"},
        {0, "platform", KILN_FLAG_STRING, &f->platform, "OS/ARCH", "Platform of the image"},
    };
    return kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error);
}
