/* Emulation as a command sees it, and what is left of it in the upper directory: owners, devices,
 * users. The base is busybox, whose applets are as good as any program. */
#include "emulated.h"

#include <sys/sysmacros.h>

static void test_chown(Sandbox *s)
{
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "cd /tmp; echo x > f; mkdir d; chown 7:8 f d; stat -c '%n %u:%g' f d;"
                    "chown 0:0 d; stat -c '%n %u:%g' d; chown :9 f; stat -c '%n %u:%g' f",
                    "f 7:8\nd 7:8\nd 0:0\nf 7:9\n");
    assert_record(s, "tmp/f", "f 644 7 9 0 0");
    assert_record(s, "tmp/d", "No data available");
}

static void test_chown_of_a_layers_file_copies_it_up(Sandbox *s)
{
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0, "chown 7:8 /etc/motd; stat -c %u:%g /etc/motd",
                    "7:8\n");
    assert_record(s, "etc/motd", "f 644 7 8 0 0");
}

/* chown(2): of all but directories, even when it changes nothing. */
static void test_chown_clears_set_id_bits(Sandbox *s)
{
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "cd /tmp; touch f; chmod 6755 f; chown 7:8 f; stat -c %a f; "
                    "chmod 4711 f; chown 7 f; stat -c %a f",
                    "755\n711\n");
}

static void test_symlinks_and_fifos(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "cd /tmp; ln -s nowhere l; mkfifo p; chown -h 7:8 l; chown 9:10 p; "
                          "mv l l2; ln p p2; stat -c '%n %u:%g' l2 p p2; chown -h 0:0 l2; "
                          "stat -c %u:%g l2; ln -s x l3; stat -c %u:%g l3",
                          NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.emulate = KILNRUN_EMULATE_FULL;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "l2 7:8\np 9:10\np2 9:10\n0:0\n0:0\n");
    g_assert_cmpuint(o.result.n_records, ==, 2);
    const struct kilnrun_record *link = find_record(s, &o, "tmp/l2");
    const struct kilnrun_record *fifo = find_record(s, &o, "tmp/p");
    g_assert_nonnull(link);
    g_assert_cmpuint(link->uid, ==, 0);
    g_assert_cmpuint(link->mode & S_IFMT, ==, S_IFLNK);
    g_assert_nonnull(fifo);
    g_assert_cmpuint(fifo->uid, ==, 9);
    g_assert_cmpuint(fifo->gid, ==, 10);
    g_assert_cmpuint(fifo->mode & S_IFMT, ==, S_IFIFO);
    g_assert_null(find_record(s, &o, "tmp/l3"));
}

/* Their owners are listed by the builder, since they take no xattr. */
static void test_symlinks_of_layers(Sandbox *s)
{
    const char list[] = "l 777 7 8 0 0 etc/link\0p 600 9 10 0 0 etc/other";
    const char *argv[] = {"sh", "-c",
                          "cd /etc; stat -c %u:%g link other; touch -h link; stat -c %u:%g link; "
                          "chown -h 1:2 link; stat -c %u:%g link",
                          NULL};
    struct kilnrun_spec spec;
    int below = memfd_create("below", MFD_CLOEXEC);

    g_assert_no_errno(below);
    g_assert_cmpint((int)write(below, list, sizeof list), ==, sizeof list);
    sandbox_link(s, "layers/base/etc/link", "motd");
    sandbox_link(s, "layers/base/etc/other", "motd"); /* is listed as a fifo: not what is meant */
    spec = sandbox_spec(s, argv);
    spec.emulate = KILNRUN_EMULATE_FULL;
    spec.below_fd = below;
    g_auto(Outcome) o = run_spec(s, &spec);
    close(below);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "7:8\n0:0\n7:8\n1:2\n");
    const struct kilnrun_record *link = find_record(s, &o, "etc/link");
    g_assert_nonnull(link);
    g_assert_cmpuint(link->uid, ==, 1);
}

/* A layer's directory and file carry the record in their xattr, through rename and hard link. */
static void test_records_of_layers_show(Sandbox *s)
{
    g_autofree char *motd = sandbox_path(s, "layers/base/etc/motd");

    g_assert_no_errno(setxattr(motd, "user.kiln.stat", "f 640 33 44 0 0", 15, 0));
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "cd /etc; stat -c %u:%g motd; mv motd m; ln m n; cp m c; stat -c %u:%g m n c; "
                    "chown 0:0 m; stat -c %u:%g n",
                    "33:44\n33:44\n33:44\n0:0\n0:0\n");
    assert_record(s, "etc/m", "No data available");
}

static void test_owners_mode_lets_stat_tell_the_disk(Sandbox *s)
{
    assert_emulates(s, KILNRUN_EMULATE_OWNERS, 0,
                    "cd /tmp; touch f; chown 7:8 f; stat -c %u:%g f; su 7 true 2>/dev/null; id -u",
                    "0:0\n0\n");
    assert_record(s, "tmp/f", "f 644 7 8 0 0");
}

/* Symlinks lead through /proc/self to the caller's own descriptors, not the supervisor's. */
static void test_chown_of_open_files(Sandbox *s)
{
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "ln -s /proc/self/fd /tmp/fds; chown 7:8 /dev/stdout && stat -L -c %u:%g "
                    "/dev/stdout; chown 5:6 /tmp/fds/1 && stat -L -c %u:%g /proc/self/fd/1; "
                    "exec 5>/tmp/f; chown 3:4 /dev/fd/5 /proc/thread-self/fd/5; stat -c %u:%g "
                    "/tmp/f",
                    "7:8\n5:6\n3:4\n");
}

/* --- Devices --- */

static void test_devices(Sandbox *s)
{
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "cd /tmp; mknod -m 640 c c 1 3; mknod b b 260 70000; chown 0:6 b;"
                    "stat -c '%n %A %u:%g %t,%T %s' c b; mv c d; chmod 600 d; stat -c '%A' d;"
                    "test -c d && test -b b && echo devices; mknod w c 0 0 2>/dev/null || echo no",
                    "c crw-r----- 0:0 1,3 0\nb brw-r--r-- 0:6 104,11170 0\ncrw-------\n"
                    "devices\nno\n");
    assert_record(s, "tmp/d", "c 640 0 0 1 3");
    assert_record(s, "tmp/b", "b 644 0 6 260 70000");
}

static void test_devices_alone(Sandbox *s)
{
    g_auto(Outcome) o =
        run_emulated(s, KILNRUN_EMULATE_DEVICES, 0,
                     "cd /tmp; umask 027; mknod c c 1 3; mknod b b 8 1; mv b d; "
                     "mkfifo p; stat -c '%n %F %a' c d p; mknod x c 0 0 || echo no");

    assert_ran(&o);
    g_assert_nonnull(strstr(o.output, "c regular empty file 640\nd regular empty file 640\n"
                                      "p fifo 640\n"));
    g_assert_nonnull(strstr(o.output, "no\n"));
    g_assert_cmpuint(o.result.n_records, ==, 2);
    const struct kilnrun_record *c = find_record(s, &o, "tmp/c");
    const struct kilnrun_record *d = find_record(s, &o, "tmp/d");
    g_assert_nonnull(c);
    g_assert_cmpuint(c->mode & S_IFMT, ==, S_IFCHR);
    g_assert_cmpuint(c->major, ==, 1);
    g_assert_cmpuint(c->minor, ==, 3);
    g_assert_nonnull(d);
    g_assert_cmpuint(d->mode & S_IFMT, ==, S_IFBLK);
}

/* There users are real: what makes a device must have the capability, and then owns it. */
static void test_devices_alone_ask_for_the_capability(Sandbox *s)
{
    g_auto(Outcome) o =
        run_emulated(s, KILNRUN_EMULATE_DEVICES, 1000, "cd /tmp; mknod c c 1 3 || echo refused");

    assert_ran(&o);
    g_assert_nonnull(strstr(o.output, "Operation not permitted"));
    g_assert_cmpuint(o.result.n_records, ==, 0);
}

/* --- Users --- */

static void write_users(Sandbox *s)
{
    sandbox_write(s, "layers/base/etc/passwd",
                  "root:x:0:0::/root:/bin/sh\nu:x:7:8::/tmp:/bin/sh\n");
    sandbox_write(s, "layers/base/etc/group", "root:x:0:\nu:x:8:\nextra:x:99:u\n");
}

static void test_su(Sandbox *s)
{
    write_users(s);
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "chmod 1777 /tmp; su u -c 'id; (id -u); sh -c \"id -u & wait\"'; id -u",
                    "uid=7(u) gid=8(u) groups=8(u),99(extra)\n7\n7\n0\n");
}

static void test_files_of_a_user_are_its_own(Sandbox *s)
{
    write_users(s);
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "chmod 1777 /tmp; su u -c 'umask 027; cd /tmp; echo x > f; mkdir d; mkfifo p; "
                    "ln -s f l; cp f g; echo y >> f; mv g h; stat -c \"%n %u:%g %a\" f d p h; "
                    "stat -c %u:%g l'",
                    "f 7:8 640\nd 7:8 750\np 7:8 640\nh 7:8 640\n7:8\n");
    assert_record(s, "tmp/f", "f 640 7 8 0 0");
    assert_record(s, "tmp/h", "f 640 7 8 0 0");
}

static void test_set_gid_directories_hand_on_their_group(Sandbox *s)
{
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "cd /tmp; mkdir g; chown 5:6 g; chmod 2775 g; touch g/f; mkdir g/d; "
                    "ln -s x g/l; stat -c '%n %u:%g %a' g/f g/d; stat -c %u:%g g/l",
                    "g/f 0:6 644\ng/d 0:6 2755\n0:6\n");
}

static void test_a_user_is_refused_what_is_roots(Sandbox *s)
{
    g_auto(Outcome) o =
        run_emulated(s, KILNRUN_EMULATE_FULL, 7,
                     "exec 2>/dev/null; touch /etc/x || echo create; mkdir /etc/d || echo mkdir;"
                     "ln -s a /etc/l || echo symlink; echo x >> /etc/motd || echo append;"
                     "chown 7 /etc/motd || echo chown; chmod u+s /bin/busybox || echo chmod;"
                     "mknod /tmp/c c 1 3 || echo mknod; chroot / true || echo chroot;"
                     "(exec >/tmp/own); chown 0 /tmp/own || echo give");

    assert_ran(&o);
    g_assert_cmpstr(o.output, ==,
                    "create\nmkdir\nsymlink\nappend\nchown\nchmod\nmknod\nchroot\ngive\n");
}

static void test_user_of_the_spec(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "id -u; id -g; id -G; echo x > /tmp/f; stat -c %u:%g /tmp/f",
                          NULL};
    const gid_t groups[] = {1000, 20, 44};
    g_autofree char *tmp = sandbox_path(s, "layers/base/tmp");
    struct kilnrun_spec spec;

    g_assert_no_errno(chmod(tmp, 01777));
    spec = sandbox_spec(s, argv);
    spec.emulate = KILNRUN_EMULATE_FULL;
    spec.uid = 1000;
    spec.gid = 1000;
    spec.groups = groups;
    spec.n_groups = G_N_ELEMENTS(groups);
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "1000\n1000\n1000 20 44\n1000:1000\n");
}

/* busybox gives set-id powers up at once, except where an applet cannot do without, as su. */
static void test_set_uid_programs(Sandbox *s)
{
    sandbox_write(s, "layers/base/etc/passwd", "root::0:0::/root:/bin/sh\nu:x:7:8::/tmp:/bin/sh\n");
    assert_emulates(s, KILNRUN_EMULATE_FULL, 0,
                    "mkdir /set /not; cp /bin/busybox /set/su; cp /bin/busybox /not/su; "
                    "chmod 4755 /set/su; su u -c '/set/su root -c \"id -u\"; id -u; "
                    "/not/su root -c \"id -u\" 2>/dev/null; id -u'; chown u /set/su; "
                    "chmod u+s /set/su; su u -c '/set/su root -c id 2>/dev/null || id -u'",
                    "0\n7\n7\n7\n");
}

/* Its name is resolved in the root of the caller. */
static void test_chroot(Sandbox *s)
{
    assert_emulates(
        s, KILNRUN_EMULATE_FULL, 0,
        "mkdir -p /r/bin /r/etc; cp /bin/busybox /r/bin; ln -s /etc/f /r/link; "
        "ln -s ../../../../etc/motd /r/up; touch /r/etc/f /etc/f;"
        "chroot /r /bin/busybox sh -c 'busybox chown 7:8 /link; busybox mknod /c c 1 3; "
        "cd /etc; busybox chown 3:4 ../../../etc; busybox chown 9 /up; true' 2>&1;"
        "stat -c '%n %u:%g' /r/etc/f /etc/f /r/etc /etc /etc/motd; stat -c %t,%T /r/c",
        "chown: /up: No such file or directory\n"
        "/r/etc/f 7:8\n/etc/f 0:0\n/r/etc 3:4\n/etc 0:0\n/etc/motd 0:0\n1,3\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("chown", SINGLE, test_chown);
    add_builder_test("chown-copies-up", SINGLE, test_chown_of_a_layers_file_copies_it_up);
    add_builder_test("chown-clears-set-id-bits", SINGLE, test_chown_clears_set_id_bits);
    add_builder_test("symlinks-and-fifos", SINGLE, test_symlinks_and_fifos);
    add_builder_test("symlinks-of-layers", SINGLE, test_symlinks_of_layers);
    add_builder_test("records-of-layers", SINGLE, test_records_of_layers_show);
    add_builder_test("owners-mode", SINGLE, test_owners_mode_lets_stat_tell_the_disk);
    add_builder_test("chown-of-open-files", SINGLE, test_chown_of_open_files);
    add_builder_test("devices", SINGLE, test_devices);
    add_builder_test("devices-alone", EVERYWHERE, test_devices_alone);
    add_builder_test("devices-alone-capability", MANY_IDS,
                     test_devices_alone_ask_for_the_capability);
    add_builder_test("su", SINGLE, test_su);
    add_builder_test("files-of-a-user", SINGLE, test_files_of_a_user_are_its_own);
    add_builder_test("set-gid-directories", SINGLE, test_set_gid_directories_hand_on_their_group);
    add_builder_test("refused-to-a-user", SINGLE, test_a_user_is_refused_what_is_roots);
    add_builder_test("user-of-the-spec", SINGLE, test_user_of_the_spec);
    add_builder_test("set-uid-programs", SINGLE, test_set_uid_programs);
    add_builder_test("chroot", SINGLE, test_chroot);
    return g_test_run();
}
