#include "seccomp/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The most that seccomp(2) hands to a program. */
#define ERRNO_MAX 4095

static bool invalid(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool invalid(GError **error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error_literal(error, KILN_SECCOMP_ERROR, KILN_SECCOMP_ERROR_PROFILE, text);
    return false;
}

static bool refused_action(const char *where, const char *name, GError **error)
{
    static const struct {
        const char *name, *why;
    } refused[] = {
        {"SCMP_ACT_NOTIFY", "there is no agent that would answer for the call"},
        {"SCMP_ACT_TRACE", "there is no tracer that would decide about the call"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++)
        if (strcmp(name, refused[i].name) == 0)
            return invalid(error, "%s: %s cannot be used in a build: %s", where, name,
                           refused[i].why);
    return invalid(error, "%s: unknown action \"%s\"", where, name);
}

bool kiln_seccomp_action(const char *where, const char *name, json_object *errno_ret,
                         uint32_t *action, GError **error)
{
    static const struct {
        const char *name;
        uint32_t action;
    } actions[] = {
        {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
        {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
        {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
        {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
        {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    };
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (strcmp(name, actions[i].name) != 0)
            continue;
        *action = actions[i].action;
        if (*action != SCMP_ACT_ERRNO(0))
            return true;
        gint64 number = errno_ret ? json_object_get_int64(errno_ret) : EPERM;
        if ((errno_ret && !json_object_is_type(errno_ret, json_type_int)) || number < 0 ||
            number > ERRNO_MAX)
            return invalid(error, "%s: the errno must be a number from 0 to %d", where, ERRNO_MAX);
        *action = SCMP_ACT_ERRNO((uint32_t)number);
        return true;
    }
    return refused_action(where, name, error);
}

/* --- Conditions
 * ------------------------------------------------------------------------------------------ */

static bool has_string(json_object *list, const char *text)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (g_strcmp0(json_object_get_string(json_object_array_get_idx(list, i)), text) == 0)
            return true;
    return false;
}

/* The architecture as profiles name it in conditions. */
static const char *condition_arch(const KilnSeccompHost *host)
{
    static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(host->arch, names[i][0]) == 0)
            return names[i][1];
    return host->arch;
}

/* What a command has: Docker's default capabilities, as runtime/caps.c. */
static bool has_capability(const char *name)
{
    static const char *const capabilities[] = {
        "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",     "CAP_FSETID",
        "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",    "CAP_SETFCAP",
        "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT", NULL};
    return name && g_strv_contains(capabilities, name);
}

typedef struct {
    json_object *arches, *caps;
    bool has_kernel, kernel_reached;
} Conditions;

static bool read_list(const char *where, json_object *o, const char *key, json_object **list,
                      GError **error)
{
    *list = NULL;
    if (!json_object_object_get_ex(o, key, list) || !*list)
        return true;
    if (!json_object_is_type(*list, json_type_array))
        return invalid(error, "%s: \"%s\" is not a list", where, key);
    if (json_object_array_length(*list) == 0)
        *list = NULL;
    return true;
}

static bool read_conditions(const char *where, json_object *entry, const char *key,
                            const KilnSeccompHost *host, Conditions *out, GError **error)
{
    json_object *o = NULL, *kernel = NULL;
    *out = (Conditions){0};
    if (!json_object_object_get_ex(entry, key, &o) || !o)
        return true;
    if (!json_object_is_type(o, json_type_object))
        return invalid(error, "%s: \"%s\" is not an object", where, key);
    if (!read_list(where, o, "arches", &out->arches, error) ||
        !read_list(where, o, "caps", &out->caps, error))
        return false;
    if (json_object_object_get_ex(o, "minKernel", &kernel) && kernel) {
        unsigned major, minor;
        if (sscanf(json_object_get_string(kernel), "%u.%u", &major, &minor) != 2)
            return invalid(error, "%s: minKernel \"%s\" is not a version as 5.12", where,
                           json_object_get_string(kernel));
        out->has_kernel = true;
        out->kernel_reached = host->kernel_major > major ||
                              (host->kernel_major == major && host->kernel_minor >= minor);
    }
    return true;
}

/* How many of the capabilities that are named a command has. */
static size_t count_capabilities(json_object *caps)
{
    size_t n = 0;
    for (size_t i = 0; caps && i < json_object_array_length(caps); i++)
        n += has_capability(json_object_get_string(json_object_array_get_idx(caps, i)));
    return n;
}

/* As moby/profiles (seccomp_linux.go): one thing that is excluded is enough, all that is included
 * is needed. */
static bool read_applies(const char *where, json_object *entry, const KilnSeccompHost *host,
                         bool *applies, GError **error)
{
    const char *arch = condition_arch(host);
    Conditions without, with;
    if (!read_conditions(where, entry, "excludes", host, &without, error) ||
        !read_conditions(where, entry, "includes", host, &with, error))
        return false;
    bool excluded = (without.arches && has_string(without.arches, arch)) ||
                    count_capabilities(without.caps) > 0 ||
                    (without.has_kernel && without.kernel_reached);
    bool included =
        (!with.arches || has_string(with.arches, arch)) &&
        (!with.caps || count_capabilities(with.caps) == json_object_array_length(with.caps)) &&
        (!with.has_kernel || with.kernel_reached);
    *applies = included && !excluded;
    return true;
}

/* --- Arguments
 * ------------------------------------------------------------------------------------------- */

static bool read_operator(const char *where, json_object *arg, enum scmp_compare *out,
                          GError **error)
{
    static const struct {
        const char *name;
        enum scmp_compare op;
    } operators[] = {
        {"SCMP_CMP_NE", SCMP_CMP_NE},
        {"SCMP_CMP_LT", SCMP_CMP_LT},
        {"SCMP_CMP_LE", SCMP_CMP_LE},
        {"SCMP_CMP_EQ", SCMP_CMP_EQ},
        {"SCMP_CMP_GE", SCMP_CMP_GE},
        {"SCMP_CMP_GT", SCMP_CMP_GT},
        {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    };
    json_object *name = NULL;
    json_object_object_get_ex(arg, "op", &name);
    const char *text = name ? json_object_get_string(name) : "";
    for (guint i = 0; i < G_N_ELEMENTS(operators); i++) {
        if (strcmp(text, operators[i].name) == 0) {
            *out = operators[i].op;
            return true;
        }
    }
    return invalid(error, "%s: unknown comparison \"%s\"", where, text);
}

static bool read_number(const char *where, json_object *arg, const char *key, uint64_t *out,
                        GError **error)
{
    json_object *value = NULL;
    *out = 0;
    if (!json_object_object_get_ex(arg, key, &value) || !value)
        return true;
    if (!json_object_is_type(value, json_type_int) ||
        (json_object_get_int64(value) < 0 && json_object_get_uint64(value) == 0))
        return invalid(error, "%s: \"%s\" is not a number from 0 on", where, key);
    *out = json_object_get_uint64(value);
    return true;
}

static bool read_arg(const char *where, json_object *arg, struct scmp_arg_cmp *out, GError **error)
{
    uint64_t index, value, second;
    enum scmp_compare op = SCMP_CMP_EQ;
    if (!json_object_is_type(arg, json_type_object))
        return invalid(error, "%s: an argument is not an object", where);
    if (!read_number(where, arg, "index", &index, error) ||
        !read_number(where, arg, "value", &value, error) ||
        !read_number(where, arg, "valueTwo", &second, error) ||
        !read_operator(where, arg, &op, error))
        return false;
    if (index > 5)
        return invalid(error, "%s: argument %" G_GUINT64_FORMAT ": a call has six, from 0 to 5",
                       where, index);
    /* With MASKED_EQ the first value is the mask and the second what it must leave, as in
     * libseccomp. */
    *out = (struct scmp_arg_cmp){
        .arg = (unsigned)index, .op = op, .datum_a = value, .datum_b = second};
    return true;
}

static bool read_args(const char *where, json_object *entry, KilnSeccompRule *rule, GError **error)
{
    json_object *list;
    if (!read_list(where, entry, "args", &list, error))
        return false;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (rule->n_args == G_N_ELEMENTS(rule->args))
            return invalid(error, "%s: more than six arguments", where);
        if (!read_arg(where, json_object_array_get_idx(list, i), &rule->args[rule->n_args], error))
            return false;
        for (guint k = 0; k < rule->n_args; k++)
            rule->separate = rule->separate || rule->args[k].arg == rule->args[rule->n_args].arg;
        rule->n_args++;
    }
    return true;
}

static bool read_names(const char *where, json_object *entry, KilnSeccompRule *rule, GError **error)
{
    json_object *name = NULL;
    if (!read_list(where, entry, "names", &rule->names, error))
        return false;
    for (size_t i = 0; rule->names && i < json_object_array_length(rule->names); i++)
        if (!json_object_is_type(json_object_array_get_idx(rule->names, i), json_type_string))
            return invalid(error, "%s: a name is not a string", where);
    if (json_object_object_get_ex(entry, "name", &name) && name)
        rule->name = json_object_get_string(name);
    if (rule->name && rule->names)
        return invalid(error, "%s has both \"name\" and \"names\"", where);
    return rule->name || rule->names || invalid(error, "%s names no system call", where);
}

bool kiln_seccomp_rule_read(json_object *entry, guint index, const KilnSeccompHost *host,
                            KilnSeccompRule *rule, GError **error)
{
    g_autofree char *where = g_strdup_printf("syscalls[%u]", index);
    json_object *action = NULL, *errno_ret = NULL;
    *rule = (KilnSeccompRule){0};
    if (!json_object_is_type(entry, json_type_object))
        return invalid(error, "%s is not an object", where);
    if (!json_object_object_get_ex(entry, "action", &action) ||
        !json_object_is_type(action, json_type_string))
        return invalid(error, "%s has no \"action\"", where);
    json_object_object_get_ex(entry, "errnoRet", &errno_ret);
    return read_names(where, entry, rule, error) &&
           kiln_seccomp_action(where, json_object_get_string(action), errno_ret, &rule->action,
                               error) &&
           read_args(where, entry, rule, error) &&
           read_applies(where, entry, host, &rule->applies, error);
}
