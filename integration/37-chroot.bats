#!/usr/bin/env bats
# Where there are no namespaces: kiln inside containers that runc makes as Docker and Kubernetes would.

setup() {
    load lib.bash
}

# Runs a shell command in a container of a kind (container.py) whose root is this host's, on an overlay. Its
# /context and /out are $CONTEXT and $OUT, its store is made for it.
container() { # KIND COMMAND
    local base=$BATS_TEST_TMPDIR/container
    workdir root >/dev/null # opens the way there to ids that are mapped
    mkdir -p "$base" "${OUT:=$BATS_TEST_TMPDIR/out}" "${CONTEXT:=$BATS_TEST_TMPDIR/context}"
    chmod 1777 "$OUT"
    # shellcheck disable=SC2016
    timeout -k 5 200 unshare --mount --pid --fork --kill-child --mount-proc bash -c '
        set -e
        kind=$1 base=$2 here=$3
        mount -t tmpfs tmpfs "$base"
        chmod 755 "$base"
        mkdir -p "$base"/{upper,work,rootfs}
        mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$base/rootfs"
        mkdir -p "$base"/rootfs/{kiln,store,fixtures,context,out}
        chmod 1777 "$base/rootfs/store"
        mount --bind "$KILN_IT/bin" "$base/rootfs/kiln"
        mount --bind "$FIXTURES" "$base/rootfs/fixtures"
        mount --bind "$CONTEXT" "$base/rootfs/context"
        mount --bind "$OUT" "$base/rootfs/out"
        python3 "$here/container.py" "$kind" "$here/../runtime/profiles/default.json" sh -c "$4" >"$base/config.json"
        [ "$kind" != masked ] || chown 2000000:2000000 "$base/rootfs/store"
        cd "$base"
        exec runc --root "$base/state" run -b "$base" "kiln-test-$BASHPID-$RANDOM"
    ' bash "$1" "$base" "$BATS_TEST_DIRNAME" "$2" </dev/null 2>&1
}

export_variables() {
    export KILN_IT FIXTURES CONTEXT OUT
    CONTEXT=$BATS_TEST_TMPDIR/context OUT=$BATS_TEST_TMPDIR/out
    mkdir -p "$CONTEXT" "$OUT"
}

import='kiln import /fixtures/busybox.tar busybox >/dev/null; kiln import /fixtures/debian.tar debian:bookworm-slim >/dev/null;'

@test "chroot: chosen by itself in a stock container, said in one warning, and the image is that of namespaces" {
    export_variables
    echo file >"$CONTEXT/file"
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM debian:bookworm-slim
COPY file /etc/one
RUN useradd -m -u 1234 bob && chown bob /etc/one && echo more >>/etc/one && mkdir /a && ln /etc/one /a/link
RUN su bob -c 'touch ~/by-su' && mkfifo /a/fifo && chmod 4755 /bin/true && rm -rf /usr/share/doc
WORKDIR /w
USER bob
RUN touch ~/by-bob; id -un >/tmp/who
USER root
RUN rm -rf /srv && mv /a/link /a/moved && rm /etc/one && chmod 700 /opt
RUN echo x >/dev/shm/x; echo x >/sys/x; echo x >/etc/hosts; rm -f /etc/resolv.conf; true
END
    run container docker "$import kiln build --progress plain -o type=oci,dest=/out/chroot.tar /context"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [ "$(grep -c '^WARNING' <<<"$output")" -eq 1 ]
    [[ $output == *'WARNING: RUN is isolated by chroot alone'*'no /proc'*'no private process ids'*'no security boundary'* ]]
    build root --no-cache -o "type=oci,dest=$OUT/namespaces.tar" "$CONTEXT"
    diff <(listing "$(unpack "$OUT/chroot.tar")") <(listing "$(unpack "$OUT/namespaces.tar")")
}

@test "chroot: mounts of a RUN are moved into their places, and nothing of them stays in the image or the store" {
    export_variables
    echo file >"$CONTEXT/file"
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM debian:bookworm-slim
RUN --mount=type=cache,target=/var/cache/apt --mount=type=secret,id=s --mount=type=tmpfs,target=/opt \
    --mount=type=bind,target=/mnt/context \
    grep -q xyzzy-secret /run/secrets/s && [ -f /mnt/context/file ] && [ -z "$(ls -A /opt)" ] && [ -z "$(ls -A /var/cache/apt)" ] && \
    touch /var/cache/apt/kept /opt/gone /mnt/context/gone && mv /run/secrets/s /moved && ln /moved /linked
RUN --mount=type=cache,target=/var/cache/apt <<SCRIPT
#!/bin/sh
[ -f /var/cache/apt/kept ] && [ ! -s /moved ] && [ ! -e /mnt/context ] && [ ! -e /opt/gone ]
SCRIPT
RUN [ -d /var/cache/apt/archives ] && [ ! -e /var/cache/apt/kept ]
END
    run container docker "$import echo xyzzy-secret >/s; kiln build --secret id=s,src=/s --progress plain -o type=oci,dest=/out/i.tar /context &&
        kiln build --no-cache --secret id=s,src=/s --progress plain /context >/dev/null 2>&1; echo again \$?
        grep -rl xyzzy-secret /store; find /store/kiln/tmp -mindepth 1; find /store/kiln/caches -name kept"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    echo "$output"
    [[ $output == *'again 1'*/store/kiln/caches/*/kept ]] # the cache is not empty any more
    [[ $output != *$'\n/store/kiln/'@(layers|tmp|blobs)* ]]
    rootfs=$(unpack "$OUT/i.tar")
    [ ! -e "$rootfs/run/secrets" ]
    [ ! -e "$rootfs/mnt/context" ]
    [ ! -s "$rootfs/moved" ]
    [ ! -e "$rootfs/var/cache/apt/kept" ]
}

@test "chroot: what a command leaves running is ended, also when kiln is killed, and secrets are emptied" {
    export_variables
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
RUN (setsid sleep 5000 &); setsid sh -c 'trap "" TERM; sleep 5001' & true
END
    cat >"$CONTEXT/Dockerfile.hang" <<'END'
FROM busybox
RUN --mount=type=secret,id=s touch /started; (setsid sleep 5002 &); sleep 5003
END
    # shellcheck disable=SC2016
    run container docker "$import"' kiln build --progress plain /context >/dev/null 2>&1; echo built $?
        ps ax | grep "sleep 500[0-9]$"; echo xyzzy-secret >/s
        kiln build --secret id=s,src=/s -f /context/Dockerfile.hang /context >/dev/null 2>&1 &
        until find /store/kiln/tmp -name started | grep -q .; do :; done
        kill -9 $(pgrep -o kiln-builder); wait
        while pgrep sleep >/dev/null; do :; done
        grep -rl xyzzy-secret /store; echo ended'
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    echo "$output"
    [ "$output" = $'built 0\nended' ]
}

@test "chroot: the builder's files, environment and memory are out of sight; one container builds many images" {
    export_variables
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM debian:bookworm-slim
ARG N
RUN for d in kiln store context fixtures; do [ ! -e /$d ] || exit 1; done; ! env | grep -q KILN && \
    [ -z "$(ls -A /proc)" ] && [ -z "$(ls -A /sys)" ]
RUN echo $N >/n && exec 3>&1 && ! (: <&4) 2>/dev/null && ! (: <&5) 2>/dev/null
END
    # shellcheck disable=SC2016
    run container docker "$import"' for n in 1 2 3 4 5; do
            kiln build --build-arg N=$n -t image$n --progress plain /context >/log 2>&1 || cat /log; done
        kiln images | grep -c image; find /store/kiln/tmp -mindepth 1; pgrep kiln'
    [ "$status" -eq 1 ] # pgrep found none
    echo "$output"
    [ "$output" = 5 ]
}

@test "chroot: what it cannot do is refused by name" {
    export_variables
    printf 'FROM busybox\nRUN --network=none true\n' >"$CONTEXT/Dockerfile"
    printf 'FROM busybox\nRUN --mount=type=cache,target=/a --mount=type=cache,id=/a,target=/b true\n' >"$CONTEXT/Dockerfile.twice"
    run container docker "$import kiln build --progress plain /context; echo status \$?"
    [[ $output == *'Dockerfile:2:1: network "none" needs a network namespace'*'isolation "chroot"'*'status 1'* ]]
    run container docker "$import kiln build --progress plain -f /context/Dockerfile.twice /context; echo status \$?"
    [[ $output == *'/b and /a are the same cache mount'*'status 1'* ]]
    run container docker "$import kiln build --isolation=userns /context; echo status \$?"
    [[ $output == *'cannot make a user namespace'*'status 3'* ]]
    run container docker "kiln doctor; echo status \$?"
    [[ $output == *isolation*chroot*snapshotter*copy*'status 0'* ]]
}

@test "chroot and proot: settings that protect are refused, and those without an effect are warned of" {
    export_variables
    printf 'FROM busybox\nRUN grep -q 10.1.2.3 /etc/hosts && grep -q 10.4.5.6 /etc/resolv.conf && grep -qx named /etc/hostname\n' >"$CONTEXT/Dockerfile"
    echo '{"defaultAction": "SCMP_ACT_ALLOW"}' >"$CONTEXT/profile"
    local kind flag refused=$'status 3\nstatus 3\nstatus 3\nstatus 0'
    for kind in docker restricted; do
        # shellcheck disable=SC2016
        run container "$kind" "$import"' for flag in --security-opt=seccomp=/context/profile \
                --security-opt=no-new-privileges --network=private \
                "--security-opt=seccomp=builtin --emulate=full --shm-size=1m --hostname=named --add-host=a:10.1.2.3 --dns=10.4.5.6"; do
            kiln build --progress plain $flag /context; echo status $?; done'
        echo "$output"
        [ "$(grep '^status' <<<"$output")" = "$refused" ]
        for flag in '--security-opt seccomp=FILE' '--security-opt no-new-privileges' --network=private; do
            grep -q -- "^ERROR: $flag cannot be had with isolation .*start kiln's container with it" <<<"$output"
        done
        [ "$(grep -c '^WARNING: --emulate has no effect' <<<"$output")" -eq 1 ]
        [ "$(grep -c '^WARNING: --shm-size is not kept' <<<"$output")" -eq 1 ]
        [ "$(grep -c '^WARNING: the host name is that of this container' <<<"$output")" -eq 1 ]
    done
}

@test "chroot: kiln run runs a command" {
    export_variables
    # shellcheck disable=SC2016
    run container docker "$import"' echo input | kiln run -i busybox sh -c "cat; id -u; ls /proc; exit 7"; echo status $?
        kiln run --security-opt no-new-privileges busybox true; echo status $?
        script -qec "kiln run -t busybox sh -c \"[ -t 0 ] && stty size >/dev/null && echo terminal\"" /dev/null </dev/null'
    echo "$output"
    [[ $output == *'WARNING: RUN is isolated by chroot alone'*$'input\n0\nstatus 7'* ]]
    [[ $output == *'--security-opt no-new-privileges cannot be had'*'status 125'*terminal* ]]
}

@test "proot: an arbitrary user without capabilities builds" {
    export_variables
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
RUN (sleep 5000 &); [ $(id -u) = 0 ] && echo one >/file && chown 33:44 /file && [ -r /proc/self/status ]
USER 33
RUN [ $(id -u) = 33 ] && ls /file
USER root
RUN --mount=type=cache,target=/cache --mount=type=secret,id=s grep -q xyzzy-secret /run/secrets/s && echo two >>/file && rm /bin/vi
END
    run container restricted "$import echo xyzzy-secret >/out/s; kiln build --secret id=s,src=/out/s --progress plain -o type=oci,dest=/out/i.tar /context
        find /store/kiln/tmp -mindepth 1; pgrep sleep; kiln doctor"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [[ $output == *'WARNING: RUN is run by proot'*'owners of files are all root'*'no security boundary'* ]]
    [[ $output == *isolation*proot* ]]
    [[ $output != *$'\n/store/kiln/tmp/'* ]]
    rootfs=$(unpack "$OUT/i.tar")
    [ "$(cat "$rootfs/file")" = $'one\ntwo' ]
    [ "$(stat -c %u "$rootfs/file")" = 0 ]
    [ ! -e "$rootfs/bin/vi" ]
}

@test "a container with a user namespace of its own builds with namespaces" {
    export_variables
    printf 'FROM busybox\nRUN [ $$ = 2 ] && chown 33 /root\n' >"$CONTEXT/Dockerfile"
    run container masked "$import kiln build --progress plain /context"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    [[ $output != *'WARNING: parts of /proc'* ]]
}

@test "where /proc is covered, RUN gets the outer one and no pid namespace, and it is said" {
    dir=$(workdir ranged)
    # shellcheck disable=SC2016
    printf 'FROM busybox\nRUN [ $$ != 1 ] && [ -r /proc/$$/status ] && [ ! -s /proc/timer_list ] && ! (echo x >/proc/sys/kernel/hostname) 2>/dev/null; (setsid sleep 5004 &)\nRUN exit 7\n' >"$dir/Dockerfile"
    own ranged "$dir"
    export -f build as
    run timeout -k 5 60 unshare -m bash -c 'mount --bind /dev/null /proc/timer_list; export KILN_IT; build ranged --no-cache "$1"' bash "$dir"
    [ "$status" -eq 1 ]
    [[ $output == *'WARNING: parts of /proc are covered here'* ]]
    [[ $output == *'#3 DONE'*'did not complete successfully: exit code: 7'* ]] || { echo "$output"; false; }
    refute pgrep -f 'sleep 5004'
}

@test "where /proc is the outer one, what emulates owners and devices leads a command to no process outside" {
    for role in ranged single; do
        dir=$(workdir "$role")
        mkdir -p "$dir/context" "$dir/outside"
        touch "$dir/outside/file"
        cat >"$dir/context/Dockerfile" <<END
FROM debian:bookworm-slim
RUN for p in \$(grep -l kiln /proc/[0-9]*/comm); do p=\${p%/comm}; there=\$p/root$dir/outside; \\
        mknod \$there/device c 1 3; chown 33:44 \$there/file; chmod 6777 \$there/file; mkdir \$there/directory; \\
        setpriv --reuid 1000 --clear-groups sh -c "echo out >\$there/made; mkdir \$there/hers; mkfifo \$there/fifo"; \\
    done 2>/dev/null; \\
    for p in /proc/self \$(grep -l kiln /proc/[0-9]*/comm); do p=\${p%/comm}; for fd in exe fd/0 fd/3 fd/4 fd/5 fd/6 fd/7; do \\
        chown 33 \$p/\$fd && echo chown \$p/\$fd; mknod \$p/\$fd/by-fd c 1 3 && echo mknod \$p/\$fd; \\
    done; done 2>/dev/null; \\
    mknod /null c 1 3 && chown 33 /dev/stdout && echo all was tried
RUN --security=insecure mknod /null2 c 1 3; for p in \$(grep -l kiln-superv /proc/[0-9]*/comm); do p=\${p%/comm}; \\
        ls \$p/fd/3/../ && echo reached \$p; done 2>/dev/null; echo insecure was tried
END
        own "$role" "$dir"
        export -f build as
        # shellcheck disable=SC2016
        run timeout -k 5 60 unshare -m bash -c '
            mount --bind /dev/null /proc/timer_list; export KILN_IT
            build "$1" --allow security.insecure --no-cache "$2"' bash "$role" "$dir/context"
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        [[ $output == *'WARNING: parts of /proc are covered here'*'all was tried'*'insecure was tried'* ]]
        [[ $output != *'mknod /proc/'* && $output != *'reached /proc/'* ]] || { echo "$output"; false; }
        # the kernel answers the user with subordinate ids, and of the command's own program
        [[ $role = ranged || $output != *'chown /proc/'*/exe* ]] || { echo "$output"; false; }
        [ "$(ls "$dir/outside")" = file ] || { ls -l "$dir/outside"; false; }
        [ "$(stat -c %a "$dir/outside/file")" = 644 ]
        run getfattr -d -m - "$dir/outside/file"
        [ "$output" = "" ] || { echo "$output"; false; }
    done
}

@test "--isolation: unknown ones and those that this host or user cannot have are refused" {
    dir=$(workdir ranged)
    printf 'FROM busybox\nRUN true\n' >"$dir/Dockerfile"
    own ranged "$dir"
    run build ranged --isolation=hyperv "$dir"
    [ "$status" -eq 2 ]
    [[ $output == *'--isolation hyperv: unknown isolation (auto, userns, chroot, proot)'* ]]
    run as ranged env KILN_ISOLATION=jail kiln images
    [ "$status" -eq 2 ]
    [[ $output == *'KILN_ISOLATION=jail: unknown isolation'* ]]
    run build ranged --isolation=chroot "$dir"
    [ "$status" -eq 3 ]
    [[ $output == *'--isolation=chroot: it needs root'* ]]
    run as ranged env PATH="$KILN_IT/bin" kiln build --isolation=proot "$dir"
    [ "$status" -eq 3 ]
    [[ $output == *'the program proot is not installed (sudo apt-get install proot)'* ]]
    build ranged --isolation=default "$dir"
}
