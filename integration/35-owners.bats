#!/usr/bin/env bats
# Owners, modes, devices and capabilities are the same whoever builds: a user with subordinate ids, root, and a user
# without, whose owners are emulated. Each test builds a Dockerfile as all of them and compares the layers of the
# archives (fixtures/layers.py).

setup_file() {
    load lib
    # what packages' system users own, offline; see fixtures.sh
    mkdir "$BATS_FILE_TMPDIR/debs" "$BATS_FILE_TMPDIR/layers"
    tar -C "$BATS_FILE_TMPDIR/debs" -xf "$FIXTURES/debs.tar"
    chmod -R a+rX "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    local role
    for role in ranged single root; do # setup.sh has it for the first two
        as "$role" kiln inspect node:14 >/dev/null 2>&1 ||
            as "$role" kiln import "$FIXTURES/node.tar" node:14 >/dev/null
    done
}

setup() {
    load lib
    CONTEXT=$BATS_TEST_TMPDIR/context
    mkdir -p "$CONTEXT"
}

# Builds the Dockerfile on standard input as each role, into $BATS_TEST_TMPDIR/ROLE/image.tar.
build_as() { # ROLE…
    cat >"$CONTEXT/Dockerfile"
    local role
    for role; do
        local dir
        dir=$(workdir "$role")
        run build "$role" --build-context "debs=$BATS_FILE_TMPDIR/debs" -o "type=oci,dest=$dir/image.tar" "$CONTEXT"
        [ "$status" -eq 0 ] || { echo "$role: $output"; return 1; }
    done
}

archive() { # ROLE
    echo "$BATS_TEST_TMPDIR/$1/image.tar"
}

layers() {
    "$BATS_TEST_DIRNAME/fixtures/layers.py" --cache "$BATS_FILE_TMPDIR/layers" "$@"
}

# Fails with the differences, if there are any.
same() { # ROLE OTHER [GLOB OF PATHS WHOSE CONTENT VARIES]…
    local varies=() one=$1 other=$2 glob
    shift 2
    for glob; do varies+=(--varies "$glob"); done
    layers "${varies[@]}" "$(archive "$one")" "$(archive "$other")" || {
        echo "^ $one | $other"
        return 1
    }
}

all_same() { # [GLOB]…
    same ranged root "$@"
    same ranged single "$@"
}

# The merged tree's line of a path.
listed() { # ROLE PATH
    local list=$BATS_TEST_TMPDIR/$1/list
    [ "$list" -nt "$(archive "$1")" ] || layers --list "$(archive "$1")" >"$list"
    grep -F "'$2' " "$list"
}

@test "packages with system users: nginx, postgresql, openssh-server, dbus, cron, ping, sudo" {
    build_as ranged root single <<'END'
FROM debian:bookworm-slim
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
RUN --mount=type=bind,from=debs,target=/debs \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get install -y --no-install-recommends /debs/*_amd64.deb /debs/*_all.deb
RUN id postgres && stat -c %U:%G /var/lib/postgresql/15/main | grep -x postgres:postgres
# initdb refuses to run as root, and a data directory that is not its user's
RUN mkdir /srv/pg && chown postgres: /srv/pg && \
    su postgres -c '/usr/lib/postgresql/15/bin/initdb -D /srv/pg/data' && \
    su postgres -c '/usr/lib/postgresql/15/bin/pg_ctl -w -D /srv/pg/data -o "-k /srv/pg" -l /srv/pg/log start && \
        psql -h /srv/pg -Atc "select 6 * 7" postgres | grep -x 42 && \
        /usr/lib/postgresql/15/bin/pg_ctl -w -D /srv/pg/data -m fast stop'
RUN useradd -m -s /bin/sh alice && echo 'alice ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice && \
    su alice -c 'sudo id -u | grep -x 0; sudo -u postgres id -un | grep -x postgres; sudo touch ~/by-root; touch ~/by-alice'
RUN sshd=$(command -v sshd) && mkdir -p /run/sshd && $sshd -t && \
    getcap /usr/bin/ping | grep cap_net_raw && setcap cap_net_bind_service+ep /usr/sbin/nginx && \
    crontab -u alice - <<CRON
0 0 * * * true
CRON
END
    all_same 'var/log/*' 'var/cache/*' 'etc/ssh/ssh_host_*' 'etc/ssl/*' 'var/lib/dbus/machine-id' 'etc/machine-id' \
        'srv/pg/*' 'var/lib/postgresql/*' 'etc/shadow*' 'var/lib/apt/*' 'var/spool/cron/*'
    [[ $(listed single var/spool/cron/crontabs/alice) == *"file 0600 "* ]]
    [[ $(listed single srv/pg/data/PG_VERSION) != *" 0:0"* ]]
    [[ $(listed single usr/sbin/nginx) == *security.capability* ]]
}

@test "users and files: useradd, adduser, chown -R, tar, cp -a, install, su, setpriv, chroot" {
    cp /bin/busybox "$CONTEXT/busybox"
    build_as ranged root single <<'END'
FROM debian:bookworm-slim
COPY busybox /srv/root/bin/busybox
RUN useradd -m -u 1500 alice && groupadd -g 1600 crew && usermod -aG crew alice && \
    adduser --system --group --home /srv/svc --disabled-login svc && \
    adduser --disabled-password --gecos '' bob && passwd -d bob && chage -M 90 bob
RUN mkdir -p /srv/tree/a/b && echo x >/srv/tree/a/file && ln -s file /srv/tree/a/link && \
    ln /srv/tree/a/file /srv/tree/a/b/hard && mkfifo /srv/tree/a/fifo && chmod 4750 /srv/tree/a/file && \
    chown -R alice:crew /srv/tree && chown -h bob /srv/tree/a/link && chgrp svc /srv/tree/a/fifo && \
    chmod 2775 /srv/tree && test "$(stat -c %U:%G:%a /srv/tree)" = alice:crew:2775 && \
    test "$(stat -c %U:%G /srv/tree/a/link)" = bob:crew && test "$(stat -c %a /srv/tree/a/file)" = 750
# in another step: what is copied up, renamed, copied and changed keeps its owner
RUN cd /srv && tar -C tree -cf tree.tar . && mkdir out && tar -C out -xpf tree.tar && cp -a tree copy && \
    mv tree/a/file tree/a/renamed && mv tree/a/link tree/moved-link && mv tree/a/fifo tree/moved-fifo && \
    echo y >>tree/a/b/hard && chmod 640 copy/a/file && chown root:root copy/a/link && rm tree.tar && \
    install -o bob -g crew -m 4755 /bin/true installed && install -d -o svc -g svc -m 700 private && \
    test "$(stat -c %U:%G out/a/link)" = bob:crew
# what other users make is theirs
RUN su alice -c 'cd && touch made && mkdir dir && ln -s made link && mkfifo fifo && ln made hard && echo >dir/inner && \
        id -un && test -O made && test "$(stat -c %U fifo)" = alice' && \
    su alice -c 'umask 077; echo secret >~/private; (umask 0; mkdir ~/open)' && \
    su bob -c 'cp /srv/installed ~/'
RUN setpriv --reuid 1234 --regid 2345 --clear-groups sh -c \
        'test "$(id -u):$(id -g):$(id -G)" = 1234:2345:2345 && touch /tmp/by-1234 && ! chown 0 /tmp/by-1234 2>/dev/null' && \
    setpriv --reuid alice --regid crew --init-groups sh -c 'test "$(id -un):$(id -gn)" = alice:crew && touch /tmp/by-alice' && \
    chown alice /dev/stdout && chown 0:0 /dev/stderr && \
    mkdir /srv/sgid && chown bob:crew /srv/sgid && chmod 2777 /srv/sgid && su alice -c 'touch /srv/sgid/f && mkdir /srv/sgid/d'
RUN cd /srv/root && mkdir -m 1777 tmp && mkdir etc && touch etc/file && \
    chroot . /bin/busybox chown 5:6 /etc/file && chroot . /bin/busybox ln -s file /etc/link && \
    chroot . /bin/busybox chown -h 7:8 /etc/link && \
    chroot --userspec=1234:2345 . /bin/busybox touch /tmp/inside && \
    test "$(chroot . /bin/busybox stat -c %u:%g /etc/file /etc/link /tmp/inside | tr '\n' ' ')" = '5:6 7:8 1234:2345 '
END
    all_same 'etc/shadow*' 'var/log/*'
    [[ $(listed single srv/tree/a/b/hard) == *" 1500:1600"* ]]
    [[ $(listed single srv/tree/moved-link) == *"symlink "* ]]
    [[ $(listed single srv/root/etc/link) == *" 7:8"* ]]
    [[ $(listed single tmp/by-1234) == *" 1234:2345"* ]]
}

@test "mknod: devices in layers, in later steps, and copied to another stage" {
    build_as ranged root single <<'END'
FROM debian:bookworm-slim AS made
RUN mkdir /d && mknod /d/null c 1 3 && mknod -m 640 /d/disk b 8 1 && mknod /d/pipe p && chown 33:44 /d/disk && \
    mknod /d/zero c 0 0 2>/dev/null || true
RUN chmod 604 /d/null && chown 5:6 /d/null && mv /d/disk /d/moved && mknod /d/disk b 8 2 && ln /d/disk /d/linked
RUN rm /d/linked && mknod /d/linked c 5 1 && echo text >/d/regular
FROM debian:bookworm-slim
COPY --from=made /d /copied
COPY --from=made --chown=7:8 /d/moved /owned
RUN chmod 600 /copied/moved
END
    all_same
    for role in ranged root single; do
        [[ $(listed "$role" copied/null) == *"char 0604 5:6 1:3"* ]]
        [[ $(listed "$role" copied/moved) == *"block 0600 33:44 8:1"* ]]
        [[ $(listed "$role" copied/disk) == *"block 0644 0:0 8:2"* ]]
        [[ $(listed "$role" copied/linked) == *"char 0644 0:0 5:1"* ]]
        [[ $(listed "$role" owned) == *"block 0640 7:8 8:1"* ]]
    done
}

@test "mknod: where owners are emulated, commands see the device, too" {
    build_as single <<'END'
FROM busybox
RUN mknod /null c 1 3 && test -c /null
RUN test -c /null && test "$(stat -c %t:%T /null)" = 1:3 && mv /null /other
RUN test -c /other && chmod 600 /other
END
    [[ $(listed single other) == *"char 0600 0:0 1:3" ]]
}

@test "devices of a base survive chown, chmod, a rename and a copy-up" {
    local rootfs=$BATS_TEST_TMPDIR/rootfs role
    mkdir -p "$rootfs"/{bin,d}
    cp /bin/busybox "$rootfs/bin/busybox"
    ln -s busybox "$rootfs/bin/sh"
    local name
    for name in kept owned moded renamed moved linked; do mknod -m 660 "$rootfs/d/$name" b 8 1; done
    mknod "$rootfs/d/tty" c 4 64
    chown 33:44 "$rootfs/d/owned" "$rootfs/d/renamed"
    tar -C "$rootfs" --sort=name -cf "$BATS_TEST_TMPDIR/devices.tar" .
    for role in ranged root single; do
        as "$role" kiln import "$BATS_TEST_TMPDIR/devices.tar" devices
    done
    build_as ranged root single <<'END'
FROM devices
RUN cd /d && b=/bin/busybox && $b chown 0:0 owned && $b chmod 600 moded && $b mv renamed other && \
    $b mkdir sub && $b mv moved sub/moved && $b ln linked hard && $b chown 1:2 tty
END
    for role in ranged root single; do as "$role" kiln rmi devices; done
    all_same
    [[ $(listed ranged d/owned) == *"block 0660 0:0 8:1"* ]]
    [[ $(listed ranged d/other) == *"block 0660 33:44 8:1"* ]]
    [[ $(listed ranged d/tty) == *"char 0644 1:2 4:64"* ]]
}

@test "USER app: RUNs as a user, and what they make" {
    build_as ranged root single <<'END'
FROM debian:bookworm-slim
RUN useradd -m -u 1000 app && groupadd -g 2000 extra && usermod -aG extra app
USER app
WORKDIR /home/app/work
RUN test "$(id -u):$(id -g)" = 1000:1000 && id -G | grep -w 2000 && test "$HOME" = /home/app && \
    ! chown 0 ~ 2>/dev/null
RUN touch ~/file && mkdir -p ~/a/b && ln -s a ~/link && chmod 700 ~/a && chgrp extra ~/file
# its cache is its own
RUN --mount=type=cache,target=/home/app/.cache,uid=1000,gid=2000 touch ~/.cache/x && \
    test "$(stat -c %u:%g ~/.cache)" = 1000:2000
USER 4321:1234
RUN test "$(id -u):$(id -g)" = 4321:1234 && touch /tmp/by-number
USER root
RUN chown -R root: ~app/a && test "$(stat -c %U ~app/file)" = app
END
    all_same 'etc/shadow*' 'var/log/*'
    [[ $(listed single home/app/file) == *" 1000:2000"* ]]
    [[ $(listed single tmp/by-number) == *" 4321:1234"* ]]
}

@test "npm install with scripts" {
    build_as ranged root single <<'END'
FROM node:14
WORKDIR /app
RUN chown 1000:1000 /app && printf '{"name":"x","version":"1.0.0","dependencies":{"is-odd":"3.0.1"},"scripts":{"postinstall":"id -u > by; touch made"}}' >package.json
RUN npm install --no-audit --no-fund --no-update-notifier --cache /tmp/npm && rm -r /tmp/npm
END
    all_same
}

@test "32-bit programs" {
    local i386=$BATS_TEST_TMPDIR/i386
    dpkg-deb -x "$BATS_FILE_TMPDIR"/debs/busybox-static*_i386.deb "$i386"
    "$i386/bin/busybox" true || skip "this kernel runs no 32-bit programs"
    build_as ranged root single <<'END'
FROM debian:bookworm-slim
RUN --mount=type=bind,from=debs,target=/debs dpkg-deb --fsys-tarfile /debs/busybox-static*_i386.deb | tar -x -C /srv
RUN b=/srv/bin/busybox && mkdir /srv/d && $b touch /srv/d/f && $b chown 70000:5 /srv/d/f || $b chown 1234:5 /srv/d/f; \
    $b ln -s f /srv/d/link && $b chown -h 33:44 /srv/d/link && $b mknod /srv/d/null c 1 3 && $b chmod 4755 /srv/d/f && \
    test "$($b stat -c %u:%g /srv/d/link)" = 33:44 && \
    $b chown 65534:65534 /srv/d && chroot --userspec=65534:65534 / $b sh -c "$b id -u && $b touch /srv/d/mine"
END
    all_same
    [[ $(listed single srv/d/mine) == *" 65534:65534"* ]]
}

@test "a stranger, too, gets the owners that he asks for" {
    build_as ranged stranger <<'END'
FROM debian:bookworm-slim
RUN useradd -m -u 1001 eve && mkdir /x && chown 33:44 /x && mknod /x/null c 1 3 && su eve -c 'touch ~/hers'
USER eve
RUN test "$(id -u)" = 1001 && echo >~/more
END
    same ranged stranger 'etc/shadow*' 'var/log/*'
}

@test "--emulate=off: the kernel's refusals, with a hint; owners: no stat answers" {
    printf 'FROM busybox\nRUN chown 33:44 /tmp\n' >"$CONTEXT/Dockerfile"
    run build single --emulate=off "$CONTEXT"
    [ "$status" -eq 1 ] || { echo "$status: $output"; false; }
    [[ $output == *"hint"* && $output == *"--emulate=off"* ]]
    printf 'FROM busybox\nUSER 33\nRUN true\n' >"$CONTEXT/Dockerfile"
    run build single --emulate=off "$CONTEXT"
    [ "$status" -eq 1 ] || { echo "$status: $output"; false; }
    [[ $output == *"--emulate=off"* ]]
    local new=f$EPOCHREALTIME # no earlier run of this test has made it
    printf 'FROM busybox\nRUN touch /%s && chown 33:44 /f* && stat -c "owner-%%u:%%g" /f*\n' "$new" >"$CONTEXT/Dockerfile"
    dir=$(workdir single)
    run build single --no-cache --emulate=owners -o "type=oci,dest=$dir/image.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *owner-0:0* ]]
    [[ $(listed single "$new") == *" 33:44"* ]]
    # what was made without stat answers is not taken for what is made with them
    [[ $(as single kiln plan --emulate=owners "$CONTEXT" | grep 'RUN touch') == *" cached "* ]]
    [[ $(as single kiln plan "$CONTEXT" | grep 'RUN touch') == *" miss "* ]]
    run build single "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *owner-33:44* ]]
}

@test "--emulate: another word, and none, are refused" {
    run build single --emulate=some "$CONTEXT"
    [ "$status" -eq 2 ]
    [[ $output == *"--emulate some"* && $output == *"off, owners, full"* ]]
    run build single --emulate
    [ "$status" -eq 2 ]
}

@test "nobody makes devices or owners by xattrs" {
    build_as ranged root single <<'END'
FROM debian:bookworm-slim
RUN useradd -m app
USER app
# setxattr(2), number 188
RUN cd ~ && touch plain mine && \
    perl -e '%h = (plain => "b 4755 0 0 8 1", mine => "f 644 0 0 0 0"); \
        for (keys %h) { my ($f, $n, $v) = ($_, "user.kiln.stat", $h{$_}); syscall(188, $f, $n, $v, length $v, 0) }'
END
    all_same 'etc/shadow*' 'var/log/*'
    for role in ranged root single; do
        [[ $(listed "$role" home/app/plain) == *"file 0644 1000:1000"* ]]
        [[ $(listed "$role" home/app/mine) == *"file 0644 1000:1000"* ]]
    done
}
