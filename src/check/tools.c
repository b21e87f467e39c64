#include "check/tools.h"

#include <string.h>

/* clang-format off */
/* Cache directories are the tools' own defaults for root. */
static const KilnTool tools[] = {
    {.name = "pip", .kind = KILN_TOOL_PACKAGES, .programs = {"pip", "pip3", "pip2"}, .verbs = {"install"},
     .files = {"requirements.txt"}, .caches = {"/root/.cache/pip"}, .no_cache = {"--no-cache-dir"}},
    {.name = "uv", .kind = KILN_TOOL_PACKAGES, .programs = {"uv"}, .verbs = {"sync"},
     .files = {"pyproject.toml", "uv.lock"}, .fetch = "--no-install-project", .fetches = {"--no-install-project"}, .after = "uv sync --locked",
     .caches = {"/root/.cache/uv"}, .no_cache = {"--no-cache"}},
    {.name = "uv pip", .kind = KILN_TOOL_PACKAGES, .programs = {"uv"}, .verbs = {"pip"},
     .files = {"requirements.txt"}, .caches = {"/root/.cache/uv"}, .no_cache = {"--no-cache"}},
    {.name = "pipenv", .kind = KILN_TOOL_PACKAGES, .programs = {"pipenv"}, .verbs = {"install", "sync"},
     .files = {"Pipfile", "Pipfile.lock"}, .caches = {"/root/.cache"}},
    {.name = "poetry", .kind = KILN_TOOL_PACKAGES, .programs = {"poetry"}, .verbs = {"install", "sync"}, .valued = {"-C", "--directory"},
     .files = {"pyproject.toml", "poetry.lock"}, .fetch = "--no-root", .fetches = {"--no-root"}, .after = "poetry install --only-root",
     .caches = {"/root/.cache/pypoetry"}, .no_cache = {"--no-cache"}},
    {.name = "npm", .kind = KILN_TOOL_PACKAGES, .programs = {"npm"}, .verbs = {"ci", "install", "i", "clean-install", "add"},
     .valued = {"--prefix", "-C", "--loglevel", "--registry", "-w", "--workspace"}, .files = {"package*.json"}, .caches = {"/root/.npm"}},
    {.name = "yarn", .kind = KILN_TOOL_PACKAGES, .programs = {"yarn", "yarnpkg"}, .verbs = {"install", "", "add"},
     .valued = {"--cwd", "--network-timeout", "--registry", "--cache-folder", "--modules-folder"},
     .files = {"package.json", "yarn.lock", ".yarnrc*"}, .caches = {"/usr/local/share/.cache/yarn"}},
    {.name = "pnpm", .kind = KILN_TOOL_PACKAGES, .programs = {"pnpm"}, .verbs = {"install", "i", "fetch", "add"},
     .valued = {"--filter", "-F", "-C", "--dir"}, .files = {"package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"}, .caches = {"/root/.local/share/pnpm/store"}},
    {.name = "bundle", .kind = KILN_TOOL_PACKAGES, .programs = {"bundle", "bundler"}, .verbs = {"install", ""},
     .files = {"Gemfile", "Gemfile.lock"}, .caches = {"/usr/local/bundle/cache"}},
    {.name = "composer", .kind = KILN_TOOL_PACKAGES, .programs = {"composer", "composer.phar"}, .verbs = {"install", "update"},
     .valued = {"-d", "--working-dir"}, .files = {"composer.json", "composer.lock"}, .fetch = "--no-scripts --no-autoloader",
     .fetches = {"--no-autoloader"}, .after = "composer dump-autoload", .caches = {"/root/.composer/cache"}, .no_cache = {"--no-cache"}},
    {.name = "cargo", .kind = KILN_TOOL_BUILD, .programs = {"cargo"}, .verbs = {"build", "b", "fetch", "install"}, .valued = {"--config", "-Z", "--color"},
     .files = {"Cargo.toml", "Cargo.lock"}, .fetch = "mkdir src && touch src/lib.rs && cargo fetch", .fetches = {"fetch", "chef"},
     .caches = {"/usr/local/cargo/registry", "/app/target"}},
    {.name = "go", .kind = KILN_TOOL_BUILD, .programs = {"go"}, .verbs = {"mod", "build", "install"}, .valued = {"-C"},
     .files = {"go.mod", "go.sum"}, .fetch = "go mod download", .fetches = {"download", "vendor"}, .caches = {"/go/pkg/mod", "/root/.cache/go-build"}},
    {.name = "maven", .kind = KILN_TOOL_BUILD, .programs = {"mvn", "mvnw", "mvnd"}, .verbs = {"package", "install", "verify", "compile", "clean", "deploy", "dependency:resolve", "dependency:go-offline"},
     .valued = {"-f", "--file", "-s", "--settings", "-P", "-pl", "-T"}, .files = {"pom.xml"}, .fetch = "mvn -B dependency:go-offline",
     .fetches = {"dependency:go-offline", "dependency:resolve", "dependency:resolve-plugins"}, .caches = {"/root/.m2"}},
    {.name = "gradle", .kind = KILN_TOOL_BUILD, .programs = {"gradle", "gradlew"}, .verbs = {"build", "assemble", "bootJar", "jar", "shadowJar", "installDist", "clean", "dependencies"},
     .valued = {"-p", "--project-dir", "-b", "-g", "-x"}, .files = {"*gradle*"}, .fetch = "gradle --no-daemon dependencies", .fetches = {"dependencies", "resolveDependencies", "downloadDependencies"},
     .caches = {"/root/.gradle"}},
    {.name = "apt-get", .kind = KILN_TOOL_SYSTEM, .programs = {"apt-get", "apt", "aptitude"}, .verbs = {"install"}, .valued = {"-o", "-t", "-c", "-qo"},
     .caches = {"/var/cache/apt,sharing=locked", "/var/lib/apt,sharing=locked"}},
    {.name = "apk", .kind = KILN_TOOL_SYSTEM, .programs = {"apk"}, .verbs = {"add"}, .valued = {"-X", "--repository", "-t", "--virtual", "-p"},
     .caches = {"/var/cache/apk,sharing=locked"}, .no_cache = {"--no-cache"}},
    {.name = "dnf", .kind = KILN_TOOL_SYSTEM, .programs = {"dnf", "yum", "microdnf"}, .verbs = {"install", "groupinstall", "localinstall"}, .valued = {"-c", "-x", "-d", "-e"},
     .caches = {"/var/cache/dnf,sharing=locked"}},
};
/* clang-format on */

/* "python -m pip install" is pip. */
static bool is_module_of_python(const KilnCommand *c, const KilnTool *t)
{
    return g_str_has_prefix(c->words[0], "python") && g_strcmp0(c->words[1], "-m") == 0 &&
           c->words[2] && g_strv_contains(t->programs, c->words[2]);
}

static char **verb_of(const KilnCommand *c, const KilnTool *t)
{
    if (!is_module_of_python(c, t))
        return kiln_command_verb(c, t->valued);
    const KilnCommand module = {.words = c->words + 2};
    return kiln_command_verb(&module, t->valued);
}

/* Several goals or tasks may be given: of those that build any one counts. */
static bool installs(const KilnCommand *c, const KilnTool *t)
{
    char **verb = verb_of(c, t);
    if (!verb)
        return g_strv_contains(t->verbs, "") && !kiln_command_has(c, "--version") &&
               !kiln_command_has(c, "-v") && !kiln_command_has(c, "--help");
    if (g_str_equal(t->name, "go") && g_str_equal(*verb, "mod"))
        return g_strcmp0(verb[1], "download") == 0 || g_strcmp0(verb[1], "tidy") == 0;
    if (g_str_equal(t->name, "uv pip") && g_str_equal(*verb, "pip"))
        return g_strcmp0(verb[1], "install") == 0 || g_strcmp0(verb[1], "sync") == 0;
    return g_strv_contains(t->verbs, *verb) && **verb;
}

const KilnTool *kiln_tool_of(const KilnCommand *c)
{
    for (gsize n = 0; n < G_N_ELEMENTS(tools); n++) {
        const KilnTool *t = &tools[n];
        if ((g_strv_contains(t->programs, c->words[0]) || is_module_of_python(c, t)) &&
            installs(c, t))
            return t;
    }
    return NULL;
}

const KilnTool *kiln_tool_program(const KilnCommand *c)
{
    for (gsize n = 0; n < G_N_ELEMENTS(tools); n++)
        if (tools[n].kind == KILN_TOOL_BUILD && g_strv_contains(tools[n].programs, c->words[0]))
            return &tools[n];
    return NULL;
}

bool kiln_tool_only_fetches(const KilnTool *t, const KilnCommand *c)
{
    for (gsize n = 0; t->fetches[n]; n++)
        if (kiln_command_has(c, t->fetches[n]))
            return true;
    return false;
}

/* Flags of pip whose value is a word of its own, and no package. */
static const char *const package_valued[] = {
    "-r",          "--requirement",     "-c",        "--constraint", "-i",
    "--index-url", "--extra-index-url", "-f",        "--find-links", "-t",
    "--target",    "--trusted-host",    "--prefix",  "--root",       "--cache-dir",
    "--platform",  "--python-version",  "--timeout", "--retries",    "--cwd",
    "--registry",  "--loglevel",        "--omit",    "--only",       "--network-timeout",
    "--index",     "--python",          NULL};

static bool is_path(const char *word)
{
    static const char *const archives[] = {".whl", ".tar.gz", ".tgz", ".zip"};
    for (gsize n = 0; n < G_N_ELEMENTS(archives); n++)
        if (g_str_has_suffix(word, archives[n]))
            return true;
    return g_str_equal(word, ".") || g_str_has_prefix(word, "./") ||
           g_str_has_prefix(word, "../") || g_str_has_prefix(word, ".[") || *word == '/' ||
           g_str_has_prefix(word, "file:") || *word == '$' || *word == '`' ||
           g_str_has_suffix(word, "/");
}

/* The packages named: words behind the verb that are no flags and no values of flags. */
static GPtrArray *operands(const KilnTool *t, const KilnCommand *c)
{
    GPtrArray *list = g_ptr_array_new();
    char **verb = verb_of(c, t);
    if (verb && g_str_equal(t->name, "uv pip"))
        verb++;
    for (char **word = verb ? verb + 1 : NULL; word && *word; word++) {
        if (**word != '-')
            g_ptr_array_add(list, *word);
        else if (g_strv_contains(package_valued, *word) && word[1])
            word++;
    }
    return list;
}

bool kiln_tool_needs_sources(const KilnTool *t, const KilnCommand *c)
{
    if (kiln_command_has(c, "-e") || kiln_command_has(c, "--editable"))
        return true;
    if (t->kind != KILN_TOOL_PACKAGES)
        return false;
    g_autoptr(GPtrArray) names = operands(t, c);
    for (guint n = 0; n < names->len; n++)
        if (is_path(names->pdata[n]))
            return true;
    return false;
}

bool kiln_tool_by_name(const KilnTool *t, const KilnCommand *c)
{
    g_autoptr(GPtrArray) names = operands(t, c);
    bool listed = kiln_command_has(c, "-r") || kiln_command_has(c, "--requirement");
    for (char **word = c->words; *word && !listed; word++)
        listed = g_str_has_prefix(*word, "-r") || g_str_has_prefix(*word, "--requirement=");
    return t->kind == KILN_TOOL_SYSTEM ||
           (t->kind == KILN_TOOL_PACKAGES && names->len > 0 && !listed);
}

bool kiln_command_is_harmless(const KilnCommand *c)
{
    static const char *const harmless[] = {":",
                                           "true",
                                           "cd",
                                           "rm",
                                           "mkdir",
                                           "set",
                                           "echo",
                                           "printf",
                                           "export",
                                           "unset",
                                           "fi",
                                           "done",
                                           "}",
                                           "ln",
                                           "chmod",
                                           "chown",
                                           "adduser",
                                           "useradd",
                                           "groupadd",
                                           "addgroup",
                                           "locale-gen",
                                           "update-ca-certificates",
                                           "dpkg-reconfigure",
                                           "debconf-set-selections",
                                           "ldconfig",
                                           "umask",
                                           "shopt",
                                           "id",
                                           "which",
                                           "touch",
                                           "dpkg",
                                           "apt-mark",
                                           "corepack",
                                           "virtualenv",
                                           NULL};
    static const struct {
        const char *program;
        const char *verbs[8];
    } partly[] = {
        {"apt-get", {"update", "clean", "autoclean", "autoremove", "upgrade", "purge", "remove"}},
        {"apt", {"update", "clean", "autoclean", "autoremove", "upgrade", "purge", "remove"}},
        {"apk", {"update", "del", "upgrade", "cache"}},
        {"dnf", {"clean", "update", "makecache", "upgrade", "remove"}},
        {"yum", {"clean", "update", "makecache", "upgrade", "remove"}},
        {"microdnf", {"clean", "update", "remove"}},
        {"npm", {"cache", "config", "set"}},
        {"yarn", {"cache", "config"}},
        {"pip", {"cache", "config"}},
        {"bundle", {"config"}},
        {"poetry", {"config"}},
        {"composer", {"clear-cache", "clearcache", "config"}}};
    if (g_strv_contains(harmless, c->words[0]))
        return true;
    if (g_str_has_prefix(c->words[0], "python") && g_strcmp0(c->words[1], "-m") == 0)
        return g_strcmp0(c->words[2], "venv") == 0 || g_strcmp0(c->words[2], "ensurepip") == 0;
    char **verb = kiln_command_verb(c, NULL);
    for (gsize n = 0; verb && n < G_N_ELEMENTS(partly); n++)
        if (g_str_equal(partly[n].program, c->words[0]) && g_strv_contains(partly[n].verbs, *verb))
            return true;
    return false;
}

const char *kiln_build_tool_of(const KilnCommand *c, const KilnTool *t)
{
    static const char *const packages[] = {
        "build-essential", "gcc",    "g++",    "clang", "make",  "cmake",   "build-base",
        "maven",           "gradle", "golang", "cargo", "rustc", "gcc-c++", NULL};
    static const char *const builders[] = {"npm", "yarn", "pnpm", NULL};
    if (t && t->kind == KILN_TOOL_SYSTEM)
        for (char **word = c->words + 1; *word; word++)
            if (g_strv_contains(packages, *word))
                return *word;
    if (t && t->kind == KILN_TOOL_BUILD && !kiln_tool_only_fetches(t, c))
        return t->name;
    char **verb = g_strv_contains(builders, c->words[0]) ? kiln_command_verb(c, NULL) : NULL;
    if (verb && g_str_equal(*verb, "run"))
        verb++;
    return verb && g_strcmp0(*verb, "build") == 0 ? c->words[0] : NULL;
}
