/* resolv.conf of commands, and proxies that a private network does not reach. */
#include "build/network.h"
#include "build/resolv.h"

static void assert_resolv(const char *conf, const KilnRunSettings *settings, const char *host,
                          const char *private, const char *server)
{
    g_auto(KilnResolv) r = {0};
    kiln_resolv_make(conf, settings, &r);
    g_assert_cmpstr(r.host, ==, host);
    g_assert_cmpstr(r.private, ==, private);
    g_assert_cmpstr(r.dns_server, ==, server);
    g_assert_cmpint(r.dns_server != NULL, ==, r.dns_address != NULL);
}

static void test_resolv(void)
{
    const KilnRunSettings none = {0};
    assert_resolv("nameserver 203.0.113.9\nsearch a.b\n", &none, "search a.b\nnameserver 203.0.113.9\n", NULL, NULL);
    /* systemd-resolved's */
    assert_resolv("# stub\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n", &none,
                  "# stub\noptions edns0 trust-ad\nsearch lan\nnameserver 127.0.0.53\n",
                  "# stub\noptions edns0 trust-ad\nsearch lan\nnameserver 169.254.1.53\n", "127.0.0.53");
    /* the one that is forwarded to keeps its place; two are one */
    assert_resolv("nameserver\t203.0.113.9\nnameserver ::1\nnameserver 127.0.0.1\n", &none,
                  "nameserver 203.0.113.9\nnameserver ::1\nnameserver 127.0.0.1\n",
                  "nameserver 203.0.113.9\nnameserver 169.254.1.53\n", "127.0.0.1");
    assert_resolv("nameserver ::1", &none, "nameserver ::1\n", "nameserver fd6b:696c:6e00::53\n", "::1");
    assert_resolv("nameserver 0.0.0.0", &none, "nameserver 0.0.0.0\n", "nameserver 169.254.1.53\n", "127.0.0.1");
    /* resolv.conf(5): without a server it is the local machine's */
    assert_resolv(NULL, &none, "", "nameserver 169.254.1.53\n", "127.0.0.1");
}

static void test_resolv_settings(void)
{
    char *dns[] = {(char *)"203.0.113.1", (char *)"2001:db8::1", NULL};
    char *search[] = {(char *)"corp.test", NULL};
    char *options[] = {(char *)"ndots:2", (char *)"use-vc", NULL};
    const KilnRunSettings servers = {.dns = dns};
    const KilnRunSettings others = {.dns_search = search, .dns_options = options};
    assert_resolv("nameserver 127.0.0.53\nsearch lan\noptions edns0\n", &servers,
                  "search lan\noptions edns0\nnameserver 203.0.113.1\nnameserver 2001:db8::1\n", NULL, NULL);
    assert_resolv("nameserver 203.0.113.9\ndomain lan\noptions edns0\n", &others,
                  "nameserver 203.0.113.9\nsearch corp.test\noptions ndots:2 use-vc\n", NULL, NULL);
}

static void test_proxies(void)
{
    static const struct {
        const char *variable;
        bool loopback;
    } cases[] = {
        {"HTTP_PROXY=http://127.0.0.1:3128", true},
        {"https_proxy=localhost:3128", true},
        {"ALL_PROXY=socks5://user:p%40ss@[::1]:1080/", true},
        {"Ftp_Proxy=http://127.1.2.3", true},
        {"http_proxy=http://user@127.0.0.1:3128", true},
        {"http_proxy=http://proxy.test:3128", false},
        {"http_proxy=http://localhost.test:3128", false},
        {"http_proxy=http://proxy.test/127.0.0.1", false},
        {"no_proxy=127.0.0.1,localhost", false},
        {"MY_HTTP_PROXY=http://127.0.0.1:3128", false},
        {"http_proxy=", false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *env[] = {(char *)"PATH=/bin", (char *)cases[i].variable, NULL};
        g_test_message("%s", cases[i].variable);
        g_assert_cmpstr(kiln_network_loopback_proxy(env), ==, cases[i].loopback ? cases[i].variable : NULL);
    }
    g_assert_null(kiln_network_loopback_proxy(NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/network/resolv", test_resolv);
    g_test_add_func("/network/resolv-settings", test_resolv_settings);
    g_test_add_func("/network/proxies", test_proxies);
    return g_test_run();
}
