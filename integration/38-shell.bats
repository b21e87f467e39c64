#!/usr/bin/env bats
# Commands that a person sits at: kiln run, the shell after a failed RUN, kiln unshare. Terminals are played by
# expect: what is asserted on is what a user sees on his. The host's network needs no pasta, and thus no warning where
# there is none.

bats_require_minimum_version 1.5.0

setup() {
    load lib
    ROLES=(ranged single root)
    DIR=$(workdir ranged)
}

# Runs a command on a terminal of 31 rows and 99 columns, as an expect script says: "await TEXT", "say TEXT"
# (a line typed), "key CODE", "resize ROWS COLUMNS", "end SIGNAL" (sent to the command). What was on the terminal
# is printed, at last "code=N terminal=restored".
at_terminal() { # ROLE SCRIPT COMMAND…
    local role=$1 script=$2
    shift 2
    cat >"$BATS_TEST_TMPDIR/play.exp" <<END
set timeout 60
match_max 100000
set program {
    stty rows 31 cols 99
    before=\$(stty -g)
    "\$@"
    code=\$?
    if [ "\$before" = "\$(stty -g)" ]; then now=restored; else now=changed; fi
    echo "code=\$code terminal=\$now"
}
proc await {text} {
    expect {
        -ex \$text {}
        timeout { puts "\nWAITED FOR \$text"; exit 9 }
        eof { puts "\nENDED BEFORE \$text"; exit 9 }
    }
}
proc say {text} { send -- "\$text\r" }
proc key {code} { send -- \$code }
proc resize {rows columns} {
    exec stty rows \$rows cols \$columns < \$::spawn_out(slave,name)
}
proc end {signal} { exec kill -s \$signal [exec pgrep -P [exp_pid]] }
spawn -noecho sh -c \$program sh {*}\$argv
$script
expect eof
END
    chmod 644 "$BATS_TEST_TMPDIR/play.exp"
    as "$role" env TERM=xterm expect "$BATS_TEST_TMPDIR/play.exp" "$@" | tr -d '\r'
    return "${PIPESTATUS[0]}"
}

# A context with this Dockerfile, for all roles.
context() { # TEXT
    CONTEXT=$BATS_TEST_TMPDIR/context
    mkdir -p "$CONTEXT"
    printf '%b' "$1" >"$CONTEXT/Dockerfile"
    chmod -R a+rX "$BATS_TEST_TMPDIR"
}

# --- kiln run ----------------------------------------------------------------------------------------------

@test "run: the exit code is the command's; 125, 126 and 127 are as docker run's" {
    local role
    for role in "${ROLES[@]}"; do
        run as "$role" kiln run --network host busybox echo hello
        [ "$status" -eq 0 ] && [ "$output" = hello ]
        run as "$role" kiln run --network host --rm busybox sh -c 'exit 7'
        [ "$status" -eq 7 ] && [ -z "$output" ]
        run -127 as "$role" kiln run --network host busybox no-such-program
        [ "$status" -eq 127 ] && [[ $output == *'cannot execute "no-such-program"'*"not found"* ]]
        run as "$role" kiln run --network host busybox /etc
        [ "$status" -eq 126 ] && [[ $output == *'cannot execute "/etc"'* ]]
        run as "$role" kiln run --network host --pull never no-such-image true
        [ "$status" -eq 125 ] && [[ $output == *no-such-image*"not in the store"* ]]
        run as "$role" kiln run --network host busybox sh -c 'sh -c "kill -TERM \$\$"; exit $?'
        [ "$status" -eq 143 ]
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "run: entrypoint, command, environment and directory are the image's, unless said otherwise" {
    context 'FROM busybox\nENV A=image B=image\nWORKDIR /made\nENTRYPOINT ["echo", "entry"]\nCMD ["cmd"]\n'
    local role
    for role in "${ROLES[@]}"; do
        build "$role" -t configured "$CONTEXT"
        run as "$role" kiln run --network host configured
        [ "$output" = "entry cmd" ]
        run as "$role" kiln run --network host configured mine --flag -x
        [ "$output" = "entry mine --flag -x" ]
        run as "$role" kiln run --network host --entrypoint pwd configured
        [ "$output" = /made ]
        run as "$role" kiln run --network host --entrypoint '' configured sh -c 'echo $A'
        [ "$output" = image ]
        # shellcheck disable=SC2016
        run as "$role" env C=here kiln run --network host -e A=mine -e C -e B -w /new/dir --entrypoint sh configured \
            -c 'echo $A ${B-unset} $C $HOME; pwd'
        [ "$output" = $'mine unset here /root\n/new/dir' ]
        as "$role" kiln rmi configured
    done
}

@test "run: an image by its ID; one that has no command wants one" {
    context 'FROM busybox\nRUN true\n'
    build ranged --iidfile "$DIR/id" "$CONTEXT"
    run as ranged kiln run --network host "$(cat "$DIR/id")" echo by-id
    [ "$output" = by-id ]
    id=$(cut -c8-19 "$DIR/id")
    run as ranged kiln run --network host "$id" echo by-id
    [ "$output" = by-id ]
    run as ranged kiln run --network host "$id"
    [ "$status" -eq 125 ] && [[ $output == *"no command"* ]]
}

@test "run: --user, by name and by number, with their groups" {
    local role
    for role in ranged root; do
        run as "$role" kiln run --network host -u www-data debian:bookworm-slim sh -c 'id -u; id -g'
        [ "$output" = $'33\n33' ]
        run as "$role" kiln run --network host -u 1234:5 busybox sh -c 'id -u; id -g; cat /dev/stdin; echo x >/dev/stdout'
        [ "$output" = $'1234\n5\nx' ]
    done
}

@test "run: what the command changes is thrown away" {
    local role
    for role in "${ROLES[@]}"; do
        as "$role" kiln run --network host busybox sh -c 'echo x >/left; rm /bin/ls'
        run as "$role" kiln run --network host busybox sh -c 'test ! -e /left && ls -d /bin'
        [ "$output" = /bin ]
    done
}

@test "run: --volume shows the user's files, read-only if said so" {
    local role dir
    for role in "${ROLES[@]}"; do
        dir=$(workdir "$role")/shared
        mkdir -p "$dir/inner"
        echo mine >"$dir/inner/file"
        own "$role" "$dir"
        run as "$role" kiln run --network host -v "$dir:/data" busybox sh -c 'cat /data/inner/file; echo theirs >/data/new'
        [ "$output" = mine ]
        [ "$(cat "$dir/new")" = theirs ]
        run as "$role" kiln run --network host -v "$dir:/data:ro" -v "$dir/inner/file:/etc/one" busybox \
            sh -c 'cat /etc/one; echo no >/data/new'
        [ "$status" -ne 0 ] && [[ $output == mine*"Read-only file system"* ]]
        [ "$(cat "$dir/new")" = theirs ]
        run as "$role" sh -c "cd '$dir' && kiln run --network host --volume=./inner:/data busybox cat /data/file"
        [ "$output" = mine ]
        run as "$role" kiln run --network host -v "$dir/missing:/data" busybox true
        [ "$status" -eq 125 ] && [[ $output == *"$dir/missing: No such file or directory"* ]]
    done
    mkdir -m 700 "$DIR/roots" # what the user cannot see, the command cannot
    chown root "$DIR/roots"
    run as ranged kiln run --network host -v "$DIR/roots:/data" busybox ls /data
    [ "$status" -ne 0 ] && [[ $output == *"ermission denied"* ]]
}

@test "run: standard input with -i alone; output and errors stay apart, whatever their size" {
    local role
    for role in "${ROLES[@]}"; do
        run as "$role" sh -c 'echo given | kiln run --network host -i busybox cat'
        [ "$output" = given ]
        run as "$role" sh -c 'echo given | kiln run --network host busybox cat'
        [ "$status" -eq 0 ] && [ -z "$output" ]
        run as "$role" sh -c 'kiln run --network host busybox sh -c "echo out; echo err >&2" 2>/dev/null'
        [ "$output" = out ]
        run as "$role" sh -c 'kiln run --network host busybox sh -c "echo out; echo err >&2" 2>&1 >/dev/null'
        [ "$output" = err ]
        head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
        chmod 755 "$BATS_TEST_TMPDIR"
        as "$role" kiln run --network host -i busybox cat <"$BATS_TEST_TMPDIR/bytes" | cmp - "$BATS_TEST_TMPDIR/bytes"
        run as "$role" sh -c 'kiln run --network host busybox yes | head -n 1' # ends with its reader
        [ "$output" = y ]
        run as "$role" sh -c 'kiln run --network host busybox true <&-'
        [ "$status" -eq 0 ]
    done
}

@test "run: --network, --add-host, --ulimit, --hostname, --tmpfs" {
    run as ranged kiln run --network host --network none busybox sh -c 'tail -n +3 /proc/net/dev | cut -d: -f1'
    [ "${output// /}" = lo ]
    run as ranged kiln run --network host --add-host other:192.0.2.7 busybox grep other /etc/hosts
    [[ $output == 192.0.2.7*other ]]
    run as ranged kiln run --network host --ulimit nofile=77 busybox sh -c 'ulimit -n'
    [ "$output" = 77 ]
    run as ranged kiln run --network host --hostname here busybox sh -c 'hostname; grep -c here /etc/hosts'
    [ "$output" = $'here\n1' ]
    run as ranged kiln run --network host --tmpfs /mem:size=1m busybox sh -c 'dd if=/dev/zero of=/mem/x bs=2M count=1'
    [ "$status" -ne 0 ] && [[ $output == *"No space left"* ]]
}

@test "run: a signal ends the command, and nothing is left" {
    local role pid
    for role in "${ROLES[@]}"; do
        mkfifo "$BATS_TEST_TMPDIR/out-$role"
        # shellcheck disable=SC2016
        as "$role" sh -c 'echo $$; exec kiln run --network host busybox sh -c "echo up; sleep 1000"' \
            >"$BATS_TEST_TMPDIR/out-$role" 3>&- &
        { read -r pid; read -r line; } <"$BATS_TEST_TMPDIR/out-$role"
        [ "$line" = up ]
        kill -TERM "$pid"
        wait "$!" && code=0 || code=$?
        [ "$code" -eq 143 ]
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "run: bad input is refused with 125" {
    refuses() { # WORD ARGUMENT…
        local word=$1
        shift
        run as ranged kiln run --network host "$@"
        [ "$status" -eq 125 ] || { echo "status $status for $*"; return 1; }
        [[ $output == *"$word"* ]] || { echo "no $word in: $output"; return 1; }
    }
    refuses "at least 1 argument"
    refuses "unknown flag --wrkdir (did you mean --workdir?)" --wrkdir / busybox
    refuses relative -w relative busybox pwd
    refuses "no name before" -e =x busybox
    refuses "is not PATH:TARGET" -v /tmp busybox
    refuses "named volumes" -v cache:/data busybox
    refuses "absolute" -v /tmp:data busybox
    refuses "unknown option \"rx\"" -v /tmp:/data:rx busybox
    refuses "--tmpfs" --tmpfs /x:size=many busybox
    refuses "unknown network" --network bridge0 busybox
    refuses "a hostname has at most" --hostname 'a b' busybox true
    refuses "--memory" --memory lots busybox true
    refuses "is no IP address" --dns here busybox true
    refuses "--pull" --pull sometimes busybox
    refuses "not supported yet" -d busybox
    refuses 'no user "ghost"' -u ghost busybox true
    refuses "is not a terminal" -it busybox sh
    refuses "UPPER" UPPER/Case busybox
}

# --- Terminals ---------------------------------------------------------------------------------------------

@test "run -t: a terminal of the sandbox's own, as large as the user's, and larger when that is" {
    local role
    for role in "${ROLES[@]}"; do
        run at_terminal "$role" '
            await "/ # "
            say "stty size; tty; echo term=\$TERM; ls /dev/pts"
            await "31 99"
            await "/dev/pts/0"
            await "term=xterm"
            resize 40 120
            say {until [ "$(stty size)" = "40 120" ]; do sleep 0.05; done; echo resized-$((1 + 1))}
            await "resized-2"
            say "exit 6"
        ' kiln run --network host -it --rm busybox sh
        [ "$status" -eq 0 ] || { echo "$output"; return 1; }
        [[ $output == *"code=6 terminal=restored"* ]]
    done
}

@test "run -t: Ctrl-C, Ctrl-Z and Ctrl-D are the command's" {
    run at_terminal ranged '
        await "# "
        say {sh -c "echo go-\$((1+1)); exec sleep 1000"}
        await "go-2"
        key "\003"
        await "# "
        say {echo after-$?}
        await "after-130"
        say {sh -c "echo go-\$((2+2)); exec sleep 1000"}
        await "go-4"
        key "\032"
        await "Stopped"
        say {echo in-$((3+4)); cat; echo cat-$((4+4))}
        await "in-7"
        key "\004"
        await "cat-8"
        say {exec true}
    ' kiln run --network host -it debian:bookworm-slim bash
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
    [[ $output == *"terminal=restored"* ]] || { echo "$output"; return 1; }
}

@test "run: the user's terminal is out of the command's reach, with -t and without" {
    local role
    # shellcheck disable=SC2016
    local inject='for (split //, "echo INJECTED\n") { ioctl(STDIN, 0x5412, $_) } print -t STDOUT ? "tty" : "none", "\n"'
    for role in "${ROLES[@]}"; do
        # what TIOCSTI types would be read by the shell that started kiln
        run at_terminal "$role" 'await "left="' \
            bash -c 'kiln run --network host -it debian:bookworm-slim perl -e "$1"; read -t 0.5 -r line; echo "left=<$line>"' \
            bash "$inject"
        [ "$status" -eq 0 ] && [[ $output == *tty*"left=<>"* ]] || { echo "$output"; return 1; }
        run at_terminal "$role" 'await "left="' \
            bash -c 'kiln run --network host -i debian:bookworm-slim perl -e "$1" </dev/tty; read -t 0.5 -r line; echo "left=<$line>"' \
            bash "$inject"
        [ "$status" -eq 0 ] && [[ $output == *none*"left=<>"* ]] || { echo "$output"; return 1; }
        run at_terminal "$role" 'await "no terminal"' \
            kiln run --network host busybox sh -c 'for fd in 0 1 2; do test -t $fd && exit 1; done; cat </dev/tty 2>/dev/null || echo no terminal'
        [ "$status" -eq 0 ] || { echo "$output"; return 1; }
    done
}

@test "run -t: the terminal is restored when kiln is ended by a signal" {
    local signal
    for signal in TERM HUP QUIT ABRT; do
        run at_terminal ranged "
            await \"# \"
            end $signal
            await terminal=
        " kiln run --network host -it busybox sh
        [ "$status" -eq 0 ] && [[ $output == *"terminal=restored"* ]] || { echo "$signal: $output"; return 1; }
    done
    # a builder that does not answer is killed by the third
    run at_terminal ranged '
        await "# "
        exec kill -s STOP [exec pgrep -P [exec pgrep -P [exp_pid]]]
        end INT; end INT; end INT
        await terminal=
    ' kiln run --network host -it busybox sh
    [ "$status" -eq 0 ] && [[ $output == *"terminal=restored"* ]] || { echo "$output"; return 1; }
}

# --- The shell after a failure -----------------------------------------------------------------------------

@test "build --debug: a shell in the failed step's sandbox, with all that the step had" {
    context 'FROM busybox\nENV SAID=image\nARG GIVEN=arg\nWORKDIR /place
RUN --mount=type=secret,id=word --mount=type=cache,target=/cache --mount=type=bind,target=/ctx,rw \\
    --mount=type=tmpfs,target=/mem --network=none \\
    echo kept >/left; echo cached >/cache/one; echo bound >/ctx/two; exit 3\n'
    local role
    for role in "${ROLES[@]}"; do
        echo hush >"$(workdir "$role")/secret"
        own "$role" "$(workdir "$role")"
        run at_terminal "$role" '
            await "failed with exit code 3"
            await "/place # "
            say {cat /left /cache/one /ctx/two /run/secrets/word; echo $SAID $GIVEN; ls -d /mem; tail -n +3 /proc/net/dev}
            await "kept"
            await "cached"
            await "bound"
            await "hush"
            await "image arg"
            await "/mem"
            await "lo:"
            say {stty size; mount -t tmpfs x /mnt || echo refused}
            await "31 99"
            await "refused"
            say {sh -c "echo go-\$((1+1)); exec sleep 1000"}
            await "go-2"
            key "\003"
            await "/place # "
            say "exit 0"
            await "ERROR:"
            await "exit code: 3"
        ' kiln build --debug --secret "id=word,src=$(workdir "$role")/secret" "$CONTEXT"
        [ "$status" -eq 0 ] || { echo "$output"; return 1; }
        [[ $output == *"code=1 terminal=restored"* ]]
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "build --on-error=shell: the step's shell and user; plain output gives the terminal up, too" {
    context 'FROM debian:bookworm-slim\nSHELL ["/bin/bash", "-c"]\nUSER www-data\nRUN no-such-command\n'
    run at_terminal ranged '
        await "failed with exit code 127"
        await "\$ "
        say {echo $BASH_VERSION $(id -un)-$((1+1)); cat /proc/$$/comm}
        await "5.2"
        await "www-data-2"
        await "bash"
        say exit
        await "ERROR:"
    ' kiln build --on-error=shell --progress plain "$CONTEXT"
    [ "$status" -eq 0 ] && [[ $output == *"code=1 terminal=restored"* ]] || { echo "$output"; return 1; }
}

@test "build --debug: other steps are stopped first, and the terminal is the shell's alone" {
    context 'FROM busybox AS slow\nRUN touch /begun; sleep 1000\nFROM busybox AS bad\nRUN sleep 0.3; false\nFROM busybox\nCOPY --from=slow /begun /a\nCOPY --from=bad /b /b\n'
    run at_terminal ranged '
        await "failed with exit code 1"
        await "# "
        say {echo alone-$((1+1))}
        await "alone-2"
        say exit
    ' kiln build -D "$CONTEXT"
    [ "$status" -eq 0 ] && [[ $output == *CANCELED*"RUN touch /begun"*"code=1 terminal=restored"* ]] ||
        { echo "$output"; return 1; }
}

@test "build --debug: a signal while the shell is open ends it, and all" {
    context 'FROM busybox\nRUN false\n'
    run at_terminal ranged '
        await "leave it."
        await "# "
        end TERM
        await "terminal=restored"
    ' kiln build --debug "$CONTEXT"
    [ "$status" -eq 0 ] && [[ $output == *"code=143"* ]] || { echo "$output"; return 1; }
    assert_clean "$KILN_IT/store-ranged"
}

@test "build --debug: an image without a shell says so" {
    context 'FROM scratch\nCOPY Dockerfile /\nRUN ["/Dockerfile"]\n'
    run at_terminal ranged 'await "no shell could be opened: /bin/sh"' kiln build --debug "$CONTEXT"
    [ "$status" -eq 0 ] && [[ $output == *"code=1 terminal=restored"* ]] || { echo "$output"; return 1; }
}

@test "build --debug without a terminal: a warning, no shell, and the failure" {
    context 'FROM busybox\nRUN echo unique-output; false\n'
    local role
    for role in "${ROLES[@]}"; do
        run build "$role" --debug "$CONTEXT"
        [ "$status" -eq 1 ]
        [[ $output == *"WARNING: no shell will be opened when a step fails: standard error is not a terminal"* ]]
        [[ $output == *unique-output* ]]
        run build "$role" --on-error=fail "$CONTEXT"
        [ "$status" -eq 1 ] && [[ $output != *"no shell will be opened"* ]]
    done
    run build ranged --on-error=ask "$CONTEXT"
    [ "$status" -eq 2 ] && [[ $output == *"--on-error=ask"*"shell, fail"* ]]
}

# --- kiln unshare ------------------------------------------------------------------------------------------

@test "unshare: a command in the builder's namespaces, with its exit code" {
    local role
    for role in "${ROLES[@]}"; do
        # shellcheck disable=SC2016
        run as "$role" kiln unshare sh -c 'id -u; echo $KILN_ROOT; find "$KILN_ROOT"/layers -name busybox | head -1 | wc -l; exit 3'
        [ "$status" -eq 3 ]
        [ "$output" = $'0\n'"$KILN_IT/store-$role"$'\n1' ]
        run as "$role" kiln unshare sh -c 'kill -TERM $$'
        [ "$status" -eq 143 ]
        run as "$role" kiln unshare --root /elsewhere sh -c 'echo $KILN_ROOT'
        [ "$output" = /elsewhere ]
        run as "$role" env SHELL=/bin/echo kiln unshare
        [ "$status" -eq 0 ] && [ -z "$output" ]
    done
    # files of subordinate ids, which the user himself cannot remove
    mkdir "$DIR/theirs"
    own ranged "$DIR"
    as ranged kiln unshare sh -c "chown 5:5 '$DIR/theirs'; chmod 700 '$DIR/theirs'"
    [ "$(stat -c %u "$DIR/theirs")" -eq 1000004 ]
    refute as ranged ls "$DIR/theirs"
    as ranged kiln unshare rmdir "$DIR/theirs"
    # mounts stay inside
    as root kiln unshare mount -t tmpfs inside "$DIR"
    refute grep "$DIR" /proc/self/mountinfo
}

@test "unshare: the shell has the terminal, with job control" {
    run at_terminal ranged '
        await "# "
        say {tty; echo uid-$(id -u)}
        await "uid-0"
        say {sh -c "echo go-\$((1+1)); exec sleep 1000"}
        await "go-2"
        key "\003"
        await "# "
        say "exit 4"
    ' env SHELL=/bin/bash PS1='# ' kiln unshare bash --norc
    [ "$status" -eq 0 ] && [[ $output == *"code=4 terminal=restored"* ]] || { echo "$output"; return 1; }
}

@test "unshare: what cannot be executed is told apart" {
    run -127 as ranged kiln unshare no-such-program
    [ "$status" -eq 127 ] && [[ $output == *'cannot execute "no-such-program"'* ]]
    run as ranged kiln unshare /etc/passwd
    [ "$status" -eq 126 ] && [[ $output == *"Permission denied"* ]]
    run as ranged kiln unshare /etc
    [ "$status" -eq 126 ]
    run as ranged kiln unshare --wrong true
    [ "$status" -eq 125 ] && [[ $output == *"unknown flag --wrong"* ]]
}
