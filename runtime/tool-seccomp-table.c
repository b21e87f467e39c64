/* The profile as a table for people and for `kiln doctor --seccomp`: each call of the
 * architectures, what is done with it, and why. Written as a C array for calls.c. */
#include "tool-seccomp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct call {
    char *name;
    char architectures[64];
    const char *verdict;
    char condition[256], why[256];
};

struct table {
    struct call *calls;
    size_t n;
};

static struct call *find_call(struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->calls[i].name, name) == 0)
            return &t->calls[i];
    return NULL;
}

static void append(char *text, size_t room, const char *separator, const char *more)
{
    size_t used = strlen(text);

    snprintf(text + used, room - used, "%s%s", used ? separator : "", more);
}

static void add_call(struct table *t, const char *name, const char *architecture)
{
    struct call *call = find_call(t, name);
    size_t used;

    if (!call) {
        t->calls = realloc(t->calls, (t->n + 1) * sizeof *t->calls);
        call = &t->calls[t->n++];
        *call = (struct call){.name = strdup(name), .verdict = "EPERM"};
    }
    used = strlen(call->architectures);
    /* libseccomp knows x32's calls with their bit and without */
    if (used < strlen(architecture) ||
        strcmp(call->architectures + used - strlen(architecture), architecture) != 0)
        append(call->architectures, sizeof call->architectures, " ", architecture);
}

/* All calls of one architecture that libseccomp knows; numbers are looked through, as it has no
 * list. */
static void add_calls_of(struct table *t, const char *architecture)
{
    static const unsigned first[] = {0, FIRST_SPECIAL_NUMBER, X32_BIT};
    uint32_t token = seccomp_arch_resolve_name(architecture);

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        for (unsigned n = first[i]; n < first[i] + 1024; n++) {
            char *name = seccomp_syscall_resolve_num_arch(token, (int)n);
            if (name)
                add_call(t, name, architecture);
            free(name);
        }
}

static void set_verdict(struct table *t, const char *name, const char *verdict)
{
    struct call *call = find_call(t, name);

    if (call) { /* otherwise none of these architectures has it */
        call->verdict = verdict;
        call->condition[0] = 0;
        call->why[0] = 0;
    }
}

static void set_all(struct table *t, struct json_object *names)
{
    for (size_t i = 0; i < json_object_array_length(names); i++)
        set_verdict(t, json_object_get_string(json_object_array_get_idx(names, i)), "ALLOWED");
}

/* "a0 < 38": the condition of a rule. */
static void condition_text(const struct compiler *c, struct json_object *rule, char *text,
                           size_t room)
{
    static const char *const comparisons[][2] = {{"less", "<"}, {"greater", ">"}, {"equal", "=="}};
    unsigned arg = argument_number(c, rule);
    struct json_object *value, *mask;

    for (size_t i = 0; i < sizeof comparisons / sizeof comparisons[0]; i++) {
        if (!json_object_object_get_ex(rule, comparisons[i][0], &value))
            continue;
        if (json_object_object_get_ex(rule, "mask", &mask))
            snprintf(text, room, "(a%u & 0x%llx) == %lld", arg,
                     (long long)json_object_get_int64(mask),
                     (long long)json_object_get_int64(value));
        else
            snprintf(text, room, "a%u %s %lld", arg, comparisons[i][1],
                     (long long)json_object_get_int64(value));
        return;
    }
}

static void set_rule(const struct compiler *c, struct table *t, struct json_object *rule)
{
    struct call *call =
        find_call(t, json_object_get_string(member(c, rule, "call", json_type_string)));
    struct json_object *value;
    char text[96] = "";

    if (!call || strcmp(call->verdict, "ALLOWED") == 0)
        return;
    if (json_object_object_get_ex(rule, "errno", &value)) {
        call->verdict = json_object_get_string(value);
    } else {
        call->verdict = "CONDITIONAL";
        condition_text(c, rule, text, sizeof text);
    }
    append(call->condition, sizeof call->condition, " || ", text);
    if (json_object_object_get_ex(rule, "why", &value))
        append(call->why, sizeof call->why, "; ", json_object_get_string(value));
}

static void set_rules(const struct compiler *c, struct table *t, struct json_object *rules)
{
    for (size_t i = 0; i < json_object_array_length(rules); i++)
        set_rule(c, t, json_object_array_get_idx(rules, i));
}

/* What the profile says of calls where a capability is missing takes the place of what
 * add_capabilities() did. */
static void set_rules_without(const struct compiler *c, struct table *t)
{
    struct json_object *capabilities = member(c, c->profile, "capabilities", json_type_array);

    json_object_object_foreach(member(c, c->profile, "without_capability", json_type_object), name,
                               rules)
    {
        if (array_has(capabilities, name))
            continue;
        for (size_t i = 0; i < json_object_array_length(rules); i++) {
            struct json_object *rule = json_object_array_get_idx(rules, i);
            struct call *call =
                find_call(t, json_object_get_string(member(c, rule, "call", json_type_string)));
            if (call)
                call->why[0] = 0;
        }
        set_rules(c, t, rules);
    }
}

static int compare_calls(const void *a, const void *b)
{
    return strcmp(((const struct call *)a)->name, ((const struct call *)b)->name);
}

/* "in Docker with sys_admin, bpf" for what a capability that commands lack would allow. */
static void add_capabilities(const struct compiler *c, struct table *t)
{
    struct json_object *capabilities = member(c, c->profile, "capabilities", json_type_array);

    json_object_object_foreach(member(c, c->profile, "with_capability", json_type_object), name,
                               calls)
    {
        bool has = array_has(capabilities, name);
        if (has)
            set_all(t, calls);
        for (size_t i = 0; !has && i < json_object_array_length(calls); i++) {
            const char *text = json_object_get_string(json_object_array_get_idx(calls, i));
            struct call *call = find_call(t, text);
            if (!call || strcmp(call->verdict, "EPERM") != 0)
                continue;
            append(call->why, sizeof call->why, ", ", call->why[0] ? name : "in Docker with ");
            if (call->why[strlen(call->why) - 1] == ' ')
                append(call->why, sizeof call->why, "", name);
        }
    }
}

/* The calls that libseccomp does not know; they have their numbers on all architectures but x32. */
static void add_numbered(const struct compiler *c, struct table *t, struct json_object *others)
{
    for (size_t i = 0; i < c->n_numbers; i++) {
        if (find_call(t, c->names[i]))
            continue;
        add_call(t, c->names[i], c->arch);
        for (size_t k = 0; k < json_object_array_length(others); k++) {
            const char *other = json_object_get_string(json_object_array_get_idx(others, k));
            if (c->numbers[i] >= FIRST_COMMON_NUMBER && strcmp(other, "x32") != 0)
                add_call(t, c->names[i], other);
        }
    }
}

static void fill_table(const struct compiler *c, struct table *t)
{
    struct json_object *others = member(c, member(c, c->profile, "architectures", json_type_object),
                                        c->arch, json_type_array);
    struct json_object *names;

    add_calls_of(t, c->arch);
    for (size_t i = 0; i < json_object_array_length(others); i++)
        add_calls_of(t, json_object_get_string(json_object_array_get_idx(others, i)));
    add_numbered(c, t, others);
    json_object_object_foreach(member(c, c->profile, "always", json_type_object), theme, list)
    {
        (void)theme;
        set_all(t, list);
    }
    if (json_object_object_get_ex(member(c, c->profile, "on_architecture", json_type_object),
                                  c->arch, &names))
        set_all(t, names);
    add_capabilities(c, t);
    set_rules(c, t, member(c, c->profile, "if_argument", json_type_array));
    set_rules_without(c, t);
    qsort(t->calls, t->n, sizeof *t->calls, compare_calls);
}

static void write_text(FILE *f, const char *text)
{
    if (!text || !*text)
        fprintf(f, "NULL, ");
    else
        fprintf(f, "\"%s\", ", text); /* of the profile: without quotes */
}

void write_table(const struct compiler *c, const char *path)
{
    struct table t = {0};
    FILE *f = fopen(path, "we");

    if (!f)
        die(c, "cannot write %s: %s", path, strerror(errno));
    fill_table(c, &t);
    fprintf(f,
            "/* Made by tool-seccomp.c from a seccomp profile; do not edit. */\n"
            "static const char native_arch[] = \"%s\";\n"
            "static const unsigned newest_call = %d;\n"
            "static const struct kilnrun_call default_calls[] = {\n",
            c->arch, json_object_get_int(member(c, c->profile, "newest", json_type_int)));
    for (size_t i = 0; i < t.n; i++) {
        const struct call *call = &t.calls[i];
        fprintf(f, "    {\"%s\", KILNRUN_CALL_%s, ", call->name, call->verdict);
        write_text(f, call->condition);
        write_text(f, call->why);
        fprintf(f, "\"%s\"},\n", call->architectures);
        free(call->name);
    }
    fprintf(f, "};\nstatic const struct { const char *name; int number; } new_calls[] = {\n");
    json_object_object_foreach(member(c, c->profile, "numbers", json_type_object), name, number)
        fprintf(f, "    {\"%s\", %d},\n", name, json_object_get_int(number));
    fprintf(f, "};\n");
    free(t.calls);
    if (fclose(f) != 0)
        die(c, "cannot write %s: %s", path, strerror(errno));
}
