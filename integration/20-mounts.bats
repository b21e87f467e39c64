#!/usr/bin/env bats
# RUN's flags: --mount of every type, --network, --security, --device, and what `kiln build` gives them.

bats_require_minimum_version 1.5.0

setup() {
    load lib
}

# Makes $DIR and $CONTEXT for the role; the Dockerfile is standard input.
context() { # ROLE
    DIR=$(workdir "$1")
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
    cat >"$CONTEXT/Dockerfile"
    own "$1" "$CONTEXT"
}

# Runs the build of $CONTEXT to an archive; $output is what was printed.
built() { # ROLE ARGUMENTS…
    local role=$1
    shift
    run build "$role" -o "type=oci,dest=$DIR/a.tar" "$@" "$CONTEXT"
    echo "$output"
}

each_role() { # FUNCTION
    local role
    for role in ranged single root; do
        echo "--- $role"
        "$1" "$role"
    done
}

# Output lines that the commands printed.
printed() { # PATTERN
    grep -E "^#[0-9]+ [0-9.]+ $1\$" <<<"$output"
}

# Neither in the output, nor in the store, nor in the archive, whatever it is compressed with.
assert_nowhere() { # TEXT
    refute grep -aF -- "$1" <<<"$output"
    refute grep -raF -- "$1" "$KILN_ROOT"
    mkdir -p "$DIR/unpacked"
    tar -C "$DIR/unpacked" -xf "$DIR/a.tar"
    refute grep -raF -- "$1" "$DIR/unpacked"
    local blob
    for blob in "$DIR"/unpacked/blobs/sha256/*; do
        refute grep -aqF -- "$1" <(zcat -f "$blob")
    done
}

# A build that a failed test left running would keep the suite from ending.
teardown() {
    [ -z "${HOLDER:-}" ] || pkill -INT -P "$HOLDER" kiln || true
}

@test "bind from a stage, an image and a named context: subpaths, links inside, files, read-only" {
    check() {
        context "$1" <<'END'
FROM busybox AS tools
RUN mkdir -p /d/sub && echo one >/d/x && echo two >/d/sub/y && ln -s /d/sub /d/link && rm -rf /d/gone
FROM scratch AS empty
FROM busybox
RUN --mount=from=tools,source=/d,target=/in cat /in/x /in/sub/y; touch /in/z 2>/dev/null || echo read-only
RUN --mount=from=tools,source=d/link,target=/in cat /in/y
RUN --mount=from=tools,source=/d/x,target=/file cat /file && wc -c </file
RUN --mount=from=empty,target=/none ls -A /none | wc -l
RUN --mount=from=busybox,target=/image ls -d /image/bin
RUN --mount=from=other,source=dir,target=/other cat /other/f
END
        mkdir -p "$DIR/named/real"
        echo named >"$DIR/named/real/f"
        ln -s real "$DIR/named/dir"
        own "$1" "$DIR/named"
        built "$1" --no-cache --build-context "other=$DIR/named"
        [ "$status" -eq 0 ]
        for text in one two read-only 4 0 /image/bin named; do
            printed "$text" >/dev/null
        done
        local rootfs
        rootfs=$(unpack "$DIR/a.tar")
        for path in in file none image other; do
            [ ! -e "$rootfs/$path" ]
        done
    }
    each_role check
}

@test "a writable bind: of the context, of a stage, of one file; what is written is thrown away" {
    check() {
        context "$1" <<'END'
FROM busybox AS tools
RUN mkdir /d && echo old >/d/x
FROM busybox
RUN --mount=target=/in,rw rm /in/file && echo new >/in/other && echo in-$(ls /in | tr '\n' ' ')
RUN --mount=from=tools,source=/d,target=/d,rw echo new >/d/x; echo y >/d/y; echo d-$(cat /d/x)
RUN --mount=from=tools,source=/d,target=/d echo again-$(cat /d/x) $(ls /d)
RUN --mount=source=file,target=/f,readwrite echo more >>/f; echo f-$(wc -l </f)
END
        echo keep >"$CONTEXT/file"
        own "$1" "$CONTEXT"
        built "$1" --no-cache
        [ "$status" -eq 0 ]
        printed 'in-Dockerfile other ?'
        printed 'd-new'
        printed 'again-old x'
        printed 'f-2'
        [ "$(ls "$CONTEXT" | tr '\n' ' ')" = "Dockerfile file " ]
        [ "$(cat "$CONTEXT/file")" = keep ]
        refute test -e "$(unpack "$DIR/a.tar")/d"
    }
    each_role check
}

@test "a bind of the context shows no way to processes of the host: sockets and FIFOs are not theirs" {
    check() {
        context "$1" <<'END'
FROM debian:bookworm-slim
RUN --mount=target=/c perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); print connect(S, sockaddr_un("/c/socket")) ? "reached\n" : "no-socket\n"'
RUN --mount=target=/c exec 3<>/c/fifo && echo hello >&3 && read -r line <&3 && echo own-fifo-$line
RUN --mount=source=socket,target=/s true
END
        local server # listens before it goes on in the background
        server=$(python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
pid = os.fork()
if pid:
    print(pid)
else:
    os.closerange(0, 3)
    s.accept()' "$CONTEXT/socket")
        mkfifo "$CONTEXT/fifo"
        exec 4<>"$CONTEXT/fifo"
        echo hosts >&4
        own "$1" "$CONTEXT"
        built "$1" --no-cache
        exec 4>&-
        kill $server
        [ "$status" -eq 1 ]
        printed no-socket
        printed own-fifo-hello
        [[ "$output" == *'Dockerfile:4:1: RUN --mount: "/socket" is not in the build context'* ]]
    }
    each_role check
}

@test "a bind's key: what it shows is run for again, nothing else is" {
    context ranged <<'END'
FROM busybox AS tools
ARG V
RUN echo "$V" >/v
FROM busybox
RUN --mount=source=a,target=/a --mount=from=tools,source=/v,target=/v cat /a /v
END
    KILN_ROOT=$KILN_IT/store-ranged
    local id=$RANDOM$RANDOM
    echo "$id" >"$CONTEXT/a"
    built ranged --build-arg "V=1$id"
    built ranged --build-arg "V=1$id"
    [ "$(cached)" -eq 2 ]
    echo other >"$CONTEXT/b"
    built ranged --build-arg "V=1$id"
    [ "$(cached)" -eq 2 ]
    built ranged --build-arg "V=2$id"
    [ "$(cached)" -eq 0 ]
    echo "x$id" >"$CONTEXT/a"
    built ranged --build-arg "V=2$id"
    [ "$(cached)" -eq 1 ]
}

@test "what a bind is to show and is not there is named" {
    context ranged <<'END'
FROM busybox AS tools
FROM busybox
RUN --mount=from=tools,source=/nothing/here,target=/in true
END
    built ranged
    [ "$status" -eq 1 ]
    [[ "$output" == *'Dockerfile:3:1: RUN --mount: "/nothing/here" is not in'* ]]
}

@test "mounts in mounts, in any order; variables in keys" {
    check() {
        context "$1" <<'END'
FROM busybox AS tools
RUN echo tool >/tool
FROM busybox
ARG BASE=/work
RUN --mount=from=tools,source=/tool,target=$BASE/cache/deep/tool --mount=type=cache,target=${BASE}/cache,id=nested --mount=type=tmpfs,target=/work,size=2m \
    cat /work/cache/deep/tool && df -k /work | tail -1 | awk '{print "size-" $2}' && touch /work/x /work/cache/y
RUN echo left-$(ls -A /work 2>/dev/null | wc -l)
END
        fresh_store "$1" busybox=busybox
        built "$1"
        [ "$status" -eq 0 ]
        printed tool
        printed size-2048
        printed left-0
        refute test -e "$(unpack "$DIR/a.tar")/work"
    }
    each_role check
}

@test "what mounts are made of lies nowhere: /.. is the root, and no file system of the host is mounted" {
    check() {
        context "$1" <<'END'
FROM busybox AS tools
FROM busybox
RUN --mount=type=secret,id=t [ /.. -ef / ] && echo secret-$(ls -d /../run/secrets/t)
RUN --mount=from=tools,target=/t [ /.. -ef / ] && echo bind-$(ls -d /../t)
RUN --mount=from=tools,target=/t,rw --mount=from=tools,target=/u --mount=type=secret,id=t --mount=target=/c --mount=type=cache,target=/d --mount=type=tmpfs,target=/m \
    [ /.. -ef / ] && echo roots-$(cut -d' ' -f5 /proc/self/mountinfo | grep -cx /)
END
        echo escaped >"$DIR/token"
        own "$1" "$DIR/token"
        built "$1" --no-cache --secret "id=t,src=$DIR/token"
        [ "$status" -eq 0 ]
        printed secret-/../run/secrets/t
        printed bind-/../t
        printed roots-1
    }
    each_role check
}

@test "tmpfs: its size, its mode" {
    check() {
        context "$1" <<'END'
FROM busybox
RUN --mount=type=tmpfs,target=/t,size=1m stat -c 'mode-%a' /t; dd if=/dev/zero of=/t/f bs=1k count=1025 2>/dev/null || echo full
RUN --mount=type=tmpfs,target=/t,ro touch /t/f 2>/dev/null || echo read-only
END
        built "$1" --no-cache
        [ "$status" -eq 0 ]
        printed mode-1777
        printed full
        printed read-only
    }
    each_role check
}

@test "cache: kept from build to build, by id; read-only; its first content, mode and owner" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox AS seed
RUN mkdir -p /seed/deep && echo first >/seed/deep/f && mkdir /other
FROM busybox
RUN --mount=type=cache,target=/c echo x >>/c/lines; echo lines-$(wc -l </c/lines)
RUN --mount=type=cache,target=/elsewhere,id=/c,ro echo lines-again-$(wc -l </elsewhere/lines); touch /elsewhere/y 2>/dev/null || echo read-only
RUN --mount=type=cache,target=/s,from=seed,source=/seed echo seed-$(cat /s/deep/f); echo second >/s/deep/f
RUN --mount=type=cache,target=/s,from=seed,source=/seed true && echo then-$(cat /s/deep/f)
RUN --mount=type=cache,target=/o,mode=0700,uid=0,gid=0 stat -c 'attributes-%a-%u-%g' /o
END
        built "$1" --no-cache
        [ "$status" -eq 0 ]
        printed lines-1
        printed lines-again-1
        printed read-only
        printed seed-first
        printed then-second
        printed attributes-700-0-0
        built "$1" --no-cache
        printed lines-2
        printed seed-second
        built "$1" --no-cache --build-arg BUILDKIT_CACHE_MOUNT_NS=apart
        printed lines-1
    }
    each_role check
}

@test "cache: source is a directory that an earlier build has left in it, and never a link" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox
RUN --mount=type=cache,id=parts,target=/c mkdir /c/part && echo kept >/c/part/f && ln -s part /c/link
RUN --mount=type=cache,id=parts,source=part,target=/p echo part-$(cat /p/f)
RUN --mount=type=cache,id=parts,source=link,target=/p true
END
        built "$1"
        [ "$status" -eq 1 ]
        printed part-kept
        [[ "$output" == *'Dockerfile:4:1: RUN --mount=type=cache: "/link" of the cache "parts": '* ]]
    }
    each_role check
}

@test "a locked cache is one command's at a time, in one build and in two" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox AS a
ARG BUILD
RUN --mount=type=cache,id=l,target=/l,sharing=locked mkdir /l/busy && usleep 300000 && echo a >>/l/log && rmdir /l/busy
FROM busybox AS b
ARG BUILD
RUN --mount=type=cache,id=l,target=/l,sharing=locked mkdir /l/busy && usleep 300000 && echo b >>/l/log && rmdir /l/busy
FROM busybox
COPY --from=a /etc /a
COPY --from=b /etc /b
RUN --mount=type=cache,id=l,target=/l,sharing=locked echo log-$(wc -l </l/log)
END
        build "$1" --build-arg BUILD=1 "$CONTEXT" >"$DIR/first" &
        local first=$!
        build "$1" --build-arg BUILD=2 "$CONTEXT" >"$DIR/second" || { cat "$DIR/second"; return 1; }
        wait "$first" || { cat "$DIR/first"; return 1; }
        run build "$1" --no-cache "$CONTEXT"
        printed log-6
    }
    each_role check
}

@test "locked caches in opposite orders do not wait for each other; --jobs 1 does not either" {
    fresh_store ranged busybox=busybox
    context ranged <<'END'
FROM busybox AS a
RUN --mount=type=cache,id=1,target=/1,sharing=locked --mount=type=cache,id=2,target=/2,sharing=locked usleep 100000
FROM busybox AS b
RUN --mount=type=cache,id=2,target=/2,sharing=locked --mount=type=cache,id=1,target=/1,sharing=locked usleep 100001
FROM busybox
COPY --from=a /etc /a
COPY --from=b /etc /b
END
    run timeout 60 bash -c '. "$1/lib.bash"; build ranged --no-cache "$2" & build ranged --no-cache --jobs 1 "$2" && wait $!' - "$BATS_TEST_DIRNAME" "$CONTEXT"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "waiting for a locked cache can be interrupted" {
    fresh_store ranged busybox=busybox
    context ranged <<'END'
FROM busybox
ARG N
RUN --mount=type=cache,id=1,target=/1,sharing=locked echo holding; sleep 1000
END
    coproc holder { build ranged --build-arg N=1 "$CONTEXT"; }
    HOLDER=$holder_PID
    local line=
    until [[ "$line" == *holding && "$line" != *RUN* ]]; do
        read -r line <&"${holder[0]}"
    done
    run timeout --signal=INT 2 bash -c '. "$1/lib.bash"; exec 2>&1; as ranged kiln build --progress plain --build-arg N=2 "$2"' - "$BATS_TEST_DIRNAME" "$CONTEXT"
    echo "$output"
    [ "$status" -ne 0 ]
    grep -q 'ERROR: interrupted' <<<"$output"
    refute grep -qE '^#[0-9]+ [0-9.]+ holding' <<<"$output"
    # the one that has the cache goes on, and ends when it is told to
    pkill -INT -P "$HOLDER" kiln
    wait "$HOLDER" || true
    HOLDER=
}

@test "a private cache is another one while it is in use" {
    fresh_store ranged busybox=busybox
    context ranged <<'END'
FROM busybox AS a
RUN --mount=type=cache,id=p,target=/p,sharing=private --mount=type=cache,id=meet,target=/meet touch /p/a /meet/a; while [ ! -e /meet/b ]; do usleep 1000; done; echo a-$(ls /p)
FROM busybox AS b
RUN --mount=type=cache,id=p,target=/p,sharing=private --mount=type=cache,id=meet,target=/meet touch /p/b /meet/b; while [ ! -e /meet/a ]; do usleep 1000; done; echo b-$(ls /p)
FROM busybox
COPY --from=a /etc /a
COPY --from=b /etc /b
RUN --mount=type=cache,id=p,target=/p,sharing=private ls /p | wc -l
END
    built ranged
    [ "$status" -eq 0 ]
    printed a-a
    printed b-b
    printed 1
}

@test "secret: file and variable, and nowhere else" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox
RUN --mount=type=secret,id=token ls -l /run/secrets/token | cut -c1-10 && sha256sum </run/secrets/token && echo w 2>/dev/null >/run/secrets/token || echo read-only
RUN --mount=type=secret,id=token,env=TOKEN,target=deep/er/token,mode=0444 [ "$TOKEN" = "$(cat /deep/er/token)" ] && echo same-${#TOKEN}
RUN --mount=type=secret,id=other,env=VALUE test ! -e /run/secrets && echo length-${#VALUE}
RUN ls -d /run/secrets /deep 2>/dev/null || echo gone
END
        local secret="s3cret-$RANDOM-$1-$RANDOM"
        printf %s "$secret" >"$DIR/token"
        own "$1" "$DIR/token"
        chmod 600 "$DIR/token"
        export VARIABLE=variable-$secret
        built "$1" --secret "id=token,src=$DIR/token" --secret id=other,env=VARIABLE
        [ "$status" -eq 0 ]
        printed '-r--------'
        printed "$(sha256sum <"$DIR/token" | cut -c1-64) +-"
        printed read-only
        printed "same-${#secret}"
        printed "length-${#VARIABLE}"
        printed gone
        assert_nowhere "$secret"
        assert_nowhere "$(base64 -w0 "$DIR/token" | cut -c1-16)"
        assert_clean "$KILN_ROOT"
        echo changed >"$DIR/token"
        built "$1" --secret "id=token,src=$DIR/token"
        [ "$(cached)" -eq 4 ]
    }
    each_role check
}

@test "secret: uid, gid and mode for USER" {
    for role in ranged root; do
        context "$role" <<'END'
FROM busybox
RUN --mount=type=secret,id=token,uid=1234,gid=5678,mode=0640 stat -c 'attributes-%u-%g-%a' /run/secrets/token
USER 1234
RUN --mount=type=secret,id=token,uid=1234 cat /run/secrets/token
RUN --mount=type=secret,id=token cat /run/secrets/token 2>/dev/null || echo not-mine
END
        echo readable >"$DIR/token"
        own "$role" "$DIR/token"
        built "$role" --no-cache --secret "id=token,src=$DIR/token"
        [ "$status" -eq 0 ]
        printed attributes-1234-5678-640
        printed readable
        printed not-mine
    done
}

@test "secret: one that is not given is left out, unless it is required; BuildKit's limit" {
    context ranged <<'END'
FROM busybox
RUN --mount=type=secret,id=none --mount=type=secret,id=none2,env=N [ ! -e /run/secrets/none ] && env | grep -x N=
RUN --mount=type=secret,id=needed,required true
END
    built ranged --no-cache
    [ "$status" -eq 1 ]
    printed N=
    [[ "$output" == *'Dockerfile:3:1: the secret "needed" is required here'*'--secret id=needed,src=FILE'* ]]
    head -c 512001 /dev/zero >"$DIR/big"
    built ranged --secret "id=needed,src=$DIR/big"
    [ "$status" -eq 2 ]
    [[ "$output" == *"larger than 500 kB"* ]]
    head -c 512000 /dev/zero >"$DIR/big"
    built ranged --secret "id=needed,src=$DIR/big"
    [ "$status" -eq 0 ]
    chmod 0 "$DIR/big"
    built ranged --no-cache --secret "id=needed,src=$DIR/big"
    [ "$status" -eq 1 ]
    [[ "$output" == *'the secret "needed": cannot read '*'Permission denied'* ]]
}

@test "a secret's target is looked up inside the image, whatever links it has" {
    check() {
        rm -f /var/tmp/kiln-escape
        context "$1" <<'END'
FROM busybox
RUN mkdir -p /var/tmp && ln -s ../../../../../../../../var/tmp /out && ln -s /proc/self/root /self && ln -s /loop /loop
RUN --mount=type=secret,id=t,target=/out/kiln-escape --mount=type=secret,id=t,target=/self/kiln-escape cat /var/tmp/kiln-escape /kiln-escape || true
RUN --mount=type=secret,id=t,target=/loop/x true
END
        echo escaped >"$DIR/token"
        own "$1" "$DIR/token"
        built "$1" --no-cache --secret "id=t,src=$DIR/token"
        [ "$status" -eq 1 ]
        [ ! -e /var/tmp/kiln-escape ]
        [ ! -e /kiln-escape ]
    }
    each_role check
}

@test "ssh: the user's agent, keys that are named, and nothing that changes an agent" {
    command -v ssh-agent
    check() {
        local sock
        context "$1" <<'END'
FROM busybox
RUN --mount=type=bind,from=tools,target=/t --mount=type=ssh echo "sock-$SSH_AUTH_SOCK" && /t/client list && /t/client remove
RUN --mount=type=bind,from=tools,target=/t --mount=type=ssh,id=key,target=/agent,mode=0666,required ls -l /agent | cut -c1-10 && SSH_AUTH_SOCK=/agent /t/client list
RUN --mount=type=ssh,id=none [ ! -e /run/buildkit/ssh_agent.0 ] && echo "left-out-$SSH_AUTH_SOCK"
END
        mkdir -p "$DIR/tools"
        agent_client "$DIR/tools/client"
        as "$1" ssh-keygen -q -t ed25519 -N '' -f "$DIR/key" </dev/null
        sock=$DIR/agent
        as "$1" ssh-agent -D -a "$sock" >/dev/null 3>&- &
        until [ -S "$sock" ]; do :; done
        as "$1" env SSH_AUTH_SOCK="$sock" ssh-add -q "$DIR/key" 2>/dev/null
        export SSH_AUTH_SOCK=$sock
        built "$1" --no-cache --build-context "tools=$DIR/tools" --ssh default --ssh "key=$DIR/key"
        [ "$status" -eq 0 ]
        printed sock-/run/buildkit/ssh_agent.0
        [ "$(printed keys-1 | wc -l)" -eq 2 ]
        printed refused
        printed srw-rw-rw-
        printed left-out-/run/buildkit/ssh_agent.0
        [ "$(as "$1" ssh-add -l | wc -l)" -eq 1 ]
        pkill -f "ssh-agent -D -a $sock"
        refute pgrep -f 'ssh-agent -a .*/kiln-ssh-'
        [ -z "$(ls -d "${TMPDIR:-/tmp}"/kiln-ssh-* 2>/dev/null)" ]
        rm -f "$DIR/key" "$DIR/key.pub" "$DIR/agent" "$DIR/a.tar"
    }
    each_role check
}

# A client of the agent protocol that needs nothing in the image: lists keys, and tries to remove them.
agent_client() { # FILE
    cc -static -o "$1" -x c - <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int remove = argc > 1 && strcmp(argv[1], "remove") == 0, fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unsigned char request[] = {0, 0, 0, 1, remove ? 19 : 11}, answer[9] = {0};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", getenv("SSH_AUTH_SOCK"));
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 || write(fd, request, 5) != 5)
        return perror(a.sun_path), 1;
    for (ssize_t n = 0, got = 0; got < (remove ? 5 : 9); got += n)
        if ((n = read(fd, answer + got, sizeof answer - (size_t)got)) <= 0)
            return 1;
    if (answer[4] == 12)
        printf("keys-%d\n", answer[8]);
    else
        puts("refused");
    return 0;
}
END
    chmod 755 "$1"
}

@test "ssh: what cannot be given is said" {
    context ranged <<'END'
FROM busybox
RUN --mount=type=ssh,id=needed,required true
END
    unset SSH_AUTH_SOCK
    built ranged
    [ "$status" -eq 1 ]
    [[ "$output" == *'Dockerfile:2:1: the SSH agent "needed" is required here'*'--ssh needed'* ]]
    built ranged --ssh default
    [ "$status" -eq 2 ]
    [[ "$output" == *"SSH_AUTH_SOCK is not set"* ]]
    built ranged --ssh needed=/nowhere
    [ "$status" -eq 2 ]
    [[ "$output" == *"--ssh needed: /nowhere: No such file"* ]]
    built ranged --ssh "needed=$CONTEXT/Dockerfile"
    [ "$status" -eq 2 ]
    [[ "$output" == *"does not take the key"* ]]
}

@test "network: none has loopback alone, where low ports can be bound" {
    check() {
        context "$1" <<'END'
FROM busybox
RUN --network=none ls /proc/sys/net/ipv4/conf | tr '\n' ' '; ping -c1 -W1 127.0.0.1 >/dev/null && echo loopback; (timeout 1 nc -l -p 80 || [ $? -ne 1 ]) && echo port-80
RUN echo default-$(wc -l </proc/net/dev)
END
        built "$1" --no-cache
        [ "$status" -eq 0 ]
        printed 'all default lo loopback'
        printed port-80
        refute printed default-3
        built "$1" --no-cache --network none
        printed default-3
        built "$1" --network none
        [ "$(cached)" -eq 2 ]
        built "$1"
        [ "$(cached)" -ge 1 ]
    }
    each_role check
}

@test "entitlements: --network=host and --security=insecure are refused until they are allowed" {
    context ranged <<'END'
FROM busybox
RUN --network=host true
END
    built ranged
    [ "$status" -eq 1 ]
    [[ "$output" == *'Dockerfile:2:5: RUN --network=host is not allowed'*'--allow network.host'* ]]
    built ranged --allow network.host
    [ "$status" -eq 0 ]
    built ranged --network host
    [ "$status" -eq 0 ]
}

@test "security: insecure has every capability, no filter, and mounts of its own" {
    check() {
        context "$1" <<'END'
FROM busybox
RUN grep -E '^(CapEff|Seccomp):' /proc/self/status | tr '\t' ' '
RUN --security=insecure mkdir -p /m && mount -t tmpfs none /m && touch /m/x && grep -E '^(CapEff|Seccomp):' /proc/self/status | tr '\t' ' ' && umount /m && echo mounted
RUN mount -t tmpfs none /m 2>/dev/null || echo refused
END
        built "$1"
        [ "$status" -eq 1 ]
        [[ "$output" == *'Dockerfile:3:5: RUN --security=insecure is not allowed'*'--allow security.insecure'* ]]
        # owners and devices are emulated by a filter, too
        built "$1" --no-cache --emulate=off --allow security.insecure
        [ "$status" -eq 0 ]
        printed 'CapEff: 00000000a80425fb'
        printed 'CapEff: 0*1f*'
        printed 'Seccomp: 2'
        printed 'Seccomp: 0'
        printed mounted
        printed refused
    }
    each_role check
}

@test "no command holds the user's session keyring, with all privileges neither" {
    check() {
        context "$1" <<'END'
FROM debian:bookworm-slim
COPY keys.pl /
RUN perl /keys.pl
RUN --security=insecure perl /keys.pl
END
        # keyctl(2) is system call 250 on x86-64 and 219 on arm64; 10 is KEYCTL_SEARCH, -3 the session keyring
        cat >"$CONTEXT/keys.pl" <<'END'
use POSIX;
my $keyctl = (POSIX::uname())[4] eq "x86_64" ? 250 : 219;
my ($type, $name) = ("user", "kiln-test");
print syscall($keyctl, 10, -3, $type, $name, 0) > 0 ? "key found\n" : "no key\n";
END
        own "$1" "$CONTEXT"
        # a session keyring of the test's own, with a key in it: 1 is KEYCTL_JOIN_SESSION_KEYRING
        run as "$1" perl -e 'use POSIX;
my ($keyctl, $add) = (POSIX::uname())[4] eq "x86_64" ? (250, 248) : (219, 217);
my ($type, $name, $bytes) = ("user", "kiln-test", "x");
syscall($keyctl, 1, 0) > 0 && syscall($add, $type, $name, $bytes, 1, -3) > 0 or die "no keyrings here: $!";
syscall($keyctl, 10, -3, $type, $name, 0) > 0 or die "no key: $!";
exec @ARGV' kiln build --progress plain --no-cache --allow security.insecure "$CONTEXT"
        echo "$output"
        [ "$status" -eq 0 ]
        [ "$(printed 'no key' | wc -l)" -eq 2 ]
    }
    each_role check
}

@test "device: left out, or refused if it is required" {
    context ranged <<'END'
FROM busybox
RUN --device=vendor.com/gpu=0 echo without
END
    built ranged --no-cache
    [ "$status" -eq 0 ]
    printed without
    sed -i 's/gpu=0/gpu=0,required/' "$CONTEXT/Dockerfile"
    built ranged
    [ "$status" -eq 1 ]
    [[ "$output" == *'Dockerfile:2:5: RUN --device: the required device "vendor.com/gpu=0" cannot be had'* ]]
}
