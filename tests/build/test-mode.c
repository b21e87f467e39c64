#include "build/mode.h"

#include <glib.h>

typedef struct {
    const char *text;
    uint16_t mode;
    bool directory;
    uint16_t expected;
} Case;

/* As chmod(1) does it with a umask of 0. */
static const Case cases[] = {
    {"755", 0644, false, 0755},
    {"0", 0644, false, 0},
    {"7777", 0644, true, 07777},
    {"u+x", 0644, false, 0744},
    {"+x", 0644, false, 0755},
    {"a-w", 0666, false, 0444},
    {"go=", 0777, false, 0700},
    {"=r", 0777, false, 0444},
    {"u=rwX,go=rX", 0640, false, 0644},
    {"u=rwX,go=rX", 0750, false, 0755},
    {"u=rwX,go=rX", 0600, true, 0755},
    {"a-x,a+X", 0755, false, 0755}, /* X looks at the mode before */
    {"g=u", 0740, false, 0770},
    {"o=u-w", 0740, false, 0745},
    {"u-x+w,g+w", 0555, false, 0675},
    {"g+u", 0610, false, 0670},
    {"u+s,g+s,+t", 0755, true, 07755},
    {"u+t", 0755, true, 01755},
    {"o+t", 0755, true, 0755},
    {"o+s", 0755, false, 0755},
    {"u+w", 06555, false, 06755}, /* set-id bits stay */
    {"u=rwx", 06755, false, 02755},
    {"g=u", 02700, false, 02770},
};

static void test_apply(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        g_test_message("%s of %04o", c->text, c->mode);
        g_assert_cmpuint(kiln_mode_apply(c->text, c->mode, c->directory), ==, c->expected);
    }
}

static void test_octal(void)
{
    uint16_t mode = 1;
    g_assert_true(kiln_mode_parse_octal("04711", &mode));
    g_assert_cmpuint(mode, ==, 04711);
    const char *const not_octal[] = {"", "8", "10000", "-1", "u+x", "0x7"};
    for (gsize i = 0; i < G_N_ELEMENTS(not_octal); i++)
        g_assert_false(kiln_mode_parse_octal(not_octal[i], &mode));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mode/apply", test_apply);
    g_test_add_func("/mode/octal", test_octal);
    return g_test_run();
}
