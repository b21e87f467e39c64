#include "cli/checks.h"
#include "cli/command.h"
#include "front/idmap.h"
#include "front/mapper.h"
#include "front/root.h"
#include "front/spawn.h"
#include "host/binfmt.h"
#include "host/device.h"
#include "host/refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_program(GPtrArray *checks, const char *libexec, const char *name,
                          KilnCheckStatus status, const char *loss)
{
    g_autofree char *path = kiln_program_find(libexec, name);
    if (path) {
        kiln_checks_add(checks, name, KILN_CHECK_OK, path, NULL);
        return;
    }
    const char *variable = g_getenv("KILN_LIBEXEC");
    const char *where = libexec ? libexec : variable && *variable ? variable : NULL;
    g_autofree char *detail =
        where ? g_strdup_printf("not in %s: %s", where, loss)
              : g_strdup_printf("neither beside kiln nor where it was installed: %s", loss);
    kiln_checks_add(checks, name, status, detail,
                    "install kiln as a whole, or name the directory: --libexec DIR");
}

/* Enters the namespaces of a build, as a build does. */
/* *bare: a build does without them. */
static bool check_namespaces(GPtrArray *checks, bool *bare)
{
    static const char *const words[] = {
        [KILN_IDS_IDENTITY] = "not needed by root",
        [KILN_IDS_RANGE] = "with your subordinate ids",
        [KILN_IDS_SINGLE] = "with your own id alone",
    };
    static const char *const without[] = {
        [KILN_IDS_CHROOT] = "chroot: RUN has no /proc and no private process ids; no security boundary",
        [KILN_IDS_PROOT] = "proot: owners of files are all root in images; slow; no security boundary",
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    KilnHostProblem p = {0};
    KilnSpawn spawn = {.wire = -1, .warnings = warnings, .problem = &p};
    if (!kiln_isolation_parse(g_getenv("KILN_ISOLATION"), &spawn.isolation)) {
        kiln_checks_add(checks, "isolation", KILN_CHECK_FAIL,
                        "KILN_ISOLATION is none of " KILN_ISOLATION_NAMES, "unset KILN_ISOLATION");
        return false;
    }
    KilnIds ids = KILN_IDS_SINGLE;
    pid_t pid = kiln_spawn_builder(&spawn, &ids, &error);
    int status = 1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    for (guint i = 0; i < warnings->len; i++) {
        kiln_checks_add(checks, "id maps", KILN_CHECK_WARN, g_ptr_array_index(warnings, i), NULL);
    }
    bool good = pid > 0 && status == 0;
    *bare = good && ids > KILN_IDS_NONE;
    if (good && (!*bare || spawn.isolation != KILN_ISOLATION_AUTO)) {
        kiln_checks_add(checks, "user namespaces", KILN_CHECK_OK, *bare ? "not tried" : words[ids], NULL);
    } else if (good) {
        kiln_checks_add(checks, "user namespaces", KILN_CHECK_WARN, p.cause, p.remedy);
    } else {
        kiln_checks_add(checks, "user namespaces", KILN_CHECK_FAIL,
                        p.cause ? p.cause
                        : error ? error->message
                                : "the process in it died",
                        p.remedy);
    }
    if (good) {
        kiln_checks_add(checks, "isolation", *bare ? KILN_CHECK_WARN : KILN_CHECK_OK,
                        *bare ? without[ids] : "userns", NULL);
    }
    kiln_host_problem_clear(&p);
    return good;
}

static void check_mapper(GPtrArray *checks, const char *name, KilnIdRange range, bool groups)
{
    g_autofree char *path = g_find_program_in_path(name);
    KilnHostProblem p = kiln_mapper_problem("/proc", path, range, groups);
    g_autofree char *loss = p.cause ? g_strconcat(p.cause, ": subordinate ids cannot be used", NULL) : NULL;
    kiln_checks_add(checks, name, p.cause ? KILN_CHECK_WARN : KILN_CHECK_OK, loss ? loss : path, p.remedy);
    kiln_host_problem_clear(&p);
}

static void check_ids(GPtrArray *checks)
{
    KilnIdRange uids = {0}, gids = {0};
    g_autofree char *name = kiln_user_name();
    if (geteuid() == 0 && kiln_host_is_admin()) {
        return; /* root has all ids */
    }
    bool found = kiln_idmap_find(name, geteuid(), &uids, &gids);
    if (found) {
        g_autofree char *detail = g_strdup_printf("%u uids from %u, %u gids from %u", uids.count,
                                                  uids.start, gids.count, gids.start);
        bool few = uids.count < 65536 || gids.count < 65536;
        kiln_checks_add(checks, "subordinate ids", few ? KILN_CHECK_WARN : KILN_CHECK_OK, detail,
                        few ? "images may use ids up to 65535: give 65536 in /etc/subuid and "
                              "/etc/subgid"
                            : NULL);
    } else {
        g_autofree char *remedy =
            name ? g_strdup_printf("sudo usermod --add-subuids 100000-165535 "
                                   "--add-subgids 100000-165535 %s",
                                   name)
                 : g_strdup_printf("add \"%u:100000:65536\" to /etc/subuid and /etc/subgid",
                                   (unsigned)geteuid());
        kiln_checks_add(checks, "subordinate ids", KILN_CHECK_WARN,
                        "none: other owners than you are emulated in RUN, which takes time", remedy);
    }
    check_mapper(checks, "newuidmap", uids, false);
    check_mapper(checks, "newgidmap", gids, true);
}

/* What a build may want of the host beside its namespaces. */
static void check_devices(GPtrArray *checks, json_object *probe)
{
    static const struct {
        const char *path, *module, *use;
    } devices[] = {
        {"/dev/net/tun", "tun", "RUN can have a network of its own (with pasta)"},
        {"/dev/fuse", "fuse", "fuse-overlayfs can be used where overlay cannot"},
    };
    json_object *overlay = NULL;
    bool has_overlay = json_object_object_get_ex(probe, "overlay", &overlay) &&
                       json_object_get_int(overlay) == 0;
    for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autofree char *cause = NULL, *remedy = NULL;
        if (kiln_device_usable(devices[i].path, devices[i].module, &cause, &remedy)) {
            kiln_checks_add(checks, devices[i].path, KILN_CHECK_OK, devices[i].use, NULL);
        } else if (i == 1 && has_overlay) {
            g_autofree char *detail = g_strconcat(cause, "; not needed here", NULL);
            kiln_checks_add(checks, devices[i].path, KILN_CHECK_OK, detail, NULL);
        } else {
            kiln_checks_add(checks, devices[i].path, KILN_CHECK_WARN, cause, remedy);
        }
    }
}

static void check_credentials(GPtrArray *checks)
{
    g_autofree char *path = kiln_docker_config_path();
    g_autofree char *json = NULL;
    g_autoptr(GError) error = NULL;
    if (!path || access(path, F_OK) < 0) {
        kiln_checks_add(checks, "registry credentials", KILN_CHECK_OK,
                        "none: registries are asked anonymously", NULL);
    } else if (!g_file_get_contents(path, &json, NULL, &error)) {
        kiln_checks_add(checks, "registry credentials", KILN_CHECK_WARN, error->message,
                        "make the file readable for you, or set DOCKER_CONFIG");
    } else {
        json_object *document = json_tokener_parse(json);
        bool good = json_object_is_type(document, json_type_object);
        g_autofree char *detail = g_strconcat(path, good ? NULL : " is not a JSON object", NULL);
        kiln_checks_add(checks, "registry credentials", good ? KILN_CHECK_OK : KILN_CHECK_WARN,
                        detail, good ? NULL : "mend the file, or log in again");
        json_object_put(document);
    }
}

static void check_platforms(GPtrArray *checks)
{
    g_autofree char *handlers = kiln_binfmt_handlers("/proc");
    kiln_checks_add(checks, "other platforms", KILN_CHECK_OK,
                    handlers ? handlers
                             : "no handler (binfmt_misc): a RUN of an image for another processor fails",
                    handlers ? NULL : kiln_refusal_remedy(KILN_REFUSAL_NO_BINFMT));
}

/* The rest is found out by the builder, inside the namespaces. */
static void check_inside(GPtrArray *checks, KilnCall *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnRequest) request = kiln_request_new("probe");
    json_object *probe;
    int code = kiln_call_run(call, request, "quiet", "Probing", &probe, &error);
    check_devices(checks, probe);
    if (probe) {
        kiln_checks_add_probe(checks, probe);
        json_object_put(probe);
    } else {
        kiln_checks_add(checks, "kiln-builder starts", KILN_CHECK_FAIL,
                        error  ? error->message
                        : code ? "it reported the error above"
                               : "it gave no result",
                        NULL);
    }
}

int kiln_command_doctor(KilnCall *call, GError **error)
{
    g_autofree char *format = NULL;
    bool seccomp = false;
    const KilnFlag flags[] = {
        {0, "format", KILN_FLAG_STRING, &format, "table|json", "A table, or JSON"},
        {0, "seccomp", KILN_FLAG_SWITCH, &seccomp, NULL,
         "Show the filter of system calls of RUN instead, call by call"},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    bool json = g_strcmp0(format, "json") == 0;
    if (format && !json && strcmp(format, "table") != 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "--format %s is not supported; there are table and json", format);
        return 0;
    }
    if (seccomp) {
        g_autofree char *shown = kiln_seccomp_shown(json);
        puts(g_strchomp(shown));
        return 0;
    }
    struct utsname host;
    uname(&host);
    g_autoptr(GPtrArray) checks = kiln_checks_new();
    g_autofree char *builder = NULL;
    const char *libexec =
        kiln_setting_choose(call->libexec, "KILN_LIBEXEC", call->settings.libexec);
    kiln_checks_add_kernel(checks, host.release);
    check_program(checks, libexec, "kiln-builder", KILN_CHECK_FAIL, "nothing can be built");
    check_program(checks, libexec, "kiln-remote", KILN_CHECK_WARN,
                  "no image can be fetched from a registry");
    bool bare = false, enters = check_namespaces(checks, &bare);
    if (!bare) {
        check_ids(checks);
    }
    builder = kiln_program_find(libexec, "kiln-builder");
    if (builder && enters) {
        check_inside(checks, call);
    }
    check_platforms(checks);
    check_credentials(checks);
    g_autofree char *text = json ? kiln_checks_json(checks) : kiln_checks_text(checks);
    puts(g_strchomp(text));
    return kiln_checks_failed(checks) ? KILN_ERROR_HOST : 0;
}
