#include "seccomp/profile.h"

#include "runtime/calls.h"
#include "seccomp/rule.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

G_DEFINE_QUARK(kiln - seccomp - error - quark, kiln_seccomp_error)

/* From here on numbers are not those of new calls: ARM's own, and above them x32's. */
#define FIRST_SPECIAL_NUMBER 0x0f0000u
/* From this number on a call has the same one everywhere. */
#define FIRST_COMMON_NUMBER 424
/* Names in one profile that libseccomp does not know, each two instructions within a jump's reach.
 */
#define NEW_MAX 60

typedef struct {
    uint32_t number, action;
} NewCall;

typedef struct {
    const KilnSeccompHost *host;
    scmp_filter_ctx filter;
    uint32_t otherwise; /* the action for calls that no rule names */
    GArray *arches;     /* uint32_t: SCMP_ARCH_* */
    GArray *new_calls;  /* NewCall: those that libseccomp does not know */
    GPtrArray *names;   /* borrowed: all calls of the profile */
    GString *unknown;
} Compiler;

static bool invalid(GError **error, const char *text)
{
    g_set_error_literal(error, KILN_SECCOMP_ERROR, KILN_SECCOMP_ERROR_PROFILE, text);
    return false;
}

static bool library_failed(const char *what, int rc, GError **error)
{
    g_set_error(error, KILN_SECCOMP_ERROR, KILN_SECCOMP_ERROR_LIBRARY, "%s: %s", what,
                g_strerror(-rc));
    return false;
}

KilnSeccompHost kiln_seccomp_host(void)
{
    KilnSeccompHost host = {0};
    struct utsname uts;
    uname(&uts);
    if (sscanf(uts.release, "%u.%u", &host.kernel_major, &host.kernel_minor) != 2)
        host.kernel_major = 5;
    return host;
}

/* --- Architectures
 * --------------------------------------------------------------------------------------- */

/* "SCMP_ARCH_X86_64" → libseccomp's token; 0 if there is none. */
static uint32_t arch_token(const char *name)
{
    if (!name || !g_str_has_prefix(name, "SCMP_ARCH_"))
        return 0;
    g_autofree char *lower = g_ascii_strdown(name + strlen("SCMP_ARCH_"), -1);
    return strcmp(lower, "native") == 0 ? seccomp_arch_native() : seccomp_arch_resolve_name(lower);
}

static bool add_arch(Compiler *c, const char *name, GError **error)
{
    uint32_t token = arch_token(name);
    if (!token) {
        g_autofree char *text = g_strdup_printf("unknown architecture \"%s\"", name ? name : "");
        return invalid(error, text);
    }
    for (guint i = 0; i < c->arches->len; i++)
        if (g_array_index(c->arches, uint32_t, i) == token)
            return true;
    int rc = seccomp_arch_add(c->filter, token);
    if (rc < 0 && rc != -EEXIST)
        return library_failed(name, rc, error);
    g_array_append_val(c->arches, token);
    return true;
}

static bool add_arches(Compiler *c, json_object *list, GError **error)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        if (!add_arch(c, json_object_get_string(json_object_array_get_idx(list, i)), error))
            return false;
    return true;
}

/* The entry of "archMap" for this architecture. */
static bool add_mapped(Compiler *c, json_object *map, GError **error)
{
    uint32_t own = g_array_index(c->arches, uint32_t, 0);
    for (size_t i = 0; i < json_object_array_length(map); i++) {
        json_object *entry = json_object_array_get_idx(map, i), *name = NULL, *others = NULL;
        if (!json_object_is_type(entry, json_type_object) ||
            !json_object_object_get_ex(entry, "architecture", &name))
            return invalid(error, "an entry of \"archMap\" has no \"architecture\"");
        if (arch_token(json_object_get_string(name)) != own)
            continue;
        json_object_object_get_ex(entry, "subArchitectures", &others);
        if (others && !json_object_is_type(others, json_type_array))
            return invalid(error, "\"subArchitectures\" is not a list");
        return add_arches(c, others, error);
    }
    return true;
}

/* This one always, first; then what the profile wants beside it. */
static bool choose_arches(Compiler *c, json_object *profile, GError **error)
{
    json_object *list = NULL, *map = NULL;
    uint32_t own = c->host->arch ? seccomp_arch_resolve_name(c->host->arch) : seccomp_arch_native();
    if (own != seccomp_arch_native() &&
        (seccomp_arch_remove(c->filter, seccomp_arch_native()) < 0 ||
         seccomp_arch_add(c->filter, own) < 0))
        return library_failed("architecture", -EINVAL, error);
    g_array_append_val(c->arches, own);
    json_object_object_get_ex(profile, "architectures", &list);
    json_object_object_get_ex(profile, "archMap", &map);
    if ((list && !json_object_is_type(list, json_type_array)) ||
        (map && !json_object_is_type(map, json_type_array)))
        return invalid(error, "\"architectures\" and \"archMap\" must be lists");
    if (list && map && json_object_array_length(list) > 0 && json_object_array_length(map) > 0)
        return invalid(error, "there are both \"architectures\" and \"archMap\"");
    return add_arches(c, list, error) && (!map || add_mapped(c, map, error));
}

/* --- Rules
 * -----------------------------------------------------------------------------------------------
 */

static bool add_new_call(Compiler *c, const KilnSeccompRule *rule, const char *name, GError **error)
{
    int number = kilnrun_new_call(name);
    if (number < 0) {
        g_string_append_printf(c->unknown, "%s%s", c->unknown->len > 0 ? ", " : "", name);
        return true;
    }
    if (rule->n_args > 0 || c->new_calls->len == NEW_MAX) {
        g_autofree char *text =
            g_strdup_printf("%s: this kiln's libseccomp is too old to look at its arguments", name);
        return invalid(error, text);
    }
    NewCall call = {.number = (uint32_t)number, .action = rule->action};
    g_array_append_val(c->new_calls, call);
    return true;
}

static bool add_call(Compiler *c, const KilnSeccompRule *rule, const char *name, GError **error)
{
    int number = seccomp_syscall_resolve_name(name), rc = 0;
    if (number == __NR_SCMP_ERROR)
        return add_new_call(c, rule, name, error);
    g_ptr_array_add(c->names, (char *)name);
    if (!rule->separate)
        rc = seccomp_rule_add_array(c->filter, rule->action, number, rule->n_args, rule->args);
    for (guint i = 0; rule->separate && rc == 0 && i < rule->n_args; i++)
        rc = seccomp_rule_add_array(c->filter, rule->action, number, 1, &rule->args[i]);
    /* EDOM: a call that none of the architectures has (seccomp_rule_add(3)) */
    return rc == 0 || rc == -EDOM || library_failed(name, rc, error);
}

/* libseccomp refuses rules that say what holds without them. */
static bool add_rule(Compiler *c, const KilnSeccompRule *rule, GError **error)
{
    size_t n = rule->names ? json_object_array_length(rule->names) : 1;
    for (size_t i = 0; rule->applies && i < n; i++) {
        const char *name = rule->names
                               ? json_object_get_string(json_object_array_get_idx(rule->names, i))
                               : rule->name;
        if (rule->action == c->otherwise)
            g_ptr_array_add(c->names, (char *)name); /* the profile knows of it */
        else if (!add_call(c, rule, name, error))
            return false;
    }
    return true;
}

static bool add_rules(Compiler *c, json_object *profile, GError **error)
{
    json_object *list = NULL;
    if (!json_object_object_get_ex(profile, "syscalls", &list) || !list)
        return true;
    if (!json_object_is_type(list, json_type_array))
        return invalid(error, "\"syscalls\" is not a list");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        KilnSeccompRule rule;
        if (!kiln_seccomp_rule_read(json_object_array_get_idx(list, i), (guint)i, c->host, &rule,
                                    error) ||
            !add_rule(c, &rule, error))
            return false;
    }
    return true;
}

/* --- The program
 * ----------------------------------------------------------------------------------------- */

static uint32_t audit_arch(uint32_t token)
{
    return token == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64
                                  : token; /* the others are what the kernel says */
}

/* The highest number that a call of the profile has on an architecture. */
static uint32_t newest_number(const Compiler *c, uint32_t arch)
{
    uint32_t newest = 0;
    for (guint i = 0; i < c->names->len; i++) {
        int number = seccomp_syscall_resolve_name_arch(arch, c->names->pdata[i]);
        if (number > 0 && (uint32_t)number < FIRST_SPECIAL_NUMBER)
            newest = MAX(newest, (uint32_t)number);
    }
    for (guint i = 0; i < c->new_calls->len; i++)
        newest = MAX(newest, g_array_index(c->new_calls, NewCall, i).number);
    return newest;
}

#define STATEMENT(...) append(out, (struct sock_filter)BPF_STMT(__VA_ARGS__))
#define JUMP(...) append(out, (struct sock_filter)BPF_JUMP(__VA_ARGS__))

static void append(GArray *out, struct sock_filter statement)
{
    g_array_append_val(out, statement);
}

/* For one architecture: what libseccomp does not know. All else goes on to the next block, so the
 * architecture is loaded anew there. */
static void add_block(const Compiler *c, uint32_t arch, GArray *out)
{
    const bool own = arch == g_array_index(c->arches, uint32_t, 0);
    const bool refuses = c->otherwise != SCMP_ACT_ALLOW && c->otherwise != SCMP_ACT_LOG;
    const uint32_t newest = newest_number(c, arch);
    guint start;
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    start = out->len;
    JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 0);
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (guint i = 0; i < c->new_calls->len; i++) {
        const NewCall *call = &g_array_index(c->new_calls, NewCall, i);
        if (call->number < FIRST_COMMON_NUMBER && !own)
            continue;
        JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 1);
        STATEMENT(BPF_RET | BPF_K, call->action);
    }
    if (refuses && newest > 0) { /* as runc: a C library falls back as on an old kernel */
        JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_SPECIAL_NUMBER, 2, 0);
        JUMP(BPF_JMP | BPF_JGT | BPF_K, newest, 0, 1);
        STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    }
    g_array_index(out, struct sock_filter, start).jf = (uint8_t)(out->len - start - 1);
}

static GArray *make_prologue(const Compiler *c)
{
    GArray *out = g_array_new(FALSE, FALSE, sizeof(struct sock_filter));
    for (guint i = 0; i < c->arches->len; i++) {
        uint32_t arch = g_array_index(c->arches, uint32_t, i);
        if (audit_arch(arch) == arch) /* x32 is a part of x86-64's block */
            add_block(c, arch, out);
    }
    return out;
}

static GBytes *export_program(Compiler *c, GError **error)
{
    g_autoptr(GArray) program = make_prologue(c);
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : seccomp_export_bpf(c->filter, fd);
    off_t size = rc < 0 ? 0 : lseek(fd, 0, SEEK_END);
    guint own = program->len, n = (guint)((gsize)size / sizeof(struct sock_filter));
    if (rc == 0 && own + n <= BPF_MAXINSNS) {
        g_array_set_size(program, own + n);
        if (pread(fd, &g_array_index(program, struct sock_filter, own), (size_t)size, 0) != size)
            rc = -EIO;
    }
    if (fd >= 0)
        close(fd);
    if (rc == 0 && own + n > BPF_MAXINSNS)
        invalid(error, "the profile is too large: the kernel takes 4096 instructions");
    else if (rc < 0)
        library_failed("exporting the filter", rc, error);
    else
        return g_bytes_new(program->data, program->len * sizeof(struct sock_filter));
    return NULL;
}

/* --- The document
 * ---------------------------------------------------------------------------------------- */

static json_object *parse(const char *json, GError **error)
{
    json_tokener *tokener = json_tokener_new();
    size_t size = strlen(json);
    json_object *document = json_tokener_parse_ex(tokener, json, (int)size + 1);
    enum json_tokener_error code = json_tokener_get_error(tokener);
    size_t end = MIN(json_tokener_get_parse_end(tokener), size);
    guint line = 1;
    for (size_t i = 0; i < end; i++)
        line += json[i] == '\n';
    if (code != json_tokener_success)
        g_set_error(error, KILN_SECCOMP_ERROR, KILN_SECCOMP_ERROR_PROFILE, "line %u: %s", line,
                    json_tokener_error_desc(code));
    else if (!json_object_is_type(document, json_type_object))
        invalid(error, "it is not a JSON object");
    json_tokener_free(tokener);
    if (!json_object_is_type(document, json_type_object))
        g_clear_pointer(&document, json_object_put);
    return document;
}

static bool compile(Compiler *c, json_object *profile, GError **error)
{
    json_object *action = NULL, *errno_ret = NULL;
    if (!json_object_object_get_ex(profile, "defaultAction", &action) ||
        !json_object_is_type(action, json_type_string))
        return invalid(error, "it has no \"defaultAction\"");
    json_object_object_get_ex(profile, "defaultErrnoRet", &errno_ret);
    if (!kiln_seccomp_action("defaultAction", json_object_get_string(action), errno_ret,
                             &c->otherwise, error))
        return false;
    c->filter = seccomp_init(c->otherwise);
    if (!c->filter)
        return library_failed("seccomp_init", -ENOMEM, error);
    /* As the default filter: a binary search, and no call by an architecture that nobody has named.
     */
    seccomp_attr_set(c->filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    seccomp_attr_set(c->filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    return choose_arches(c, profile, error) && add_rules(c, profile, error);
}

GBytes *kiln_seccomp_compile(const char *json, const KilnSeccompHost *host, char **unknown,
                             GError **error)
{
    KilnSeccompHost named = *host;
    named.arch = host->arch ? host->arch : kilnrun_native_arch();
    Compiler c = {.host = &named,
                  .arches = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
                  .new_calls = g_array_new(FALSE, FALSE, sizeof(NewCall)),
                  .names = g_ptr_array_new(),
                  .unknown = g_string_new(NULL)};
    json_object *profile = parse(json, error);
    GBytes *program = profile && compile(&c, profile, error) ? export_program(&c, error) : NULL;
    bool any = program && c.unknown->len > 0;
    g_autofree char *list = g_string_free(c.unknown, FALSE);
    if (unknown)
        *unknown = any ? g_steal_pointer(&list) : NULL;
    if (c.filter)
        seccomp_release(c.filter);
    g_array_unref(c.arches);
    g_array_unref(c.new_calls);
    g_ptr_array_unref(c.names);
    json_object_put(profile);
    return program;
}
