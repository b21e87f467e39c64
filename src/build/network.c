#include "build/network.h"

#include "build/etc.h"
#include "build/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum { WITH_PASTA, LOOPBACK_ONLY, N_KINDS } Kind;

struct KilnNetworks {
    GMutex lock;
    char *pasta;
    GPtrArray *idle[N_KINDS]; /* struct kilnrun_network*, started, and maybe not waited for */
    GHashTable *waited;       /* those that were */
    char *problem;            /* why there is no private network */
    bool warned, warned_of_proxy;
};

static void stop(gpointer network)
{
    kilnrun_network_stop(network);
}

/* Why this host has no pasta that could be started; NULL if nothing speaks against it. *program gets its path, or
 * NULL: a real one, since what lies in /run may be hidden from pasta. */
static char *find_problem(char **program)
{
    g_autofree char *found = g_find_program_in_path("pasta");
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC), code = errno;
    char *problem = NULL;
    if (tun >= 0)
        close(tun);
    if (!found)
        problem = g_strdup("pasta, which it needs, is not installed (sudo apt-get install passt)");
    else if (tun < 0 && code == EACCES)
        problem = g_strdup("/dev/net/tun, which pasta needs, cannot be opened: Permission denied "
                           "(sudo chmod 666 /dev/net/tun; udev does that where it runs)");
    else if (tun < 0)
        problem = g_strdup_printf("/dev/net/tun, which pasta needs, cannot be opened: %s (sudo modprobe tun; in a "
                                  "container: --device /dev/net/tun)",
                                  g_strerror(code));
    char *real = found ? realpath(found, NULL) : NULL;
    if (found && !real && !problem)
        problem = g_strdup_printf("%s: %s", found, g_strerror(errno));
    *program = g_strdup(real);
    free(real);
    return problem;
}

/* In words, of kilnrun_network_wait(). */
static char *describe(int code, const struct kilnrun_failure *failure)
{
    if (failure->error == 0)
        return g_strdup_printf("kiln-launcher, which makes it, has ended: %s", g_strerror(-code));
    return failure->error == -ENETDOWN /* in pasta's words */
               ? g_strdup(failure->detail)
               : g_strdup_printf("%s: %s", failure->detail, g_strerror(-failure->error));
}

char *kiln_network_try(struct kilnrun *run, char **program)
{
    char *problem = find_problem(program);
    struct kilnrun_network_spec spec = {.pasta = *program};
    struct kilnrun_network *network = NULL;
    struct kilnrun_failure failure = {0};
    if (problem)
        return problem;
    int code = kilnrun_network_start(run, &spec, &network);
    if (code == 0)
        code = kilnrun_network_wait(network, &failure);
    kilnrun_network_stop(network);
    return code < 0 ? describe(code, &failure) : NULL;
}

static KilnNetworks *networks_of(KilnEngine *e)
{
    g_mutex_lock(&e->lock);
    if (!e->networks) {
        KilnNetworks *n = e->networks = g_new0(KilnNetworks, 1);
        g_mutex_init(&n->lock);
        for (guint i = 0; i < N_KINDS; i++)
            n->idle[i] = g_ptr_array_new_with_free_func(stop);
        n->waited = g_hash_table_new(NULL, NULL);
    }
    KilnNetworks *n = e->networks;
    g_mutex_unlock(&e->lock);
    return n;
}

void kiln_networks_free(KilnNetworks *n)
{
    if (!n)
        return;
    for (guint i = 0; i < N_KINDS; i++)
        g_ptr_array_unref(n->idle[i]);
    g_hash_table_unref(n->waited);
    g_mutex_clear(&n->lock);
    g_free(n->pasta);
    g_free(n->problem);
    g_free(n);
}

/* The lock is held. NULL with n->problem, or a negative errno in *code for the loopback device alone. */
static struct kilnrun_network *start(KilnEngine *e, KilnNetworks *n, Kind kind, const KilnEtc *etc, int *code)
{
    struct kilnrun_network_spec spec = {0};
    struct kilnrun_network *network = NULL;
    if (kind == WITH_PASTA) {
        if (!n->pasta && !n->problem)
            n->problem = find_problem(&n->pasta);
        if (n->problem)
            return NULL;
        spec = (struct kilnrun_network_spec){n->pasta, etc->dns_server, etc->dns_address};
    }
    *code = kilnrun_network_start(e->options->run, &spec, &network);
    if (*code < 0 && kind == WITH_PASTA)
        n->problem = g_strdup_printf("it cannot be started: %s", g_strerror(-*code));
    return *code < 0 ? NULL : network;
}

/* --- Ahead of need ----------------------------------------------------------------------------------- */

static bool stands_on(const KilnStep *step, const KilnStep *below)
{
    while (step && step != below)
        step = step->parent;
    return step != NULL;
}

void kiln_networks_expect(KilnEngine *e, const KilnStep *step)
{
    GPtrArray *steps = e->options->plan->steps;
    bool wanted = false;
    if (kiln_isolation_is_bare(e))
        return;
    for (guint i = step->index; i < steps->len && !wanted; i++) {
        const KilnStep *s = steps->pdata[i];
        wanted = s->kind == KILN_STEP_RUN && s->network == KILN_NETWORK_DEFAULT && stands_on(s, step);
    }
    const KilnEtc *etc = wanted ? kiln_etc_files(e, NULL) : NULL;
    if (!etc) /* the RUN will say why */
        return;
    KilnNetworks *n = networks_of(e);
    int code;
    g_mutex_lock(&n->lock);
    if (n->idle[WITH_PASTA]->len == 0 && !n->pasta) { /* the first one: others start with their RUNs */
        struct kilnrun_network *network = start(e, n, WITH_PASTA, etc, &code);
        if (network)
            g_ptr_array_add(n->idle[WITH_PASTA], network);
    }
    g_mutex_unlock(&n->lock);
}

/* --- For a RUN --------------------------------------------------------------------------------------- */

/* The lock is held. One that is idle, and whose pasta has not died. */
static struct kilnrun_network *pop(KilnNetworks *n, Kind kind)
{
    GPtrArray *idle = n->idle[kind];
    while (idle->len > 0) {
        struct kilnrun_network *network = g_ptr_array_steal_index(idle, idle->len - 1);
        if (!g_hash_table_contains(n->waited, network) || kilnrun_network_alive(network))
            return network;
        g_hash_table_remove(n->waited, network);
        kilnrun_network_stop(network);
    }
    return NULL;
}

/* What is wrong with it, which is taken down then; NULL: nothing. g_free() */
static char *wait_for(KilnNetworks *n, struct kilnrun_network *network)
{
    struct kilnrun_failure failure = {0};
    g_mutex_lock(&n->lock);
    bool waited = g_hash_table_contains(n->waited, network);
    g_mutex_unlock(&n->lock);
    if (waited)
        return NULL;
    int code = kilnrun_network_wait(network, &failure);
    if (code < 0) {
        kilnrun_network_stop(network);
        return describe(code, &failure);
    }
    g_mutex_lock(&n->lock);
    g_hash_table_add(n->waited, network);
    g_mutex_unlock(&n->lock);
    return NULL;
}

static bool take_loopback(KilnEngine *e, KilnNetworks *n, KilnNetworkUse *use, GError **error)
{
    int code = 0;
    g_mutex_lock(&n->lock);
    struct kilnrun_network *network = pop(n, LOOPBACK_ONLY);
    if (!network)
        network = start(e, n, LOOPBACK_ONLY, NULL, &code);
    g_mutex_unlock(&n->lock);
    g_autofree char *problem = network ? wait_for(n, network) : g_strdup(g_strerror(-code));
    use->network = problem ? NULL : network;
    if (problem)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_HOST,
                    "making a network without devices for the RUN: %s; kiln doctor shows what this host allows",
                    problem);
    return !problem;
}

static void warn_of_proxy(KilnEngine *e, KilnNetworks *n, const KilnStep *step)
{
    const char *proxy = kiln_network_loopback_proxy(step->proxy_env);
    if (!proxy)
        proxy = kiln_network_loopback_proxy(step->env);
    if (!proxy || n->warned_of_proxy)
        return;
    n->warned_of_proxy = true;
    g_autofree char *name = g_strndup(proxy, strcspn(proxy, "="));
    g_autofree char *text =
        g_strdup_printf("%s names a proxy on this host's loopback device, which the private network of a RUN does "
                        "not reach: build with --network=host, or name the proxy by another address of this host",
                        name);
    kiln_emit_warning(e->options->emitter, NULL, text);
}

/* The lock is held; n->problem says why. */
static bool go_without(KilnEngine *e, KilnNetworks *n, GError **error)
{
    if (e->options->run_settings.private_network) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_HOST,
                    "--network=private: there is no private network: %s", n->problem);
        return false;
    }
    if (!n->warned) {
        g_autofree char *text = g_strdup_printf(
            "RUN has the network of this host, its loopback services included; a private one cannot be had: %s. "
            "--network=host is the same without this warning",
            n->problem);
        kiln_emit_warning(e->options->emitter, NULL, text);
    }
    n->warned = true;
    return true;
}

static bool take_private(KilnEngine *e, KilnNetworks *n, const KilnStep *step, const KilnEtc *etc,
                         KilnNetworkUse *use, GError **error)
{
    int code;
    g_mutex_lock(&n->lock);
    struct kilnrun_network *network = n->problem ? NULL : pop(n, WITH_PASTA);
    if (!network && !n->problem)
        network = start(e, n, WITH_PASTA, etc, &code);
    g_mutex_unlock(&n->lock);
    g_autofree char *problem = network ? wait_for(n, network) : NULL;
    use->network = problem ? NULL : network;
    use->private = use->network != NULL;
    g_mutex_lock(&n->lock);
    if (problem && !n->problem)
        n->problem = g_steal_pointer(&problem);
    if (use->private)
        warn_of_proxy(e, n, step);
    bool ok = use->private || go_without(e, n, error);
    g_mutex_unlock(&n->lock);
    return ok;
}

bool kiln_network_take(KilnEngine *e, const KilnStep *step, KilnNetworkUse *use, GError **error)
{
    /* what may change the devices and routes of a network (CAP_NET_ADMIN) leaves none to the next */
    *use = (KilnNetworkUse){.engine = e, .once = step->insecure};
    if (step->network == KILN_NETWORK_HOST)
        return true;
    if (step->network == KILN_NETWORK_NONE)
        return take_loopback(e, networks_of(e), use, error);
    const KilnEtc *etc = kiln_etc_files(e, error);
    return etc && take_private(e, networks_of(e), step, etc, use, error);
}

void kiln_network_give(KilnNetworkUse *use)
{
    if (!use->network)
        return;
    KilnNetworks *n = networks_of(use->engine);
    g_mutex_lock(&n->lock);
    if (use->once) {
        g_hash_table_remove(n->waited, use->network);
        kilnrun_network_stop(use->network);
    } else {
        g_ptr_array_add(n->idle[use->private ? WITH_PASTA : LOOPBACK_ONLY], use->network);
    }
    g_mutex_unlock(&n->lock);
    *use = (KilnNetworkUse){0};
}

/* --- Proxies ----------------------------------------------------------------------------------------- */

static bool is_proxy_variable(const char *variable)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy"};
    gsize length = strcspn(variable, "=");
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (length == strlen(names[i]) && g_ascii_strncasecmp(variable, names[i], length) == 0)
            return variable[length] == '=';
    return false;
}

/* "[SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/…]", as curl and Go take it. */
static bool names_loopback(const char *url)
{
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
    g_autofree char *authority = g_strndup(host, strcspn(host, "/?#"));
    const char *at = strrchr(authority, '@');
    host = at ? at + 1 : authority;
    bool bracketed = *host == '[';
    g_autofree char *name = g_strndup(host + bracketed, strcspn(host + bracketed, bracketed ? "]" : ":"));
    return g_ascii_strcasecmp(name, "localhost") == 0 || g_str_has_prefix(name, "127.") ||
           strcmp(name, "::1") == 0;
}

const char *kiln_network_loopback_proxy(char *const *env)
{
    for (; env && *env; env++)
        if (is_proxy_variable(*env) && names_loopback(strchr(*env, '=') + 1))
            return *env;
    return NULL;
}
