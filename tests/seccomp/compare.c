/* seccomp-compare PROFILE.json: which calls a profile in Docker's form treats otherwise than the default filter,
 * with some argument, on this architecture and those beside it. Exits with 1 if there are any. */
#include "bpf.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/seccomp.h"
#include "seccomp/profile.h"

static const guint64 arguments[] = {0,       1,          2,          8,          16,
                                    37,      38,         39,         40,         41,
                                    0x20000, 0x20008,    0x02000000, 0x10000011, 0x7e020000,
                                    0x11,    0xffffffff, G_MAXUINT64};

typedef struct {
    const struct sock_filter *program;
    gsize n;
} Filter;

static guint compare_number(const Filter filters[2], guint32 arch, guint32 number)
{
    for (guint i = 0; i < G_N_ELEMENTS(arguments); i++) {
        const struct seccomp_data data = {
            .nr = (int)number,
            .arch = arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch,
            .args = {arguments[i]},
        };
        guint32 own = bpf_run(filters[0].program, filters[0].n, &data);
        guint32 other = bpf_run(filters[1].program, filters[1].n, &data);
        if (own == other)
            continue;
        g_autofree char *name = seccomp_syscall_resolve_num_arch(arch, (int)number);
        printf("%08x %u %s, first argument 0x%llx: default %08x, profile %08x\n", arch, number,
               name ? name : "(no name)", (unsigned long long)arguments[i], own, other);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
#if defined(__x86_64__)
    static const guint32 arches[][2] = {
        {SCMP_ARCH_X86_64, 0}, {SCMP_ARCH_X86, 0}, {SCMP_ARCH_X32, 0x40000000}};
#else
    const guint32 arches[][2] = {{seccomp_arch_native(), 0}};
#endif
    const KilnSeccompHost host = kiln_seccomp_host();
    g_autoptr(GError) error = NULL;
    g_autofree char *json = NULL, *unknown = NULL;
    Filter filters[2] = {0};
    guint differences = 0;
    gsize size;
    if (argc != 2 || !g_file_get_contents(argv[1], &json, NULL, &error)) {
        fprintf(stderr, "seccomp-compare PROFILE.json: %s\n", error ? error->message : "");
        return 2;
    }
    g_autoptr(GBytes) compiled = kiln_seccomp_compile(json, &host, &unknown, &error);
    if (!compiled) {
        fprintf(stderr, "%s: %s\n", argv[1], error->message);
        return 2;
    }
    if (unknown)
        printf("nobody here knows: %s\n", unknown);
    filters[0].program = seccomp_default(&filters[0].n);
    filters[1].program = g_bytes_get_data(compiled, &size);
    filters[1].n = size / sizeof(struct sock_filter);
    for (guint i = 0; i < G_N_ELEMENTS(arches); i++)
        for (guint32 n = 0; n < 1024; n++)
            differences += compare_number(filters, arches[i][0], arches[i][1] + n);
    return differences > 0;
}
