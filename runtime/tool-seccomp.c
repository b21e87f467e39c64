/* Compiles a seccomp profile (runtime/profiles/default.json, which describes its own form) to BPF,
 * and writes that as a C array, or as a table of calls for calls.h; for the architecture it runs
 * on, or the one that is named. Runs when kiln is built; never installed, never run on input of
 * others.
 *
 * libseccomp does the work. In front of its program stands a prologue of our own for calls that are
 * newer than the libseccomp at hand: the allowed ones by number, and ENOSYS, not EPERM, for all
 * numbers above the newest that the profile knows of. */
#include "tool-seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_NAME "x86_64"
#elif defined(__aarch64__)
#define NATIVE_NAME "aarch64"
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_NAME "riscv64"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_NAME "ppc64le"
#elif defined(__s390x__)
#define NATIVE_NAME "s390x"
#else
#error "add this architecture here and to runtime/profiles/default.json"
#endif

void die(const struct compiler *c, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", c->path);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

struct json_object *member(const struct compiler *c, struct json_object *o, const char *name,
                           enum json_type type)
{
    struct json_object *value;

    if (!json_object_object_get_ex(o, name, &value) || !json_object_is_type(value, type))
        die(c, "\"%s\" is missing or of the wrong type", name);
    return value;
}

bool array_has(struct json_object *array, const char *word)
{
    for (size_t i = 0; i < json_object_array_length(array); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(array, i)), word) == 0)
            return true;
    return false;
}

static int errno_named(const struct compiler *c, const char *name)
{
    if (strcmp(name, "EPERM") == 0)
        return EPERM;
    if (strcmp(name, "ENOSYS") == 0)
        return ENOSYS;
    die(c, "unknown errno %s", name);
}

/* Adds a rule. A name of another architecture than those of the filter is passed over by libseccomp
 * (its numbers are negative then); a name that it has never heard of must be in "numbers". */
static void add_rule(struct compiler *c, const char *name, uint32_t action,
                     const struct scmp_arg_cmp *comparison)
{
    int number = seccomp_syscall_resolve_name(name);
    struct json_object *known;
    int rc;

    if (number == __NR_SCMP_ERROR) {
        if (!json_object_object_get_ex(member(c, c->profile, "numbers", json_type_object), name,
                                       &known))
            die(c, "%s is unknown to libseccomp and not in \"numbers\"", name);
        if (action != SCMP_ACT_ALLOW || comparison || c->n_numbers == MAX_NUMBERS)
            die(c, "%s: only allowed as a whole by number", name);
        c->names[c->n_numbers] = name;
        c->numbers[c->n_numbers++] = (unsigned)json_object_get_int(known);
        return;
    }
    rc = comparison ? seccomp_rule_add_array(c->filter, action, number, 1, comparison)
                    : seccomp_rule_add(c->filter, action, number, 0);
    if (rc < 0)
        die(c, "rule for %s: %s", name, strerror(-rc));
}

static void allow_names(struct compiler *c, struct json_object *names)
{
    for (size_t i = 0; i < json_object_array_length(names); i++)
        add_rule(c, json_object_get_string(json_object_array_get_idx(names, i)), SCMP_ACT_ALLOW,
                 NULL);
}

unsigned argument_number(const struct compiler *c, struct json_object *rule)
{
    struct json_object *value;
    char key[32];

    snprintf(key, sizeof key, "arg_%s", c->arch);
    if (!json_object_object_get_ex(rule, key, &value))
        value = member(c, rule, "arg", json_type_int);
    return (unsigned)json_object_get_int(value);
}

/* A rule object: a call with "errno", or allowed when its argument "arg" compares as said. */
static void conditional_rule(struct compiler *c, struct json_object *rule)
{
    const char *call = json_object_get_string(member(c, rule, "call", json_type_string));
    struct scmp_arg_cmp comparison = {0};
    struct json_object *value;

    if (json_object_object_get_ex(rule, "errno", &value)) {
        int error = errno_named(c, json_object_get_string(value));
        add_rule(c, call, SCMP_ACT_ERRNO((uint32_t)error), NULL);
        return;
    }
    comparison.arg = argument_number(c, rule);
    if (json_object_object_get_ex(rule, "mask", &value)) {
        comparison.op = SCMP_CMP_MASKED_EQ;
        comparison.datum_a = (scmp_datum_t)json_object_get_int64(value);
        comparison.datum_b =
            (scmp_datum_t)json_object_get_int64(member(c, rule, "equal", json_type_int));
    } else if (json_object_object_get_ex(rule, "less", &value)) {
        comparison.op = SCMP_CMP_LT;
        comparison.datum_a = (scmp_datum_t)json_object_get_int64(value);
    } else if (json_object_object_get_ex(rule, "greater", &value)) {
        comparison.op = SCMP_CMP_GT;
        comparison.datum_a = (scmp_datum_t)json_object_get_int64(value);
    } else {
        comparison.op = SCMP_CMP_EQ;
        comparison.datum_a =
            (scmp_datum_t)json_object_get_int64(member(c, rule, "equal", json_type_int));
    }
    add_rule(c, call, SCMP_ACT_ALLOW, &comparison);
}

static void conditional_rules(struct compiler *c, struct json_object *rules)
{
    for (size_t i = 0; i < json_object_array_length(rules); i++)
        conditional_rule(c, json_object_array_get_idx(rules, i));
}

static void add_architectures(struct compiler *c)
{
    struct json_object *all = member(c, c->profile, "architectures", json_type_object);
    struct json_object *others = member(c, all, c->arch, json_type_array);

    if (c->token != seccomp_arch_native() &&
        (seccomp_arch_remove(c->filter, seccomp_arch_native()) < 0 ||
         seccomp_arch_add(c->filter, c->token) < 0))
        die(c, "architecture %s cannot be compiled for here", c->arch);
    for (size_t i = 0; i < json_object_array_length(others); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(others, i));
        uint32_t token = seccomp_arch_resolve_name(name);
        int rc = token ? seccomp_arch_add(c->filter, token) : -EINVAL;

        if (rc < 0)
            die(c, "architecture %s: %s", name, strerror(-rc));
    }
}

static void add_all_rules(struct compiler *c)
{
    struct json_object *capabilities = member(c, c->profile, "capabilities", json_type_array);
    struct json_object *names;

    json_object_object_foreach(member(c, c->profile, "always", json_type_object), theme, list)
    {
        (void)theme;
        allow_names(c, list);
    }
    if (json_object_object_get_ex(member(c, c->profile, "on_architecture", json_type_object),
                                  c->arch, &names))
        allow_names(c, names);
    json_object_object_foreach(member(c, c->profile, "with_capability", json_type_object), with,
                               calls) if (array_has(capabilities, with)) allow_names(c, calls);
    conditional_rules(c, member(c, c->profile, "if_argument", json_type_array));
    json_object_object_foreach(member(c, c->profile, "without_capability", json_type_object),
                               without, rules) if (!array_has(capabilities, without))
        conditional_rules(c, rules);
}

/* libseccomp's program, exported through a memory file. */
static struct sock_filter *export_program(struct compiler *c, size_t *n)
{
    int fd = memfd_create("bpf", MFD_CLOEXEC);
    struct sock_filter *program;
    off_t size;

    if (fd < 0 || seccomp_export_bpf(c->filter, fd) < 0 || (size = lseek(fd, 0, SEEK_END)) <= 0)
        die(c, "cannot export the filter: %s", strerror(errno));
    program = malloc((size_t)size);
    if (!program || pread(fd, program, (size_t)size, 0) != size)
        die(c, "cannot read the exported filter back");
    close(fd);
    *n = (size_t)size / sizeof *program;
    return program;
}

/* The prologue; falls through to libseccomp's program for all that it does not decide.
 * A number below FIRST_COMMON_NUMBER means that call on the native architecture alone. */
static size_t make_prologue(const struct compiler *c, struct sock_filter *out)
{
    unsigned newest = (unsigned)json_object_get_int(member(c, c->profile, "newest", json_type_int));
    size_t n = 0, n_native = 0;

    for (size_t i = 0; i < c->n_numbers; i++)
        n_native += c->numbers[i] < FIRST_COMMON_NUMBER;
    if (n_native > 0) {
        out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, arch));
        out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->token, 0,
                                                (uint8_t)(1 + 2 * n_native));
        out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, nr));
        for (size_t i = 0; i < c->n_numbers; i++) {
            if (c->numbers[i] >= FIRST_COMMON_NUMBER)
                continue;
            out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->numbers[i], 0, 1);
            out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        }
    }
    out[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < c->n_numbers; i++) {
        if (c->numbers[i] < FIRST_COMMON_NUMBER)
            continue;
        out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->numbers[i], 0, 1);
        out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_SPECIAL_NUMBER, 2, 0);
    out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, newest, 0, 1);
    out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    return n;
}

static void write_array(const struct compiler *c, const char *path)
{
    struct sock_filter prologue[2 * MAX_NUMBERS + 8];
    size_t n_prologue = make_prologue(c, prologue);
    size_t n_program;
    struct sock_filter *program = export_program((struct compiler *)c, &n_program);
    FILE *f;

    if (n_prologue + n_program > BPF_MAXINSNS)
        die(c, "the filter has %zu instructions", n_prologue + n_program);
    f = fopen(path, "we");
    if (!f)
        die(c, "cannot write %s: %s", path, strerror(errno));
    fprintf(f, "/* Made by tool-seccomp.c from a seccomp profile; do not edit. */\n"
               "static const struct sock_filter default_filter[] = {\n");
    for (size_t i = 0; i < n_prologue + n_program; i++) {
        const struct sock_filter *s = i < n_prologue ? &prologue[i] : &program[i - n_prologue];
        fprintf(f, "    {0x%02x, %u, %u, 0x%08x},\n", s->code, s->jt, s->jf, s->k);
    }
    fprintf(f, "};\n");
    if (fclose(f) != 0)
        die(c, "cannot write %s: %s", path, strerror(errno));
    free(program);
}

int main(int argc, char **argv)
{
    struct compiler c = {.path = argc > 2 ? argv[2] : "usage", .arch = NATIVE_NAME};
    int otherwise;

    if (argc < 4 || argc > 5 || (strcmp(argv[1], "bpf") != 0 && strcmp(argv[1], "calls") != 0))
        die(&c, "kiln-tool-seccomp bpf|calls PROFILE.json OUTPUT.h [ARCHITECTURE]");
    if (argc == 5)
        c.arch = argv[4];
    c.token = seccomp_arch_resolve_name(c.arch);
    c.profile = json_object_from_file(c.path);
    if (!c.profile)
        die(&c, "%s", json_util_get_last_err());
    otherwise = errno_named(
        &c, json_object_get_string(member(&c, c.profile, "otherwise", json_type_string)));
    c.filter = seccomp_init(SCMP_ACT_ERRNO((uint32_t)otherwise));
    if (!c.filter)
        die(&c, "seccomp_init failed");
    /* A binary search over the numbers. Installing runs the filter once for every number (Linux
     * 5.11), so this makes a step cheaper: 0.25 ms for 0.6. */
    if (seccomp_attr_set(c.filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0 ||
        seccomp_attr_set(c.filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0)
        die(&c, "seccomp_attr_set failed (libseccomp 2.5 is needed)");
    add_architectures(&c);
    add_all_rules(&c);
    if (strcmp(argv[1], "bpf") == 0)
        write_array(&c, argv[3]);
    else
        write_table(&c, argv[3]);
    seccomp_release(c.filter);
    json_object_put(c.profile);
    return 0;
}
