#!/usr/bin/env bats
# Nobody gets out: what integration/escape tries in a RUN is refused, for every kind of user. The first test shows that
# the same attacks work where there is no sandbox. What listens on the host is tried here without a network;
# 33-network.bats has the private one.

setup() {
    load lib
    OUTSIDE=$BATS_TEST_TMPDIR/outside # a file of the host that everybody may read
    echo "hunter2 is outside" >"$OUTSIDE"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
    chmod 644 "$OUTSIDE"
    export ESCAPE_PATH=$OUTSIDE
    VICTIM=''
}

teardown() {
    for pid in $VICTIM; do
        kill -9 "$pid" 2>/dev/null || true
    done
}

# What the attacks aim at: a process of the role's, an abstract socket and a port of the loopback device.
targets() { # ROLE
    read -r ESCAPE_PID < <(as "$1" kiln-escape wait 3>&-)
    VICTIM+=" $ESCAPE_PID"
    ESCAPE_SOCKET=kiln-escape-$ESCAPE_PID
    read -r LISTENER ESCAPE_PORT < <(python3 - "$ESCAPE_SOCKET" 3>&- <<'END'
import os, socket, sys, time
names = socket.socket(socket.AF_UNIX)
names.bind("\0" + sys.argv[1])
names.listen(64)
port = socket.create_server(("127.0.0.1", 0), backlog=64)
print(os.getpid(), port.getsockname()[1], flush=True)
time.sleep(3600)
END
    )
    VICTIM+=" $LISTENER"
    export ESCAPE_PID ESCAPE_SOCKET ESCAPE_PORT
}

context() { # ROLE: makes $CONTEXT with the attacker, Dockerfile from standard input
    CONTEXT=$(workdir "$1")/context
    rm -rf "$CONTEXT"
    mkdir -p "$CONTEXT"
    cp "$KILN_IT/bin/kiln-escape" "$CONTEXT/escape"
    cat >"$CONTEXT/Dockerfile"
    own "$1" "$CONTEXT"
}

# The variables of the attacks, for a RUN.
given() {
    env | grep '^ESCAPE_' | tr '\n' ' '
}

# Every attack of these groups was made in $output, and none worked.
all_refused() { # GROUP…
    local attack failed=0
    while read -r attack; do
        grep -qF " $attack: refused" <<<"$output" || {
            echo "not refused: $attack: $(grep -F " $attack: " <<<"$output" || echo 'it was not made')"
            failed=1
        }
    done < <(kiln-escape list "$@")
    [[ $output != *ESCAPED* ]] || failed=1
    return $failed
}

# Runs one attack as root without a sandbox: only what would outlive it is out of reach.
outside() { # ATTACK
    case $1 in
    'scan /'*) ;; # a write-open of everything that the host has is not for a test: see "scan" below
    *unmount* | *remount* | *move-mount* | *mount-setattr* | *share*)
        unshare --mount --uts --ipc sh -c '
            for file in /proc/sys /proc/timer_list /etc/hosts; do
                [ ! -e $file ] || mount --bind $file $file
            done
            for directory in /sys/firmware /sys/fs/cgroup; do mount -t tmpfs none $directory; done
            exec kiln-escape "$1"' - "$1"
        ;;
    climb | chroot-twice)
        mkdir -p "$BATS_TEST_TMPDIR/jail/tmp" "$BATS_TEST_TMPDIR/jail/deep"
        cp "$KILN_IT/bin/kiln-escape" "$BATS_TEST_TMPDIR/jail/escape"
        chroot "$BATS_TEST_TMPDIR/jail" /escape "$1"
        ;;
    abstract* | loopback*) kiln-escape "$1" ;;
    tio*) script -qec "kiln-escape '$1'" /dev/null </dev/null | tr -d '\r' ;;
    *) unshare --mount --uts --ipc --net kiln-escape "$1" ;;
    esac
}

@test "outside of a sandbox the attacks work" {
    local worked=0 attack verdict strange=''
    targets root
    while read -r attack; do
        verdict=$(outside "$attack" 2>&1 </dev/null)
        case $verdict in
        *ESCAPED*) worked=$((worked + 1)) ;;
        # what this kernel does not have
        '' | *ENOENT | *ENOSYS | *ENXIO | *'Segmentation fault' | *'it is empty') echo "cannot be shown here: $verdict" ;;
        # what this host may refuse to its root too, being a container itself
        'mknod '* | 'open '* | 'path /proc/1/root'* | 'write '* | 'make-in '* | 'call '*) echo "cannot be shown here: $verdict" ;;
        # climbing alone leads nowhere: chroot(2) holds as long as nobody has something open outside
        climb*'same root') ;;
        *) strange+="$verdict"$'\n' ;;
        esac
    done < <(kiln-escape list)
    outside 'write /proc/sys/kernel/core_pattern' | grep -q ESCAPED
    unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && kiln-escape "make-in /sys/fs/cgroup"' | grep -q ESCAPED
    printf %s "$strange"
    [ -z "$strange" ]
    echo "$worked attacks work"
    [ "$worked" -ge 140 ]
}

@test "in a RUN none of them does" {
    for role in ranged single root; do
        targets $role
        [ $role != root ] || export ESCAPE_OWN_DEVICES=1 # made by mknod for the step alone
        context $role < <(printf 'FROM busybox\nCOPY escape /\nRUN %s /escape 2>&1\n' "$(given)")
        run build $role --no-cache --network=none "$CONTEXT"
        [ "$status" -eq 0 ]
        all_refused
    done
}

@test "nor as a user of the image, nor with a working directory, a cache and a bind of the context" {
    for role in ranged root; do
        targets $role
        [ $role != root ] || export ESCAPE_OWN_DEVICES=1
        context $role < <(printf '%s\n' 'FROM busybox' 'COPY escape /' 'WORKDIR /d/e/e/p' 'USER 1000:1000' \
            "RUN --mount=type=bind,target=/bound,rw --mount=type=cache,target=/cache --mount=type=tmpfs,target=/memory $(given) /escape 2>&1")
        run build $role --no-cache --network=none "$CONTEXT"
        [ "$status" -eq 0 ]
        all_refused
    done
}

@test "with --security=insecure the host's processes, files and devices are out of reach of a user" {
    for role in ranged single; do
        targets $role
        context $role < <(printf '%s\n' 'FROM busybox' 'COPY escape /' \
            "RUN --security=insecure $(given) /escape processes path climb chroot-twice mknod chmod-node 'write /proc/sys/kernel/core_pattern' 'write /proc/sys/vm/drop_caches' 'write /proc/sys/kernel/yama/ptrace_scope' 'write /sys/kernel/mm/ksm/run' 2>&1")
        run build $role --no-cache --allow security.insecure --network=none "$CONTEXT"
        [ "$status" -eq 0 ]
        all_refused processes path climb chroot-twice mknod chmod-node 'write /proc/sys/kernel/core_pattern' \
            'write /proc/sys/vm/drop_caches' 'write /proc/sys/kernel/yama/ptrace_scope' 'write /sys/kernel/mm/ksm/run'
    done
}

@test "with the host's network its interfaces cannot be changed" {
    for role in ranged single root; do
        context $role < <(printf 'FROM busybox\nCOPY escape /\nRUN /escape set-link vsock "call vsock"\n')
        run build $role --no-cache --network=host "$CONTEXT"
        [ "$status" -eq 0 ]
        all_refused set-link 'call vsock'
    done
}

@test "a terminal that kiln has is not the command's" {
    for role in ranged single root; do
        context $role < <(printf 'FROM busybox\nCOPY escape /\nRUN /escape tiocsti tioclinux; tty; echo ended\n')
        declare -fx as
        SHELL=/bin/bash run script -qec "bash -c 'as $role kiln build --progress plain --no-cache $CONTEXT'" /dev/null </dev/null
        [ "$status" -eq 0 ]
        all_refused tiocsti tioclinux
        [[ $output == *'not a tty'* ]]
    done
}

@test "kiln's own program cannot be written, though the kernel runs it with the image's loader (CVE-2019-5736)" {
    local loader=lib64/ld-linux-x86-64.so.2
    [ "$(uname -m)" = x86_64 ] || loader=lib/ld-linux-aarch64.so.1
    for role in ranged single root; do
        context $role < <(printf '%s\n' 'FROM busybox' "COPY interpreter /$loader" 'COPY --chmod=755 script /' \
            'RUN ["/script"]' 'RUN ["/proc/self/exe"]')
        cp "$KILN_IT/bin/kiln-escape-interpreter" "$CONTEXT/interpreter"
        printf '#!/proc/self/exe\n' >"$CONTEXT/script"
        # a kiln that belongs to whoever runs it, as in his home directory
        mkdir "$CONTEXT/libexec"
        cp "$KILN_IT"/bin/kiln-{builder,remote} "$CONTEXT/libexec/"
        own $role "$CONTEXT"
        before=$(sha256sum <"$CONTEXT/libexec/kiln-builder")
        run as $role env KILN_LIBEXEC="$CONTEXT/libexec" kiln build --progress plain --no-cache "$CONTEXT"
        [ "$status" -eq 0 ]
        echo "$output"
        [ "$(grep -c 'the interpreter runs' <<<"$output")" -eq 2 ]
        [ "$(grep -c 'refused: EROFS' <<<"$output")" -eq 2 ]
        [[ $output != *ESCAPED* ]]
        [ "$before" = "$(sha256sum <"$CONTEXT/libexec/kiln-builder")" ]
    done
}

@test "a crash leaves no core, in the layer or outside, unless it is asked for" {
    for role in ranged single root; do
        context $role <<'END'
FROM busybox
WORKDIR /w
RUN grep 'core file' /proc/self/limits
RUN sh -c 'kill -SEGV $$'; echo status $?
RUN ulimit -c unlimited && sh -c 'kill -SEGV $$'; echo asked $?
END
        run bash -c "ulimit -c unlimited; . $BATS_TEST_DIRNAME/lib.bash; build $role --no-cache -o type=oci,dest=$CONTEXT/o.tar $CONTEXT"
        [ "$status" -eq 0 ]
        [[ $output =~ 'Max core file size        1  ' ]]
        [[ $output == *'status 139'* && $output == *'asked 139'* ]]
        # layers: WORKDIR, the crash, the one that asked
        layers=$(mktemp -d -p "$BATS_TEST_TMPDIR")
        tar -C "$layers" -xf "$CONTEXT/o.tar"
        cores=$(for blob in "$layers"/blobs/sha256/*; do tar -tzf "$blob" 2>/dev/null | grep '^w/.' || true; done)
        if [[ $(cat /proc/sys/kernel/core_pattern) == core* ]]; then
            [ "$(wc -w <<<"$cores")" -eq 1 ] # of the last one
        else
            [ -z "$cores" ]
        fi
    done
}

@test "nothing of a command is left when it ends: daemons, stopped processes, orphans of orphans" {
    for role in ranged single root; do
        local name=escape-left-$RANDOM$RANDOM
        cp "$KILN_IT/bin/kiln-escape" "$BATS_TEST_TMPDIR/$name"
        read -r pid < <("$BATS_TEST_TMPDIR/$name" wait 3>&-) # that they would be seen
        pgrep -f "$name wait"
        kill -9 "$pid"
        while kill -0 "$pid" 2>/dev/null; do :; done
        context $role < <(printf '%s\n' 'FROM busybox' "COPY escape /$name" \
            "RUN setsid sh -c '(trap \"\" HUP TERM INT; setsid /$name wait & setsid /$name wait & kill -STOP \$!) & exit' </dev/null >/dev/null 2>&1; (nohup /$name wait >/dev/null 2>&1 &); until [ \$(ps | grep -c '[/]$name wait') -ge 3 ]; do :; done; ps | grep -c '[/]$name wait'")
        run build $role --no-cache "$CONTEXT"
        [ "$status" -eq 0 ]
        [[ $output =~ \ [3-9]$'\n' ]]
        refute pgrep -f "$name wait"
        # with the output closed there is nothing to wait for, and so it is if it is kept open
        context $role < <(printf 'FROM busybox\nCOPY escape /%s\nRUN /%s wait & echo started\n' "$name" "$name")
        run timeout 60 bash -c ". $BATS_TEST_DIRNAME/lib.bash; build $role --no-cache $CONTEXT"
        [ "$status" -eq 0 ]
        refute pgrep -f "$name wait"
    done
}

@test "what one build plants in a cache leads another nowhere" {
    for role in ranged single root; do
        fresh_store $role busybox=busybox
        context $role <<END
FROM busybox
RUN --mount=type=cache,id=shared,target=/c ln -s $OUTSIDE /c/file && ln -s /proc/1/root /c/root && ln -s ../../../../.. /c/up && ln -s $(dirname "$OUTSIDE") /c/directory && mkfifo /c/fifo && echo planted
END
        run build $role "$CONTEXT"
        [ "$status" -eq 0 ]
        [[ $output == *planted* ]]
        context $role <<END
FROM busybox AS first
RUN --mount=type=cache,id=shared,target=/c cat /c/file /c/root$OUTSIDE /c/up$OUTSIDE /c/directory/outside; cp -a /c /copied; echo first
FROM busybox
COPY --from=first /copied /copied
RUN --mount=type=bind,from=first,source=/copied,target=/b cat /b/file /b/root$OUTSIDE /b/up$OUTSIDE /b/directory/outside; echo second
RUN --mount=type=cache,id=shared,target=/c cp /c/file /kept; echo x >/c/file; ls -la /c/; echo third
END
        run build $role --no-cache "$CONTEXT"
        [ "$status" -eq 0 ]
        [[ $output == *first* && $output == *second* && $output == *third* ]]
        [[ $output != *hunter2* ]]
        for from in 'COPY --from=first /copied/file /f' "COPY --from=first /copied/up$OUTSIDE /f" \
            "COPY --from=first /copied/directory/outside /f" "RUN --mount=type=bind,from=first,source=/copied/file,target=/f cat /f" \
            "RUN --mount=type=bind,from=first,source=/copied/up,target=/f cat /f$OUTSIDE" \
            "RUN --mount=type=cache,id=shared,source=/file,target=/f cat /f" \
            "RUN --mount=type=cache,id=shared,source=/up,target=/f cat /f$OUTSIDE"; do
            context $role < <(printf '%s\n' 'FROM busybox AS first' "RUN --mount=type=cache,id=shared,target=/c cp -a /c /copied" \
                'FROM busybox' "$from")
            run build $role "$CONTEXT"
            [ "$status" -eq 1 ]
            [[ $output != *hunter2* ]]
        done
        [ "$(cat "$OUTSIDE")" = "hunter2 is outside" ]
        assert_clean "$KILN_ROOT"
    done
}

@test "a cache's id is a name, not a path" {
    for role in ranged root; do
        fresh_store $role busybox=busybox
        for id in ../layers/1 ../../layers/1 / .. . ../../store.db "$OUTSIDE" ../../../outside 'a\tb'; do
            context $role < <(printf 'FROM busybox\nRUN --mount=type=cache,id=%s,target=/c ls -A /c | sed s/^/found-/; cat /c 2>/dev/null; touch /c/mine\n' "$id")
            run build $role "$CONTEXT"
            [ "$status" -eq 0 ] || [[ $output == *Dockerfile:2* ]]
            [[ $output != *' found-'* && $output != *hunter2* ]]
        done
        [ -z "$(find "$BATS_TEST_TMPDIR" -name mine -not -path '*/store/caches/*' -not -path '*/store/cache/*' -print -quit)" ]
    done
}
