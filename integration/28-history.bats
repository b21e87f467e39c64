#!/usr/bin/env bats
# What kiln knows of the builds that were made: kiln history.

bats_require_minimum_version 1.5.0

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT/src"
    own ranged "$CONTEXT"
    cd "$CONTEXT"
    fresh_store ranged busybox=busybox
}

history() {
    as ranged kiln history "$@"
}

# --- history ------------------------------------------------------------------------------------------

# Three builds: one that is new, one that is cached, one that fails.
three_builds() {
    cat >Dockerfile <<'END'
FROM busybox AS base
COPY a /a
FROM base
RUN echo from-a-step; cat /a
RUN test "$(cat /a)" != bad
END
    echo good >a
    build ranged -t app -t app:2 . >/dev/null
    build ranged . >/dev/null
    echo bad >a
    ! build ranged . >/dev/null
}

@test "history: builds, newest first, and those of one kind" {
    run --separate-stderr history
    [ "$status" -eq 0 ]
    [[ $output =~ ^BUILD\ ID\ +NAME\ +STATUS\ +CREATED\ AT\ +DURATION$ ]]
    three_builds
    run --separate-stderr history
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 4 ]
    [[ ${lines[1]} =~ ^3\ +context\ +Error\ +.*\ ago\ +[0-9.]+s$ ]]
    [[ ${lines[2]} =~ ^2\ +context\ +Completed\  ]]
    [[ ${lines[3]} =~ ^1\ +app\ +Completed\  ]]
    [ "$(history -q --filter status=error)" = 3 ]
    [ "$(history -q --filter name=app:2)" = 1 ]
    [ "$(history -q --filter status=completed --filter status=error --filter context="$CONTEXT" | xargs)" = "3 2 1" ]
    [ "$(history -q --filter context=/none)" = "" ]
    [ "$(history ls --format json | jq -r .status | xargs)" = "error completed completed" ]
    [ "$(history ls --format json | tail -1 | jq -c .names)" = '["app","app:2"]' ]
}

@test "history: one build with its steps, their verdicts and sizes" {
    three_builds
    run --separate-stderr history 1
    [ "$status" -eq 0 ]
    [[ $output =~ Name:\ +app && $output =~ Context:\ +$CONTEXT && $output =~ Dockerfile:\ +$CONTEXT/Dockerfile ]]
    [[ $output =~ Status:\ +completed && $output =~ "1 of 4 cached" ]]
    [[ $output =~ 1\ +2\ +done\ +[0-9.]+s\ +5B\ +.*COPY\ a\ /a ]]
    run --separate-stderr history inspect ^1
    [[ $output =~ "4 of 4 cached" ]]
    run --separate-stderr history last
    [[ $output =~ Status:\ +error && $output =~ 3\ +5\ +error && $output =~ "exit code: 1" ]]
    [[ $output == *"a"*"changed"* ]] # why COPY was done again
    run --separate-stderr history inspect --format json 3
    [ "$(jq -r '[.steps[].verdict] | join(" ")' <<<"$output")" = "cached done done error" ]
    [ "$(jq -r '[.steps[].stage] | join(" ")' <<<"$output")" = "base base 1 1" ]
    [ "$(jq -r .steps[1].size <<<"$output")" = 4 ]
    [ "$(jq -r .dockerfile <<<"$output")" = "$CONTEXT/Dockerfile" ]
}

@test "history: logs are what the build printed" {
    three_builds
    run --separate-stderr history logs 1
    [ "$status" -eq 0 ]
    [[ $output == *"] RUN echo from-a-step"*" from-a-step"*" good"* ]]
    run --separate-stderr history logs
    [[ $output == *" bad"*"ERROR: "*"exit code: 1"* ]]
    run --separate-stderr history logs ^1
    is_cached 'RUN echo from-a-step'
    history logs --progress rawjson 1 | jq -es 'map(select(.event == "step_log" and .text == "from-a-step")) | length == 1'
}

@test "history: an output without end is cut off, and the rest of the build is there" {
    printf 'FROM busybox\nRUN seq 100000\nRUN echo the-end\n' >Dockerfile
    as ranged kiln build . >/dev/null 2>&1
    run --separate-stderr history logs
    [[ $output == *"lines of output are not kept"* && $output == *"] RUN echo the-end"* ]]
    [ "${#output}" -lt 8000000 ]
}

@test "history: a file with mistakes is a build that failed; one that is canceled is told so" {
    printf 'FROM busybox\nRUM true\n' >Dockerfile
    ! as ranged kiln build . 2>/dev/null
    run --separate-stderr history last
    [[ $output =~ Status:\ +error && $output == *"unknown instruction: RUM"* ]]
    printf 'FROM busybox\nRUN echo running; sleep 1000\n' >Dockerfile
    as ranged kiln build --progress plain . >out 2>&1 &
    local pid=$!
    timeout 60 sh -c 'until grep -q "[0-9] running" out; do sleep 0.1; done'
    kill -INT "$(pgrep -P "$pid" -x kiln || echo "$pid")"
    wait "$pid" || true
    [ "$(history ls --format json | head -1 | jq -r .status)" = canceled ]
}

@test "history: rm, and the newest builds alone are kept" {
    three_builds
    history rm 2
    [ "$(history -q | xargs)" = "3 1" ]
    as ranged kiln build --keep-builds 2 . >/dev/null 2>&1 || true
    [ "$(history -q | xargs)" = "4 3" ]
    as ranged kiln build --keep-builds 0 . >/dev/null 2>&1 || true
    [ "$(history -q | xargs)" = "4 3" ]
    history rm --all
    [ "$(history -q)" = "" ]
}

@test "history: the password of a URL is not kept" {
    run as ranged kiln build --progress plain https://user:hunter2@127.0.0.1:1/a.git
    [ "$status" -ne 0 ]
    run --separate-stderr history inspect --format json
    [ "$(jq -r .context <<<"$output")" = "https://127.0.0.1:1/a.git" ]
    ! grep -q hunter2 <<<"$output"
}

@test "history: bad input" {
    run --separate-stderr history 7
    [ "$status" -eq 1 ]
    [[ $stderr == *"build 7 is not kept"* ]]
    run --separate-stderr history nonsense
    [[ $status -eq 1 && $stderr == *'"nonsense" is no build'* ]]
    run --separate-stderr history logs
    [[ $status -eq 1 && $stderr == *"no build is kept"* ]]
    local words
    for words in "ls 1" "1 2" "logs 1 2" "rm" "rm --all 1" "--all" "inspect -q" "--format xml" "--filter color=red" \
        "--filter status=fine" "logs --progress tty"; do
        # shellcheck disable=SC2086
        run --separate-stderr history $words
        [ "$status" -eq 2 ] || { echo "$words: $status"; false; }
        [[ $stderr == "kiln history: "* ]]
    done
    run --separate-stderr as ranged kiln build --keep-builds many .
    [[ $status -eq 2 && $stderr == *"--keep-builds"* ]]
    KILN_ROOT=$DIR/none run --separate-stderr history
    [ "$status" -eq 0 ]
    KILN_ROOT=$DIR/none run --separate-stderr history last
    [[ $status -eq 1 && $stderr == *"there is no store"* ]]
    [ ! -e "$DIR/none" ]
}

