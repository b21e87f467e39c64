/* Platforms: os/architecture/variant, in Go's names, as image-spec image-index.md and containerd
 * use them. */
#include "image/platform.h"

#include <string.h>
#include <sys/utsname.h>

/* What else an architecture is called, and the variant that a bare name means. */
static const struct {
    const char *alias, *architecture, *variant;
} aliases[] = {
    {"x86_64", "amd64", NULL},    {"x86-64", "amd64", NULL},
    {"aarch64", "arm64", NULL},   {"i386", "386", NULL},
    {"i486", "386", NULL},        {"i586", "386", NULL},
    {"i686", "386", NULL},        {"x86", "386", NULL},
    {"armhf", "arm", "v7"},       {"armel", "arm", "v6"},
    {"armv7l", "arm", "v7"},      {"armv6l", "arm", "v6"},
    {"armv5tel", "arm", "v5"},    {"armv8l", "arm", "v7"},
    {"ppc64el", "ppc64le", NULL}, {"loongarch64", "loong64", NULL},
};

/* The variant number that an architecture means when it names none. */
static guint default_variant(const char *architecture)
{
    return strcmp(architecture, "arm64") == 0 ? 8 : strcmp(architecture, "arm") == 0 ? 7 : 1;
}

static guint variant_number(const KilnPlatform *p)
{
    const char *digits = p->variant != NULL && p->variant[0] == 'v' ? p->variant + 1 : p->variant;
    guint64 number = 0;
    if (digits == NULL)
        return default_variant(p->architecture);
    if (!g_ascii_string_to_unsigned(digits, 10, 0, 1000, &number, NULL))
        return G_MAXUINT; /* "v9.2": equal to itself alone */
    return (guint)number;
}

KilnPlatform *kiln_platform_new(const char *os, const char *architecture, const char *variant)
{
    KilnPlatform *p = g_new0(KilnPlatform, 1);
    p->os = g_ascii_strdown(os, -1);
    g_autofree char *lower = g_ascii_strdown(architecture, -1);
    const char *name = lower;
    for (gsize i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (strcmp(lower, aliases[i].alias) == 0) {
            name = aliases[i].architecture;
            if (variant == NULL || *variant == '\0')
                variant = aliases[i].variant;
            break;
        }
    }
    p->architecture = g_strdup(name);
    if (variant != NULL && *variant != '\0')
        p->variant = g_ascii_isdigit(*variant) ? g_strconcat("v", variant, NULL)
                                               : g_ascii_strdown(variant, -1);
    /* The default is not written (containerd's normalisation), but for arm, where nobody can tell
     * it. */
    bool arm = strcmp(p->architecture, "arm") == 0;
    if (!arm && p->variant != NULL && variant_number(p) == default_variant(p->architecture))
        g_clear_pointer(&p->variant, g_free);
    if (arm && p->variant == NULL)
        p->variant = g_strdup("v7");
    return p;
}

static bool is_word(const char *text)
{
    return *text != '\0' &&
           text[strspn(
               text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

/* One word alone: an architecture or an operating system that Go knows (containerd's platforms). */
static KilnPlatform *parse_word(const char *text, GError **error)
{
    static const char *const systems[] = {
        "aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios", "js",
        "linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "windows", "zos", NULL};
    static const char *const architectures[] = {
        "386",     "amd64",   "amd64p32", "arm",    "armbe",    "arm64",     "arm64be",
        "loong64", "mips",    "mipsle",   "mips64", "mips64le", "mips64p32", "mips64p32le",
        "ppc",     "ppc64",   "ppc64le",  "riscv",  "riscv64",  "s390",      "s390x",
        "sparc",   "sparc64", "wasm",     NULL};
    g_autofree char *lower = g_ascii_strdown(text, -1);
    g_autoptr(KilnPlatform) host = kiln_platform_host();
    if (strcmp(lower, "macos") == 0)
        return kiln_platform_new("darwin", host->architecture, host->variant);
    if (g_strv_contains(systems, lower))
        return kiln_platform_new(lower, host->architecture, host->variant);
    g_autoptr(KilnPlatform) p = kiln_platform_new("linux", lower, NULL);
    if (g_strv_contains(architectures, p->architecture))
        return g_steal_pointer(&p);
    g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                "\"%s\" is not a platform: neither an operating system nor an architecture that is "
                "known; write OS/ARCHITECTURE[/VARIANT], as in linux/amd64",
                text);
    return NULL;
}

KilnPlatform *kiln_platform_parse(const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", -1);
    guint n = g_strv_length(parts);
    bool ok = n >= 1 && n <= 3;
    for (guint i = 0; ok && i < n; i++)
        ok = is_word(parts[i]);
    if (!ok) {
        g_set_error(
            error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
            "\"%s\" is not a platform; write OS/ARCHITECTURE[/VARIANT], as in linux/amd64 or "
            "linux/arm/v7",
            text);
        return NULL;
    }
    if (n > 1)
        return kiln_platform_new(parts[0], parts[1], parts[2]);
    return parse_word(parts[0], error);
}

KilnPlatform *kiln_platform_host(void)
{
    struct utsname name;
    /* A 32-bit program on a 64-bit kernel cannot tell what it was built for by uname(2); rare
     * enough. */
    return kiln_platform_new("linux", uname(&name) == 0 ? name.machine : "amd64", NULL);
}

char *kiln_platform_text(const KilnPlatform *p)
{
    return g_strjoin("/", p->os, p->architecture, p->variant, NULL);
}

bool kiln_platform_equal(const KilnPlatform *a, const KilnPlatform *b)
{
    return strcmp(a->os, b->os) == 0 && strcmp(a->architecture, b->architecture) == 0 &&
           g_strcmp0(a->variant, b->variant) == 0;
}

int kiln_platform_match(const KilnPlatform *wanted, const KilnPlatform *have)
{
    if (strcmp(wanted->os, have->os) != 0 || strcmp(wanted->architecture, have->architecture) != 0)
        return -1;
    guint a = variant_number(wanted), b = variant_number(have);
    if (a == G_MAXUINT || b == G_MAXUINT)
        return g_strcmp0(wanted->variant, have->variant) == 0 ? 0 : -1;
    return b <= a ? (int)b : -1;
}

void kiln_platform_free(KilnPlatform *p)
{
    if (p == NULL)
        return;
    g_free(p->os);
    g_free(p->architecture);
    g_free(p->variant);
    g_free(p);
}
