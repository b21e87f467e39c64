#!/usr/bin/env bats
# What a RUN command sees, may do, and leaves behind.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

# Builds one RUN on busybox without cache, as a role; its output is in $output.
run_in() { # ROLE COMMAND
    local context
    context=$(workdir "$1")/context
    mkdir -p "$context"
    printf 'FROM busybox\nRUN %s\n' "$2" >"$context/Dockerfile"
    own "$1" "$context"
    run build "$1" --no-cache -o "type=oci,dest=$context/out.tar" "$context"
    OUT=$context/out.tar
}

@test "namespaces of its own: it is the child of process 1, sees no host mounts, and has its own hostname" {
    for role in ranged single root; do
        run_in "$role" 'echo pid-$$; echo parent-$PPID; set -- /proc/[0-9]*; echo procs-$#; hostname; grep -c /var/tmp/kiln /proc/mounts || true'
        [ "$status" -eq 0 ]
        [[ $output == *pid-2* && $output == *parent-1* && $output == *procs-2* ]] # init and sh
        [[ $output == *buildkitsandbox* ]]
    done
}

@test "Docker's default capabilities, seccomp on, no_new_privs off" {
    for role in ranged single root; do
        run_in "$role" 'grep -E "CapEff|CapBnd|CapInh|^Seccomp:|NoNewPrivs" /proc/self/status'
        [ "$status" -eq 0 ]
        [[ $output == *"CapEff:	00000000a80425fb"* ]]
        [[ $output == *"CapBnd:	00000000a80425fb"* ]]
        [[ $output == *"CapInh:	0000000000000000"* ]]
        [[ $output == *"Seccomp:	2"* ]]
        [[ $output == *"NoNewPrivs:	0"* ]]
    done
}

@test "mount, unshare and writing to /proc/sys are refused" {
    for role in ranged single root; do
        run_in "$role" 'mount -t tmpfs none /mnt 2>&1; unshare -m true 2>&1; echo 1 > /proc/sys/kernel/sysrq; umount /proc; touch /sys/x; echo end'
        [ "$status" -eq 0 ]
        [[ $output == *end* ]]
        [ "$(grep -ciE 'not permitted|denied|read-only' <<<"$output")" -ge 4 ]
    done
}

@test "USER: ids, groups and HOME come from the image's passwd and group" {
    printf 'FROM busybox\nRUN mkdir -p /home/app && chown app:app /home/app\nUSER app\nRUN id; echo home=$HOME; touch /home/app/mine; ! touch /root-owned\nUSER 4321:1234\nRUN id\n' \
        >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *"uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)"* ]]
    [[ $output == *"home=/home/app"* ]]
    [[ $output == *"uid=4321 gid=1234"* ]]
    [ "$(stat -c %u:%g "$(unpack "$DIR/a.tar")/home/app/mine")" = 1000:1000 ]
}

@test "a USER that is not in the image is named" {
    printf 'FROM busybox\nUSER ghost\nRUN true\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *ghost* && $output == *passwd* ]]
}

@test "stdin is empty, output comes line by line, stderr too" {
    run_in ranged 'cat; echo out; echo err >&2; printf partial'
    [ "$status" -eq 0 ]
    [[ $output == *" out"* && $output == *" err"* && $output == *" partial"* ]]
}

@test "a command killed by a signal is reported with 128+n" {
    run_in ranged 'sleep 100 & kill -9 $!; wait $!'
    [ "$status" -eq 1 ]
    [[ $output == *"exit code: 137"* ]]
}

@test "a command that does not exist is reported with its name" {
    printf 'FROM busybox\nRUN ["/no/such/program"]\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"/no/such/program"* && $output == *"No such file"* ]]
}

@test "processes left behind end with the step" {
    run_in ranged 'sleep 4242 & echo started'
    [ "$status" -eq 0 ]
    refute pgrep -f 'sleep 4242'
}

@test "the layer holds what the command did, and nothing that kiln mounted" {
    for role in ranged single root; do
        printf 'FROM scratch\nCOPY busybox /bin/sh\nRUN ["/bin/sh", "-c", "echo x > /made"]\n' >"$CONTEXT/Dockerfile"
        cp /bin/busybox "$CONTEXT/busybox"
        chmod 755 "$CONTEXT" "$CONTEXT/busybox"
        dir=$(workdir "$role")
        cp -r "$CONTEXT" "$dir/ctx"
        own "$role" "$dir/ctx"
        run build "$role" --no-cache -o "type=oci,dest=$dir/ctx/a.tar" "$dir/ctx"
        [ "$status" -eq 0 ]
        rootfs=$(unpack "$dir/ctx/a.tar")
        [ "$(cd "$rootfs" && find . -mindepth 1 | LC_ALL=C sort | tr '\n' ' ')" = "./bin ./bin/sh ./made " ]
    done
}

@test "resolv.conf, hosts and hostname are there, and writes to them do not stay" {
    run_in ranged 'cat /etc/resolv.conf /etc/hosts; echo evil >> /etc/hosts; grep -q localhost /etc/hosts'
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$OUT")
    [ ! -s "$rootfs/etc/hosts" ]
}

@test "deleted files and replaced directories stay away" {
    printf 'FROM busybox\nRUN mkdir -p /d/sub && echo 1 > /d/a && echo 2 > /d/sub/b && echo 3 > /gone && ln /d/a /d/hard\nRUN rm /gone && rm -rf /d && mkdir /d && echo new > /d/c\n' \
        >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ ! -e "$rootfs/gone" ]
    [ "$(ls "$rootfs/d")" = c ]
}

@test "hard links, xattrs and file capabilities come through" {
    printf 'FROM debian:bookworm-slim\nRUN echo x > /a && ln /a /b && cp /bin/true /cap && chmod 4755 /a\nRUN ["perl", "-e", "1"]\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(stat -c %i "$rootfs/a")" = "$(stat -c %i "$rootfs/b")" ]
    [ "$(stat -c %a "$rootfs/a")" = 4755 ]
}

@test "apt-get install in a Debian base, with the packages' owners" {
    printf 'FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends cron iputils-ping\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    gid=$(awk -F: '$1 == "crontab" {print $3}' "$rootfs/etc/group")
    [ "$(stat -c %g "$rootfs/usr/bin/crontab")" = "$gid" ]
    [ "$(stat -c %a "$rootfs/usr/bin/crontab")" = 2755 ]
    getcap "$rootfs/usr/bin/ping" | grep -q cap_net_raw
}

@test "a hostile image: /etc, /proc and /dev as symlinks out of it stay inside" {
    mkdir -p "$CONTEXT/rootfs/bin"
    cp /bin/busybox "$CONTEXT/rootfs/bin/sh"
    ln -s ../../../../../../../../etc "$CONTEXT/rootfs/etc"
    tar -C "$CONTEXT/rootfs" --owner=0 --group=0 -cf "$CONTEXT/evil.tar" .
    before=$(sha256sum /etc/hosts /etc/resolv.conf)
    own ranged "$CONTEXT"
    fresh_store ranged
    as ranged kiln import "$CONTEXT/evil.tar" evil
    printf 'FROM evil\nRUN ["/bin/sh", "-c", "echo broken > /etc/hosts; echo done"]\n' >"$CONTEXT/Dockerfile"
    build ranged "$CONTEXT" || true
    [ "$before" = "$(sha256sum /etc/hosts /etc/resolv.conf)" ]
}
