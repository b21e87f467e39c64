/* USER and --chown against the passwd and group files of an image. */
#include "store.h"

#include "build/user.h"

#define PASSWD                                                                                     \
    "root:x:0:0:root:/root:/bin/sh\n"                                                              \
    "\n"                                                                                           \
    "# a comment\n"                                                                                \
    "short:x:1\n"                                                                                  \
    "app:x:1000:1001:,,,:/home/app:/bin/sh\r\n"                                                    \
    "bad:x:twelve:12::/:/bin/sh\n"                                                                 \
    "huge:x:4294967296:12::/:/bin/sh\n"                                                            \
    "minus:x:-1:12::/:/bin/sh\n"                                                                   \
    "app:x:7:7::/second:/bin/sh\n"
#define GROUP                                                                                      \
    "root:x:0:\n"                                                                                  \
    "app:x:1001:\n"                                                                                \
    "wheel:x:10:root,app\n"                                                                        \
    "almost:x:11:apple,xapp\n"                                                                     \
    "video:x:44:app\n"                                                                             \
    "broken:x:many:app\n"                                                                          \
    "brief:x\n"

/* Looks `text` up over one layer. `groups` gets them as "1 2 3". */
static bool look_up(Place *p, gint64 layer, const char *text, bool uid_is_gid, KilnUser *user,
                    char **groups, GError **error)
{
    g_autoptr(GArray) chain = g_array_new(FALSE, FALSE, sizeof(gint64));
    if (layer)
        g_array_append_val(chain, layer);
    KilnState state = {.base = chain, .depth = chain->len};
    KilnStep step = {.state = &state};
    KilnBuildOptions options = {.store = p->store};
    KilnEngine engine = {.options = &options};
    g_autoptr(KilnView) view = kiln_step_view(&engine, &step, NULL);
    bool ok = kiln_user_lookup(&engine, &step, view, text, uid_is_gid, user, error);
    GString *list = g_string_new(NULL);
    for (guint i = 0; i < user->groups->len; i++)
        g_string_append_printf(list, "%s%u", i ? " " : "", g_array_index(user->groups, guint32, i));
    *groups = g_string_free(list, FALSE);
    return ok;
}

typedef struct {
    const char *text;
    guint32 uid, gid;
    const char *groups, *home;
} Case;

static void assert_users(Place *p, gint64 layer, bool uid_is_gid, const Case *cases, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *groups = NULL;
        KilnUser user;
        g_test_message("\"%s\"", cases[i].text);
        look_up(p, layer, cases[i].text, uid_is_gid, &user, &groups, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(user.uid, ==, cases[i].uid);
        g_assert_cmpuint(user.gid, ==, cases[i].gid);
        g_assert_cmpstr(groups, ==, cases[i].groups);
        g_assert_cmpstr(user.home, ==, cases[i].home);
        kiln_user_clear(&user);
    }
}

static void assert_refused(Place *p, gint64 layer, const char *text, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *groups = NULL;
    KilnUser user;
    g_test_message("\"%s\"", text);
    g_assert_false(look_up(p, layer, text, false, &user, &groups, &error));
    g_assert_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP);
    g_assert_nonnull(strstr(error->message, part));
    kiln_user_clear(&user);
}

/* The first entry of a name counts; lines that are none do not. */
static void test_user(Place *p, gconstpointer data)
{
    (void)data;
    static const Case cases[] = {
        {NULL, 0, 0, "0 10", "/root"},
        {"", 0, 0, "0 10", "/root"},
        {"root", 0, 0, "0 10", "/root"},
        {"app", 1000, 1001, "1001 10 44", "/home/app"},
        {"1000", 1000, 1001, "1001 10 44", "/home/app"},
        {"app:", 1000, 1001, "1001 10 44", "/home/app"},
        /* a group that is named stands for all of them */
        {"app:wheel", 1000, 10, "10", "/home/app"},
        {"app:77", 1000, 77, "77", "/home/app"},
        {"1000:wheel", 1000, 10, "10", "/home/app"},
        {":wheel", 0, 10, "10", "/root"},
        /* a number need not be anybody's */
        {"4321", 4321, 0, "0", NULL},
        {"4321:1234", 4321, 1234, "1234", NULL},
        {"2147483647", 2147483647, 0, "0", NULL},
    };
    gint64 layer = make_layer(p, "etc/passwd", PASSWD, "etc/group", GROUP, NULL);
    assert_users(p, layer, false, cases, G_N_ELEMENTS(cases));
}

/* --chown: a number without a group is the group's number too. */
static void test_owner(Place *p, gconstpointer data)
{
    (void)data;
    static const Case cases[] = {
        {"app", 1000, 1001, "1001 10 44", "/home/app"},
        {"1000", 1000, 1000, "1000 10 44", "/home/app"},
        {"4321", 4321, 4321, "4321", NULL},
        {"4321:0", 4321, 0, "0", NULL},
        {"app:", 1000, 0, "0 10 44", "/home/app"}, /* as in BuildKit */
        {"4321:", 4321, 0, "0", NULL},
        {"0:wheel", 0, 10, "10", "/root"},
    };
    gint64 layer = make_layer(p, "etc/passwd", PASSWD, "etc/group", GROUP, NULL);
    assert_users(p, layer, true, cases, G_N_ELEMENTS(cases));
}

static void test_refused(Place *p, gconstpointer data)
{
    (void)data;
    gint64 layer = make_layer(p, "etc/passwd", PASSWD, "etc/group", GROUP, NULL);
    assert_refused(p, layer, "nobody", "no user \"nobody\" in /etc/passwd");
    assert_refused(p, layer, "short", "no user \"short\"");
    assert_refused(p, layer, "# a comment", "no user");
    assert_refused(p, layer, "app:nogroup", "no group \"nogroup\" in /etc/group");
    assert_refused(p, layer, "app:brief", "no group \"brief\"");
    assert_refused(p, layer, "app:broken", "no group \"broken\"");
    assert_refused(p, layer, "bad", "malformed");
    assert_refused(p, layer, "huge", "malformed");
    assert_refused(p, layer, "minus", "malformed");
    assert_refused(p, layer, "-1", "no user");
    assert_refused(p, layer, "2147483648", "no user");
    assert_refused(p, layer, "app:-1", "no group");
    assert_refused(p, layer, "app:wheel:x", "no group \"wheel:x\"");
}

/* An image without these files knows root, by name too. */
static void test_empty_image(Place *p, gconstpointer data)
{
    (void)data;
    static const Case cases[] = {
        {NULL, 0, 0, "0", NULL},
        {"root", 0, 0, "0", NULL},
        {"root:root", 0, 0, "0", NULL},
        {"12:34", 12, 34, "34", NULL},
    };
    assert_users(p, 0, false, cases, G_N_ELEMENTS(cases));
    assert_refused(p, 0, "app", "no user");
    assert_refused(p, 0, "1:app", "no group");
}

/* The files are found as the image's programs would find them, and never outside of it. */
static void test_symlinks(Place *p, gconstpointer data)
{
    (void)data;
    static const Case cases[] = {{"app", 5, 6, "6", "/x"}};
    gint64 layer = make_layer(p, "lib/passwd", "app:x:5:6::/x:\n", "etc/other", "x", "etc/passwd",
                              "->../../../lib/passwd", NULL);
    assert_users(p, layer, false, cases, 1);
    layer = make_layer(p, "etc/other", "x", "etc/passwd", "->/etc/passwd", "etc/group", "->nowhere",
                       NULL);
    assert_refused(p, layer, "root-like", "no user");
}

#define ADD(name, function) g_test_add("/user/" name, Place, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("user", test_user);
    ADD("owner", test_owner);
    ADD("refused", test_refused);
    ADD("empty-image", test_empty_image);
    ADD("symlinks", test_symlinks);
    return g_test_run();
}
