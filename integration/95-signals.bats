#!/usr/bin/env bats
# Builds that are ended before their time, builds at once, and commands that print what commands print.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
    fresh_store ranged busybox=busybox:latest
    NAP=9$RANDOM # seconds that a command sleeps: its name in the list of processes
}

# kiln's own processes that use this test's store.
kilns() {
    local p exe
    for p in /proc/[0-9]*; do
        exe=$(readlink "$p/exe" 2>/dev/null) || continue
        [[ $exe == "$KILN_IT"/bin/* ]] && grep -qz "^KILN_ROOT=$KILN_ROOT\$" "$p/environ" 2>/dev/null && echo "$p $exe"
    done
    return 0
}

# No process of kiln, no command, no mount, no work in progress, in this instant.
assert_nothing_left() {
    local left
    left=$(kilns; pgrep -af "sleep $NAP"; find "$KILN_ROOT/tmp" -mindepth 1; grep -ls "$KILN_ROOT" /proc/[0-9]*/mountinfo) || true
    [ -z "$left" ] || { echo "left: $left"; return 1; }
}

# The same within 20 seconds: for what nobody waits for.
await_nothing_left() {
    for _ in $(seq 200); do
        assert_nothing_left >/dev/null && return 0
        sleep 0.1
    done
    assert_nothing_left
}

# A build in the background. Its process is $(kiln_pid), its output in $DIR/out. A shell makes its background
# jobs ignore SIGINT: not this one.
start_build() { # ARGUMENTS…
    rm -f "$DIR/pid"
    as ranged sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec env --default-signal kiln build --progress plain "$@"' \
        "$DIR/pid" "$@" >"$DIR/out" 2>&1 3>&- &
    JOB=$!
}

kiln_pid() {
    until [ -s "$DIR/pid" ]; do sleep 0.01; done
    cat "$DIR/pid"
}

await_output() { # TEXT
    for _ in $(seq 500); do
        grep -qF -- "$1" "$DIR/out" && return 0
        sleep 0.02
    done
    cat "$DIR/out"
    return 1
}

# The exit code of the build in the background, to $status.
finish_build() {
    (sleep 60; kill -KILL "$(cat "$DIR/pid")") >/dev/null 2>&1 3>&- & # a build that hangs fails the test
    local watchdog=$!
    status=0
    wait "$JOB" || status=$?
    pkill -P "$watchdog" || true
    kill "$watchdog" 2>/dev/null || true
}

now_ms() {
    echo $(($(date +%s%N) / 1000000))
}

slow_dockerfile() {
    cat >"$CONTEXT/Dockerfile" <<END
FROM busybox
RUN echo kept > /kept
RUN sleep $NAP & setsid sleep $NAP & (trap '' TERM INT HUP; sleep $NAP) & echo command is up; $1 wait
END
    own ranged "$CONTEXT"
}

# --- Signals -------------------------------------------------------------------------------------------

@test "SIGINT, SIGTERM and SIGHUP end the whole build: 130, 143, 129, and nothing is left" {
    slow_dockerfile
    for signals in INT:130 TERM:143 HUP:129 "INT INT:130" "TERM TERM TERM:143"; do
        start_build -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
        await_output 'command is up'
        before=$(now_ms)
        for signal in ${signals%:*}; do
            kill -"$signal" "$(kiln_pid)" 2>/dev/null || true
        done
        finish_build
        # the third kills the builder: the next build tidies up after it
        [[ $signals == TERM\ * ]] || assert_nothing_left
        [ "$status" -eq "${signals#*:}" ]
        [ $(($(now_ms) - before)) -lt 20000 ]
        grep -qx 'ERROR: interrupted' "$DIR/out"
        [ "$(ls -A "$DIR" | grep -c a.tar)" -eq 0 ]
    done
    printf 'FROM busybox\nRUN echo kept > /kept\nRUN echo next\n' >"$CONTEXT/Dockerfile"
    run build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    is_cached "RUN echo kept"
    await_nothing_left
    [ "$(cat "$(unpack "$DIR/a.tar")/kept")" = kept ]
}

@test "a command that closed its output can be interrupted" {
    printf 'FROM busybox\nRUN echo command is up; exec sleep %s >&- 2>&-\n' "$NAP" >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    start_build "$CONTEXT"
    await_output 'command is up'
    until pgrep -f "^sleep $NAP" >/dev/null; do sleep 0.02; done
    sleep 0.2
    kill -INT "$(kiln_pid)"
    finish_build
    [ "$status" -eq 130 ]
    assert_nothing_left
}

@test "Ctrl-C at a terminal: the steps that were done are cached in the next build" {
    slow_dockerfile
    cat >"$DIR/terminal" <<'END'
set timeout 20
spawn kiln build --progress [lindex $argv 0] [lindex $argv 1]
expect {
    "command is up" { send "\x03" }
    timeout { exit 99 }
}
expect {
    eof {}
    timeout { exit 98 }
}
exit [lindex [wait] 3]
END
    for progress in tty plain; do
        run as ranged expect "$DIR/terminal" "$progress" "$CONTEXT"
        assert_nothing_left
        [ "$status" -eq 130 ]
        [[ $output == *interrupted* ]]
    done
    [[ $output == *CACHED* ]]
}

@test "a second Ctrl-C ends it at once, whatever it is doing; so does one after a second" {
    python3 - "$CONTEXT" <<'END'
import os, sys
os.mkdir(f"{sys.argv[1]}/tree")
for n in range(20000):
    with open(f"{sys.argv[1]}/tree/{n}", "w") as out:
        out.write(f"{n}\n" * 50)
END
    head -c 50000000 /dev/urandom >"$CONTEXT/tree/large"
    printf 'FROM busybox\nCOPY tree /tree\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    for signals in 1 2; do
        for delay in 0.02 0.1 0.3 0.6 1 1.5; do
            start_build --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
            pid=$(kiln_pid)
            sleep "$delay"
            for _ in $(seq "$signals"); do
                kill -INT "$pid" 2>/dev/null || true
                sleep 0.02
            done
            finish_build
            [ "$status" -eq 130 ] || [ "$status" -eq 0 ]
            if [ "$status" -eq 130 ]; then
                assert_nothing_left
                [ "$(ls -A "$DIR" | grep -c a.tar)" -eq 0 ]
            fi
            rm -f "$DIR/a.tar"
            await_nothing_left # a build that was faster may be confirming its records
        done
    done
    run build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    diff -r "$CONTEXT/tree" "$rootfs/tree"
}

@test "Ctrl-C while a registry does not answer" {
    cat >"$DIR/mute.py" <<'END'
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as out:
    out.write(str(server.getsockname()[1]))
__import__("os").rename(sys.argv[1] + ".new", sys.argv[1])
kept = []
while True:
    kept.append(server.accept())
    print("asked", flush=True)
END
    python3 "$DIR/mute.py" "$DIR/port" >"$DIR/asked" 3>&- &
    server=$!
    until [ -s "$DIR/port" ]; do sleep 0.02; done
    echo "FROM 127.0.0.1:$(cat "$DIR/port")/never:here" >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    start_build "$CONTEXT"
    until [ -s "$DIR/asked" ]; do sleep 0.02; done
    kill -INT "$(kiln_pid)"
    finish_build
    kill "$server"
    [ "$status" -eq 130 ]
    grep -qx 'ERROR: interrupted' "$DIR/out"
    assert_nothing_left
}

@test "SIGKILL of the front, the builder and the launcher at 30 instants: the next build is right" {
    mkdir "$CONTEXT/tree"
    for n in $(seq 300); do echo "$n" >"$CONTEXT/tree/$n"; done
    cat >"$CONTEXT/Dockerfile" <<END
FROM busybox AS one
ARG N
RUN echo one-\$N > /one; sleep 0.1; echo done >> /one
FROM busybox
ARG N
COPY tree /tree
RUN mkdir /many; for i in \$(seq 50); do echo \$N > /many/\$i; done; sleep 0.05
COPY --from=one /one /
RUN test "\$(sed -n 2p /one)" = done && ls /many | wc -l > /count
END
    own ranged "$CONTEXT"
    for n in $(seq 30); do
        start_build --build-arg "N=$n" -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
        pid=$(kiln_pid)
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        builder=$(pgrep -P "$pid" -x kiln-builder | head -1) || true
        case $((n % 3)) in
        0) kill -KILL "$pid" 2>/dev/null || true ;;
        1) kill -KILL ${builder:-$pid} 2>/dev/null || true ;;
        2) pkill -KILL -P "${builder:-$pid}" -x kiln-launcher || true ;;
        esac
        finish_build
        [ ! -e "$DIR/a.tar" ] || tar -tf "$DIR/a.tar" >/dev/null # whole, or not there
        run build ranged --build-arg "N=$n" -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
        [ "$status" -eq 0 ]
        rootfs=$(unpack "$DIR/a.tar")
        [ "$(cat "$rootfs/one")" = "one-$n"$'\n'done ]
        [ "$(cat "$rootfs/count")" -eq 50 ]
        [ "$(cat "$rootfs/many/50")" -eq "$n" ]
        diff -r "$CONTEXT/tree" "$rootfs/tree"
        [ "$(ls -A "$DIR" | grep -c a.tar)" -eq 1 ]
        rm -r "$DIR/a.tar" "$BATS_TEST_TMPDIR"/layout.*
    done
    await_nothing_left
}

@test "a launcher that is killed is said to be what it is" {
    slow_dockerfile
    start_build "$CONTEXT"
    await_output 'command is up'
    builder=$(pgrep -P "$(kiln_pid)" -x kiln-builder)
    pkill -KILL -P "$builder" -x kiln-launcher
    finish_build
    [ "$status" -eq 1 ]
    grep -q 'kiln-launcher.*was killed' "$DIR/out"
    grep -q 'Dockerfile:3:1' "$DIR/out"
    await_nothing_left
}

# --- Several at once -----------------------------------------------------------------------------------

@test "five builds at once of the same Dockerfile: each is of one piece, and the next is all cached" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
RUN head -c 16 /dev/urandom | md5sum > /id
RUN cp /id /copy
RUN cat /id /copy | sort -u | wc -l > /different
END
    own ranged "$CONTEXT"
    for round in 1 2 3; do
        jobs=()
        for n in 1 2 3 4 5; do
            build ranged --build-arg "ROUND=$round" -t "same:$n" -o "type=oci,dest=$DIR/$n.tar" "$CONTEXT" >"$DIR/out.$n" 3>&- &
            jobs+=($!)
        done
        for job in "${jobs[@]}"; do wait "$job"; done
        for n in 1 2 3 4 5; do
            rootfs=$(unpack "$DIR/$n.tar")
            cmp "$rootfs/id" "$rootfs/copy"
            [ "$(cat "$rootfs/different")" -eq 1 ]
        done
        run build ranged -o "type=oci,dest=$DIR/6.tar" "$CONTEXT"
        [ "$(cached)" -eq 3 ]
        rootfs=$(unpack "$DIR/6.tar")
        cmp "$rootfs/id" "$rootfs/copy"
        # the next round starts from nothing, with the store's records as they are
        sed -i "s/md5sum/md5sum | cat/" "$CONTEXT/Dockerfile"
    done
    await_nothing_left
}

@test "five builds at once that are all cached write the same archive; none takes another's image away" {
    printf 'FROM busybox\nRUN echo x > /x\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    build ranged -q -o "type=oci,dest=$DIR/0.tar" "$CONTEXT"
    for _ in $(seq 5); do
        jobs=()
        for n in 1 2 3 4 5; do
            build ranged -q -o "type=oci,dest=$DIR/$n.tar" "$CONTEXT" 3>&- &
            jobs+=($!)
        done
        for job in "${jobs[@]}"; do wait "$job"; done
        for n in 1 2 3 4 5; do cmp "$DIR/0.tar" "$DIR/$n.tar"; done
    done
}

@test "an image that was built without a name outlives a build of the same to an archive" {
    printf 'FROM busybox\nRUN echo x > /x\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    id=$(as ranged kiln build -q "$CONTEXT")
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    as ranged kiln inspect "$id"
}

@test "five builds at once of different Dockerfiles" {
    own ranged "$CONTEXT"
    jobs=()
    for n in 1 2 3 4 5; do
        mkdir "$DIR/c$n"
        seq "$((n * 1000))" >"$DIR/c$n/numbers"
        printf 'FROM busybox\nCOPY numbers /\nRUN wc -l < /numbers > /count\nRUN echo %s > /which\n' "$n" >"$DIR/c$n/Dockerfile"
        own ranged "$DIR/c$n"
        build ranged -t "app:$n" -o "type=oci,dest=$DIR/$n.tar" "$DIR/c$n" 3>&- &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job"; done
    for n in 1 2 3 4 5; do
        rootfs=$(unpack "$DIR/$n.tar")
        [ "$(cat "$rootfs/which")" -eq "$n" ]
        [ "$(cat "$rootfs/count")" -eq "$((n * 1000))" ]
    done
    await_nothing_left
}

@test "an interrupted --no-cache build does not mix with what was built before" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
RUN head -c 16 /dev/urandom | md5sum > /id
RUN cp /id /copy; echo copied
END
    own ranged "$CONTEXT"
    build ranged "$CONTEXT"
    printf 'FROM busybox\nRUN head -c 16 /dev/urandom | md5sum > /id\nRUN exit 1\n' >"$CONTEXT/first"
    run build ranged --no-cache -f "$CONTEXT/first" "$CONTEXT"
    [ "$status" -eq 1 ]
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    cmp "$rootfs/id" "$rootfs/copy"
}

@test "bases that were built with SOURCE_DATE_EPOCH are not taken for one another" {
    own ranged "$CONTEXT"
    for n in 1 2; do
        printf 'FROM busybox\nRUN echo %s > /which\n' "$n" | as ranged sh -c 'cat > "$0/base"' "$CONTEXT"
        as ranged env SOURCE_DATE_EPOCH=1000000000 kiln build -q -t "base:$n" -f "$CONTEXT/base" "$CONTEXT"
    done
    for n in 1 2; do
        printf 'FROM base:%s\nRUN cp /which /copy\n' "$n" | as ranged sh -c 'cat > "$0/child"' "$CONTEXT"
        build ranged -o "type=oci,dest=$DIR/$n.tar" -f "$CONTEXT/child" "$CONTEXT"
        [ "$(cat "$(unpack "$DIR/$n.tar")/copy")" -eq "$n" ]
    done
}

@test "a stage that fails ends the commands of the others, and its error is the one reported" {
    cat >"$CONTEXT/Dockerfile" <<END
FROM busybox AS slow
RUN --mount=type=cache,id=meet,target=/meet touch /meet/up; sleep $NAP
FROM busybox AS bad
RUN --mount=type=cache,id=meet,target=/meet while [ ! -e /meet/up ]; do usleep 1000; done; echo goodbye; exit 42
FROM busybox
COPY --from=slow /etc/passwd /
COPY --from=bad /etc/passwd /
END
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    assert_nothing_left
    [[ $output == *"ERROR: Dockerfile:4:1"* ]]
    [[ $output == *"exit code: 42"* ]]
    grep -qE '^#[0-9]+ CANCELED$' <<<"$output"
    [ "$(grep -c '^ERROR' <<<"$output")" -eq 1 ]
    refute grep -q CRITICAL <<<"$output"
}

# --- Output --------------------------------------------------------------------------------------------

@test "100,000 lines arrive, in order" {
    printf 'FROM busybox\nRUN seq 100000\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    build ranged "$CONTEXT" >"$DIR/out"
    sed -nE 's/^#[0-9]+ [0-9.]+ ([0-9]+)$/\1/p' "$DIR/out" | cmp - <(seq 100000)
}

@test "a line of 1 MB without an end, NUL, bytes that are no UTF-8, escape sequences" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
RUN head -c 1000000 /dev/zero | tr '\0' x; printf 'ü%.0s' $(seq 60000)
RUN printf 'before\000after\n\377\376\n\033[31mred\033[0m \033]0;title\007 end\n'
END
    own ranged "$CONTEXT"
    build ranged "$CONTEXT" >"$DIR/out"
    [ "$(tr -cd x <"$DIR/out" | wc -c)" -ge 1000000 ]
    [ "$(tr -d '\n' <"$DIR/out" | grep -o ü | wc -l)" -eq 60001 ] # and one in the step's name
    refute grep -q $'ü\xef\xbf\xbd' "$DIR/out" # long lines are cut between characters
    grep -q 'before.*after' "$DIR/out"
    iconv -f UTF-8 -t UTF-8 "$DIR/out" >/dev/null
    [ "$(tr -d '\0' <"$DIR/out" | wc -c)" -eq "$(wc -c <"$DIR/out")" ]
    # Bytes as they are to a file; to a terminal only what cannot harm it.
    grep -qF $'\033]0;title' "$DIR/out"
    as ranged script -qefc "kiln build --no-cache --progress plain '$CONTEXT'" /dev/null </dev/null >"$DIR/out" 3>&-
    grep -q $'\033\[31mred' "$DIR/out"
    refute grep -qF $'\033]' "$DIR/out"
}

@test "a daemon that holds the output open ends with its command" {
    printf 'FROM busybox\nRUN (setsid sleep %s &) ; sleep %s & echo over\nRUN echo next\n' "$NAP" "$NAP" >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    start=$(now_ms)
    run build ranged "$CONTEXT"
    [ "$status" -eq 0 ]
    [ $(($(now_ms) - start)) -lt 20000 ]
    [[ $output == *over* && $output == *next* ]]
    await_nothing_left
}

@test "whoever reads the output may go away" {
    printf 'FROM busybox\nRUN seq 100000; echo last\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    start=$(now_ms)
    build ranged "$CONTEXT" 3>&- | head -1
    [ $(($(now_ms) - start)) -lt 20000 ]
    await_nothing_left
    # The same for the archive: an error, or the death of the signal.
    printf 'FROM busybox\nRUN head -c 5000000 /dev/urandom > /random\n' >"$CONTEXT/Dockerfile"
    status=$( (as ranged kiln build -q -o type=oci,dest=- "$CONTEXT" 2>"$DIR/err" && echo 0 >&4 || echo $? >&4) 4>&1 3>&- | head -c 1 >/dev/null) || true
    await_nothing_left
}

@test "a reader that reads nothing cannot keep it from ending" {
    printf 'FROM busybox\nRUN seq 1000000; sleep %s\n' "$NAP" >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    mkfifo "$DIR/pipe"
    exec 5<>"$DIR/pipe" # nobody reads it
    rm -f "$DIR/pid"
    as ranged sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec env --default-signal kiln build --progress plain "$@"' \
        "$DIR/pid" "$CONTEXT" >"$DIR/pipe" 2>&1 3>&- &
    JOB=$!
    pid=$(kiln_pid)
    sleep 1
    for _ in 1 2 3 4; do
        kill -INT "$pid" 2>/dev/null || true
        sleep 0.1
    done
    finish_build
    exec 5>&-
    [ "$status" -eq 130 ]
    await_nothing_left
}

@test "--progress tty: no line is wider than the terminal, of 80 columns or of 20" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
RUN echo a line that is longer than the terminal is wide, by far, and then some more of it; printf '日本語日本語日本語日本語\n'; sleep 0.3
END
    own ranged "$CONTEXT"
    for columns in 80 20; do
        as ranged script -qefc "stty cols $columns rows 10; kiln build --no-cache --progress tty '$CONTEXT'" /dev/null \
            </dev/null >"$DIR/out" 3>&-
        grep -q $'\033\\[3[0-9]m' "$DIR/out"
        [ "$columns" -lt 80 ] || grep -q FINISHED "$DIR/out"
        python3 - "$columns" 6<"$DIR/out" <<'END'
import re, sys, unicodedata
text = open(6, encoding="utf-8", newline="").read()
text = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", text)
widest = max(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in re.split("[\r\n]+", text))
assert widest <= int(sys.argv[1]), widest
END
        as ranged script -qefc "stty cols $columns; NO_COLOR=1 kiln build --progress tty '$CONTEXT'" /dev/null \
            </dev/null >"$DIR/out" 3>&-
        refute grep -q $'\033\\[3[0-9]m' "$DIR/out"
    done
}

@test "-q prints the image ID alone; --iidfile; BUILDKIT_PROGRESS; exit codes" {
    printf 'FROM busybox\nRUN echo x > /x\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    as ranged kiln build -q --iidfile "$DIR/iid" "$CONTEXT" >"$DIR/stdout" 2>"$DIR/stderr"
    [ ! -s "$DIR/stderr" ]
    grep -qxE 'sha256:[0-9a-f]{64}' "$DIR/stdout"
    [ "$(cat "$DIR/stdout")" = "$(cat "$DIR/iid")" ]
    run as ranged env BUILDKIT_PROGRESS=quiet kiln build "$CONTEXT"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    run as ranged env BUILDKIT_PROGRESS=plain kiln build "$CONTEXT"
    [[ $output == *"#1 [internal] load build definition"* ]]
    run as ranged env BUILDKIT_PROGRESS=nonsense kiln build "$CONTEXT"
    [ "$status" -eq 2 ]
    run as ranged env BUILDKIT_PROGRESS=plain kiln build --progress quiet "$CONTEXT"
    [ -z "$output" ]

    printf 'FROM busybox\nRUN echo said; exit 1\n' >"$CONTEXT/Dockerfile"
    run as ranged kiln build -q --iidfile "$DIR/iid" "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *said* && $output == *"exit code: 1"* ]]
    [ ! -e "$DIR/iid" ]
    run as ranged kiln build --nonsense "$CONTEXT"
    [ "$status" -eq 2 ]
    run as ranged kiln build "$DIR/nowhere"
    [ "$status" -ne 0 ]
    run as ranged env KILN_LIBEXEC="$DIR" kiln build "$CONTEXT"
    [ "$status" -eq 3 ]
}

@test "an archive has the mode that the umask of the user leaves" {
    printf 'FROM busybox\nRUN echo x > /x\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    as ranged sh -c 'umask 027; kiln build -q -o "type=oci,dest=$0/a.tar" "$0/context"' "$DIR"
    [ "$(stat -c %a "$DIR/a.tar")" = 640 ]
    as ranged sh -c 'umask 002; kiln build -q -o "type=oci,dest=$0/a.tar" "$0/context"' "$DIR"
    [ "$(stat -c %a "$DIR/a.tar")" = 664 ]
}
