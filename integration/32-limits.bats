#!/usr/bin/env bats
# What a RUN may use: ulimits, /dev/shm, memory, processes, CPUs, and time.

setup() {
    load lib
}

teardown() {
    remove_delegations
}

# Builds one RUN on busybox as a role, with flags before the command; its output is in $output.
run_with() { # ROLE COMMAND FLAG…
    local role=$1 command=$2 context
    shift 2
    context=$(workdir "$role")/context
    mkdir -p "$context"
    printf 'FROM busybox\nRUN %s\n' "$command" >"$context/Dockerfile"
    own "$role" "$context"
    run build "$role" --no-cache "$@" "$context"
}

# Whether the command printed this line.
printed() { # LINE
    grep -qE "^#[0-9]+ [0-9.]+ $1\$" <<<"$output"
}

# A cgroup that a role may use, in each v1 hierarchy of the names: as an administrator would make it.
# Prints what --cgroup-parent is to be.
delegate() { # ROLE CONTROLLER…
    local role=$1 controller dir name=kiln-it-$BASHPID-$RANDOM
    shift
    for controller; do
        dir=/sys/fs/cgroup/$controller/$name
        mkdir "$dir"
        if [ "$controller" = cpuset ]; then
            cat "$dir/../cpuset.cpus" >"$dir/cpuset.cpus"
            cat "$dir/../cpuset.mems" >"$dir/cpuset.mems"
        fi
        own "$role" "$dir"
        echo "$dir" >>"$BATS_TEST_TMPDIR/delegated"
    done
    echo "/$name"
}

remove_delegations() {
    local dir
    [ -e "$BATS_TEST_TMPDIR/delegated" ] || return 0
    while read -r dir; do
        [ ! -d "$dir" ] || find "$dir" -depth -type d -exec rmdir {} +
    done <"$BATS_TEST_TMPDIR/delegated"
}

# This host's cgroups are v1, and writable for root: else the tests of them would test something else.
needs_v1() {
    [ -w /sys/fs/cgroup/memory/cgroup.procs ] && [ -d /sys/fs/cgroup/pids ] && [ -d /sys/fs/cgroup/cpu ] ||
        skip "needs root and cgroup v1 hierarchies: memory, pids, cpu, cpuset"
}

@test "a RUN has a default /dev/shm of 64 MiB, no terminal, and the limits that kiln was started with" {
    for role in ranged single root; do
        run_with "$role" 'df -k /dev/shm | tail -1; tty; (: </dev/tty); echo nofile $(ulimit -Sn) $(ulimit -Hn)'
        [ "$status" -eq 0 ]
        [[ $output == *" 65536 "* ]]
        [[ $output == *"not a tty"* && $output == *"No such device or address"* ]]
        [[ $output == *"nofile $(ulimit -Sn) $(ulimit -Hn)"* ]]
    done
}

@test "--ulimit and --shm-size" {
    for role in ranged single root; do
        run_with "$role" 'echo n $(ulimit -Sn) $(ulimit -Hn) c $(ulimit -Sc) $(ulimit -Hc); df -k /dev/shm | tail -1' \
            --ulimit nofile=100:200 --ulimit core=0 --ulimit nofile=101:200 --shm-size 1.5m
        [ "$status" -eq 0 ]
        [[ $output == *"n 101 200 c 0 0"* ]]
        [[ $output == *" 1536 "* ]]
    done
}

@test "--ulimit above the hard limit: who may raise it gets it, others are told before anything runs" {
    # root of a container may lack CAP_SYS_RESOURCE
    local roots=3
    (ulimit -n 500 && ulimit -n 600) 2>/dev/null && roots=0
    run bash -c "ulimit -n 500; $(declare -f as build); KILN_IT=$KILN_IT; PATH=$PATH
        mkdir -p '$BATS_TEST_TMPDIR/c'; chmod 755 '$BATS_RUN_TMPDIR' '$BATS_FILE_TMPDIR' '$BATS_TEST_TMPDIR' '$BATS_TEST_TMPDIR/c'
        printf 'FROM busybox\nRUN echo n \$(ulimit -Sn)\n' >'$BATS_TEST_TMPDIR/c/Dockerfile'
        for role in root ranged single; do build \$role --no-cache --ulimit nofile=600 '$BATS_TEST_TMPDIR/c'; echo code-\$role-\$?; done"
    [[ $output == *"code-root-$roots"* ]]
    [[ $output == *"code-ranged-3"* && $output == *"code-single-3"* ]]
    [ "$(grep -c "hard limit of this process, 500" <<<"$output")" -ge 2 ]
    [ "$roots" -ne 0 ] || [ "$(grep -c 'n 600$' <<<"$output")" -eq 1 ]
}

@test "--hostname, and BUILDKIT_SANDBOX_HOSTNAME" {
    for role in ranged single root; do
        run_with "$role" 'hostname; cat /etc/hostname; grep localhost /etc/hosts' --hostname forge
        [ "$status" -eq 0 ]
        [ "$(grep -c 'forge$' <<<"$output")" -ge 3 ]
    done
    run_with ranged 'hostname' --build-arg BUILDKIT_SANDBOX_HOSTNAME=anvil
    [[ $output == *" anvil"* ]]
    run_with ranged 'hostname' --hostname 'no spaces'
    [ "$status" -ne 0 ]
    [[ $output == *"hostname"* ]]
}

@test "--memory by v1 cgroups: a RUN that exceeds it is told as killed for memory" {
    needs_v1
    for role in root ranged single; do
        parent=$(delegate "$role" memory)
        run_with "$role" 'dd if=/dev/zero of=/dev/null bs=100M count=1' -m 64m --cgroup-parent "$parent"
        [ "$status" -eq 1 ]
        [[ $output == *"was killed: it used more than --memory 64 MiB, exit code: 137"* ]]
        [[ $output != *"WARNING: --"* ]]
        [ -z "$(ls -d "/sys/fs/cgroup/memory$parent"/*/ 2>/dev/null)" ]
    done
}

@test "--memory is a step's: each RUN has its own, and what stays below it passes" {
    needs_v1
    context=$(workdir root)/context
    mkdir -p "$context"
    # each fills half of it with files in memory, which stay until the end of the step
    printf 'FROM busybox\nRUN dd if=/dev/zero of=/dev/shm/f bs=1M count=20\nRUN dd if=/dev/zero of=/dev/shm/f bs=1M count=20\n' \
        >"$context/Dockerfile"
    run build root --no-cache -m 32m "$context"
    [ "$status" -eq 0 ]
    # a step that goes on without the process that was killed
    run_with root 'dd if=/dev/zero of=/dev/null bs=100M count=1; echo went on' -m 64m
    [ "$status" -eq 0 ]
    [[ $output == *"went on"* ]]
}

@test "--pids-limit, --cpus, --cpu-shares and --cpuset-cpus by v1 cgroups" {
    needs_v1
    for role in root ranged single; do
        parent=$(delegate "$role" memory pids cpu cpuset)
        run_with "$role" 'for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo all' --pids-limit 6 --cgroup-parent "$parent"
        [ "$status" -ne 0 ]
        [[ $output == *"an't fork"* && $output != *"WARNING: --"* ]]
        refute printed all
        # the step waits, and the test reads what its cgroup says
        dir=$(workdir "$role")/look
        mkdir -p "$dir"
        printf 'FROM busybox\nRUN grep Cpus_allowed_list /proc/self/status; echo ready; while :; do sleep 0.05; done\n' >"$dir/Dockerfile"
        own "$role" "$dir"
        build "$role" --no-cache --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --cgroup-parent "$parent" "$dir" \
            >"$dir/log" 2>&1 3>&- &
        kiln=$!
        until grep -qE '^#[0-9]+ [0-9.]+ ready$' "$dir/log" || ! kill -0 $kiln; do sleep 0.05; done
        step=$(echo "/sys/fs/cgroup/cpu$parent"/kiln-step-*)
        quota=$(cat "$step/cpu.cfs_quota_us") shares=$(cat "$step/cpu.shares")
        cpus=$(cat "/sys/fs/cgroup/cpuset$parent"/kiln-step-*/cpuset.cpus)
        kill -INT "$(pgrep -P $kiln -x kiln || echo $kiln)"
        wait $kiln || true
        [ "$quota" = 50000 ]
        [ "$shares" = 512 ]
        [ "$cpus" = 0 ]
        grep -qP 'Cpus_allowed_list:\t0$' "$dir/log"
        [ ! -d "$step" ] # also after a cancel
    done
}

@test "what a killed builder left is removed by the next build" {
    needs_v1
    parent=$(delegate ranged memory)
    context=$(workdir ranged)/context
    mkdir -p "$context"
    printf 'FROM busybox\nRUN echo ready; sleep 1000\n' >"$context/Dockerfile"
    own ranged "$context"
    build ranged --no-cache -m 64m --cgroup-parent "$parent" "$context" >"$context/log" 2>&1 3>&- &
    until grep -qE '^#[0-9]+ [0-9.]+ ready$' "$context/log"; do kill -0 $!; sleep 0.05; done
    step=$(echo "/sys/fs/cgroup/memory$parent"/kiln-step-*)
    [ -d "$step" ]
    pid=${step##*/kiln-step-}
    kill -KILL "${pid%-*}"
    wait $! || true
    [ -d "$step" ]
    run_with ranged true -m 64m --cgroup-parent "$parent"
    [ "$status" -eq 0 ]
    [ ! -d "$step" ]
}

@test "without cgroups: rlimits and affinity, and a warning for each limit that says so" {
    for role in ranged single; do
        run_with "$role" 'echo data $(ulimit -d); grep Cpus_allowed_list /proc/self/status; dd if=/dev/zero of=/dev/null bs=100M count=1' \
            -m 64m --pids-limit 40 --cpus 1 --cpu-shares 5 --memory-swap 128m --cpuset-mems 0
        [ "$status" -eq 1 ]
        [[ $output == *"data 65536"* ]]
        grep -qP 'Cpus_allowed_list:\t\d+$' <<<"$output"
        [[ $output == *"memory"* ]]
        for limit in memory memory-swap pids-limit cpus cpu-shares cpuset-mems; do
            grep -E "^WARNING: --$limit (holds|is) .*cgroup .*: Permission denied" <<<"$output"
        done
        run_with "$role" 'for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo all' --pids-limit 6
        [ "$status" -ne 0 ]
        [[ $output == *"an't fork"* ]]
        refute printed all
    done
}

@test "--cgroup-parent that cannot be used is an error" {
    for role in ranged single root; do
        run_with "$role" true --cgroup-parent /no-such -m 64m
        [ "$status" -eq 1 ]
        [[ $output == *"--cgroup-parent /no-such: the cgroup "*"/no-such: No such file or directory"* ]]
    done
    run_with ranged true --cgroup-parent / -m 64m
    [ "$status" -eq 1 ]
    [[ $output == *"--cgroup-parent /: the cgroup "*"Permission denied"* ]]
}

@test "--step-timeout stops a RUN, --timeout a build, and nothing is left" {
    for role in ranged single root; do
        fresh_store "$role" busybox=busybox
        run_with "$role" 'trap "" TERM INT; sleep 1000 & exec >&- 2>&-; sleep 1000' --step-timeout 300ms
        [ "$status" -eq 1 ]
        [[ $output == *"was stopped after 0.3 s (--step-timeout)"* ]]
        assert_clean "$KILN_ROOT"
        run_with "$role" 'echo begun; sleep 1000' --timeout 2s
        [ "$status" -eq 1 ]
        [[ $output == *"the build was stopped after 2 s (--timeout)"* ]]
        [[ $output != *interrupted* ]]
        assert_clean "$KILN_ROOT"
        run_with "$role" 'sleep 0.1' --step-timeout 5m30s --timeout 1h
        [ "$status" -eq 0 ]
    done
}

@test "limits are in no key: another value is no reason to run a step again" {
    context=$(workdir ranged)/context
    mkdir -p "$context"
    echo "$RANDOM$RANDOM" >"$context/salt"
    printf 'FROM busybox\nCOPY salt /\nRUN date +%%N\n' >"$context/Dockerfile"
    own ranged "$context"
    run build ranged "$context"
    [ "$status" -eq 0 ]
    run build ranged --ulimit nofile=99 --shm-size 3m --step-timeout 1m --timeout 2m --cpu-shares 3 "$context"
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 2 ]
    [[ $output != *"WARNING: --"* ]] # nothing ran
    run build ranged --hostname other "$context" # a command can see this one
    [ "$(cached)" -eq 1 ]
}

@test "bad values are usage errors that name the flag" {
    while read -r flag value; do
        run build ranged "--$flag=$value" "$BATS_TEST_TMPDIR"
        [ "$status" -eq 2 ]
        [[ $output == *"--$flag"* ]] || { echo "$flag=$value: $output"; false; }
    done <<'BAD'
memory x
memory 5m
memory -1
memory 99999999999999g
memory-swap 1g
pids-limit many
pids-limit 99999999999
cpus 0.001
cpus 1e2
cpus -1
cpu-period 1
cpu-period 1000001
cpu-quota 999
cpu-shares 1
cpu-shares 262145
cpuset-cpus 3-1
cpuset-cpus 0,
cpuset-cpus 99999
cpuset-mems a
cgroup-parent ../up
cgroup-parent 
shm-size 0
shm-size 1x
ulimit nofile
ulimit nofile=
ulimit nofile=1:2:3
ulimit nofile=9:3
ulimit nofile=-2
ulimit nofiles=1
ulimit as=1
step-timeout 5
step-timeout -5s
step-timeout 0s
timeout 1d
timeout 
BAD
    run build ranged --memory 64m --memory-swap 32m "$BATS_TEST_TMPDIR"
    [ "$status" -eq 2 ]
    run build ranged --cpus 1 --cpu-quota 2000 "$BATS_TEST_TMPDIR"
    [ "$status" -eq 2 ]
}
