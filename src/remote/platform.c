#include "remote/platform.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "remote/error.h"

/* Other spellings, and the variant that they imply. Source: containerd's platforms/database.go,
 * Debian's names of architectures, uname(2). */
static const struct {
    const char *spelling, *architecture, *variant;
} spellings[] = {
    {"x86_64", "amd64", NULL},      {"x86-64", "amd64", NULL},    {"aarch64", "arm64", NULL},
    {"i386", "386", NULL},          {"i486", "386", NULL},        {"i586", "386", NULL},
    {"i686", "386", NULL},          {"armhf", "arm", "v7"},       {"armel", "arm", "v6"},
    {"armv8l", "arm", "v8"},        {"armv7l", "arm", "v7"},      {"armv6l", "arm", "v6"},
    {"armv5tel", "arm", "v5"},      {"ppc64el", "ppc64le", NULL}, {"loongarch64", "loong64", NULL},
    {"mips64el", "mips64le", NULL},
};

void remote_platform_free(RemotePlatform *p)
{
    g_free(p->os);
    g_free(p->architecture);
    g_free(p->variant);
    g_free(p);
}

RemotePlatform *remote_platform_new(const char *os, const char *architecture, const char *variant)
{
    RemotePlatform *p = g_new0(RemotePlatform, 1);
    p->os = g_ascii_strdown(os, -1);
    p->architecture = g_ascii_strdown(architecture, -1);
    p->variant = variant && *variant ? g_ascii_strdown(variant, -1) : NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(spellings); i++) {
        if (strcmp(p->architecture, spellings[i].spelling) == 0) {
            g_free(p->architecture);
            p->architecture = g_strdup(spellings[i].architecture);
            if (!p->variant) {
                p->variant = g_strdup(spellings[i].variant);
            }
        }
    }
    if (p->variant && g_ascii_isdigit(*p->variant)) {
        char *with_v = g_strconcat("v", p->variant, NULL);
        g_free(p->variant);
        p->variant = with_v;
    }
    if (p->variant && g_str_has_suffix(p->variant, ".0")) {
        p->variant[strlen(p->variant) - 2] = '\0';
    }
    bool is_arm = strcmp(p->architecture, "arm") == 0;
    if (is_arm && !p->variant) {
        p->variant = g_strdup("v7");
    } else if ((strcmp(p->architecture, "arm64") == 0 && g_strcmp0(p->variant, "v8") == 0) ||
               (strcmp(p->architecture, "amd64") == 0 && g_strcmp0(p->variant, "v1") == 0)) {
        g_clear_pointer(&p->variant, g_free);
    }
    return p;
}

RemotePlatform *remote_platform_host(void)
{
    struct utsname name;
    uname(&name);
    return remote_platform_new("linux", name.machine, NULL);
}

static bool part_is_valid(const char *part)
{
    return *part != '\0' && strlen(part) <= 32 &&
           strspn(part, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-") == strlen(part);
}

RemotePlatform *remote_platform_parse(const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 4);
    guint count = g_strv_length(parts);
    bool valid = count >= 1 && count <= 3;
    for (guint i = 0; i < count; i++) {
        valid = valid && part_is_valid(parts[i]);
    }
    if (!valid) {
        g_autofree char *shown = remote_printable(text, 80);
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_USAGE,
                    "'%s' is not a platform; write it as linux/amd64 or linux/arm/v7", shown);
        return NULL;
    }
    if (count > 1) {
        return remote_platform_new(parts[0], parts[1], parts[2]);
    }
    if (strcmp(parts[0], "linux") == 0) {
        return remote_platform_host();
    }
    return remote_platform_new("linux", parts[0], NULL);
}

char *remote_platform_text(const RemotePlatform *p)
{
    return g_strconcat(p->os, "/", p->architecture, p->variant ? "/" : "",
                       p->variant ? p->variant : "", NULL);
}

/* "v7" is 70, "v8.2" is 82; -1 if it is no version. No variant is `none`. */
static int variant_version(const char *variant, int none)
{
    if (!variant) {
        return none;
    }
    if (*variant != 'v' || !g_ascii_isdigit(variant[1])) {
        return -1;
    }
    char *end = NULL;
    long major = strtol(variant + 1, &end, 10);
    long minor = 0;
    if (*end == '.' && g_ascii_isdigit(end[1])) {
        minor = strtol(end + 1, &end, 10);
    }
    return *end == '\0' && major < 100 && minor < 10 ? (int)(major * 10 + minor) : -1;
}

/* Steps from a wanted version down to an offered one, -1 if it lies above. */
static int steps_down(int wanted, int offered)
{
    return offered >= 0 && offered <= wanted ? wanted - offered : -1;
}

int remote_platform_rank(const RemotePlatform *wanted, const RemotePlatform *offered)
{
    /* Another architecture ranks behind every variant of the same one. */
    enum { OTHER_ARCHITECTURE = 1000 };
    if (strcmp(wanted->os, offered->os) != 0) {
        return -1;
    }
    const char *want = wanted->architecture;
    const char *have = offered->architecture;
    if (strcmp(want, have) == 0) {
        if (g_strcmp0(wanted->variant, offered->variant) == 0) {
            return 0;
        }
        if (strcmp(want, "amd64") == 0) {
            return steps_down(variant_version(wanted->variant, 10),
                              variant_version(offered->variant, 10));
        }
        if (strcmp(want, "arm") == 0) {
            return steps_down(variant_version(wanted->variant, 70),
                              variant_version(offered->variant, 70));
        }
        if (strcmp(want, "arm64") == 0) {
            int most = variant_version(wanted->variant, 80);
            int version = variant_version(offered->variant, 80);
            /* Armv9.x contains Armv8.(x+5) (Arm's manual, A-profile), not every 8.y. */
            if (most >= 90 && version >= 80 && version < 90 && version - 80 > most - 90 + 5) {
                return -1;
            }
            return steps_down(most, version);
        }
        return -1;
    }
    if (strcmp(want, "amd64") == 0 && strcmp(have, "386") == 0 && !offered->variant) {
        return OTHER_ARCHITECTURE;
    }
    if (strcmp(want, "arm64") == 0 && strcmp(have, "arm") == 0) {
        int steps = steps_down(80, variant_version(offered->variant, 70));
        return steps < 0 ? -1 : OTHER_ARCHITECTURE + steps;
    }
    return -1;
}
