#!/usr/bin/env bats
# What kiln knows of the builds that were made: kiln history, and kiln advise, which proposes another order from it.

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

# --- advise -------------------------------------------------------------------------------------------

# A project whose npm is slow, and writes down what it was given.
node_project() {
    cat >Dockerfile <<'END'
# syntax=docker/dockerfile:1
FROM busybox AS base
RUN <<EOT
cat >/bin/npm <<'NPM'
#!/bin/sh
sleep 0.4
mkdir -p node_modules
cat package*.json >node_modules/list
NPM
chmod +x /bin/npm
EOT
FROM base
WORKDIR /app
# the sources
COPY \
  # all of them
  . .
ENV NODE_ENV=production
RUN npm ci
RUN cat src/* >bundle
END
    echo '{"name": "app"}' >package.json
    echo '{}' >package-lock.json
}

# Builds after each of n changes of a source.
edit_and_build() { # N [ARGUMENTS…]
    local n=$1 i
    shift
    for ((i = 1; i <= n; i++)); do
        echo "$i" >src/a
        as ranged kiln build "$@" . >/dev/null 2>&1
    done
}


@test "advise: the COPY of the sources goes below npm ci, patch takes it, and the image stays the same" {
    node_project
    edit_and_build 5
    as ranged kiln build -t before . >/dev/null 2>&1
    run --separate-stderr as ranged kiln advise
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [[ $output == *"# Line 15: COPY"*"would have saved "*"s over 6 builds"* ]]
    [[ $output == *"line 19: RUN npm ci ran again 4 times for nothing"* ]]
    [[ $output == *'assumed: "npm ci" reads nothing of the context but package-lock.json package.json'* ]]
    # the time is that of the four builds
    as ranged kiln advise --format json >json
    jq -e '.seconds_saved > 1.6 and (.advice | length) == 1 and .advice[0].below[0].times == 4' json
    rm json
    as ranged kiln advise | patch
    [ "$(sed -n '14,21p' Dockerfile)" = "# the sources
COPY package-lock.json package.json ./
ENV NODE_ENV=production
RUN npm ci
COPY \\
  # all of them
  . .
RUN cat src/* >bundle" ]
    rm -f Dockerfile.orig
    as ranged kiln build -t after . >/dev/null 2>&1
    [ "$(as ranged kiln run before sh -c 'cat bundle node_modules/list; find / -xdev -path /proc -prune -o -type f -print | sort')" = \
        "$(as ranged kiln run after sh -c 'cat bundle node_modules/list; find / -xdev -path /proc -prune -o -type f -print | sort')" ]
    echo other >src/a
    run build ranged .
    [ "$status" -eq 0 ]
    is_cached 'RUN npm ci'
    ! is_cached 'RUN cat src/*'
    # what was changed has no history that speaks against it
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 0 && -z $output && $stderr == *"nothing to advise"* ]]
}

@test "advise: a build whose package.json changed would not have been faster" {
    node_project
    edit_and_build 2
    echo '{"name": "b"}' >package.json
    edit_and_build 2
    run --separate-stderr as ranged kiln advise --format json
    jq -e '.advice[0].below[0].times == 2' <<<"$output"
}

@test "advise: an ARG that changes goes below what does not use it" {
    cat >Dockerfile <<'END'
FROM busybox
ARG REVISION
RUN apt-get install -y curl
LABEL revision=$REVISION
END
    # busybox has no apt-get: this one is as slow
    sed -i 's|^ARG|COPY apt-get /bin/\n&|' Dockerfile
    printf '#!/bin/sh\nsleep 0.4\n' >apt-get
    chmod +x apt-get
    local i
    for i in 1 2 3; do
        as ranged kiln build --build-arg REVISION="$i" . >/dev/null 2>&1
    done
    run --separate-stderr as ranged kiln advise
    [[ $output == *"# Line 3: ARG REVISION"*"ran again 2 times"*"does not look at the variable REVISION"* ]]
    as ranged kiln advise | patch
    as ranged kiln build --build-arg REVISION=4 . >/dev/null 2>&1
    run build ranged --build-arg REVISION=5 .
    is_cached 'RUN apt-get'
}

@test "advise: CRLF, no newline at the end, and a path with a blank" {
    mkdir "a b"
    node_project
    sed 's/$/\r/' Dockerfile | sed -e '3,11d' -e 's/^FROM base\r/FROM busybox\r\nCOPY npm \/bin\/\r/' -e '$d' | head -c -2 >"a b/Dockerfile"
    printf '#!/bin/sh\nsleep 0.4\nmkdir -p node_modules\n' >npm
    chmod +x npm
    edit_and_build 3 -f "a b/Dockerfile"
    as ranged kiln advise -f "a b/Dockerfile" . >diff
    patch -p0 <diff
    rm diff
    [ "$(tail -4 "a b/Dockerfile" | tr '\r' '%')" = $'RUN npm ci%\nCOPY \\%\n  # all of them%\n  . .%' ]
    run build ranged -f "a b/Dockerfile" .
    [ "$status" -eq 0 ]
}

@test "advise: what is not sure is told, and not moved" {
    node_project
    echo '{"workspaces": ["lib"]}' >package.json
    edit_and_build 3
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 0 && -z $output ]]
    [[ $stderr == *"should stand lower"*"is not moved: package.json has '\"workspaces\"'"* ]]
}

@test "advise: no history, nothing to advise, a Dockerfile that has changed since" {
    node_project
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 0 && -z $output && $stderr == *"no build of Dockerfile with this context and target is kept"* ]]
    edit_and_build 1
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 0 && -z $output && $stderr == *"one build of Dockerfile is kept"* ]]
    as ranged kiln build . >/dev/null 2>&1
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 0 && -z $output && $stderr == *"nothing to advise"* ]]
    edit_and_build 4
    sed -i 's/npm ci/npm ci --omit=dev/' Dockerfile
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 0 && -z $output && $stderr == *"nothing to advise"* ]]
    run --separate-stderr as ranged kiln advise --target base
    [[ $status -eq 0 && $stderr == *"no build of Dockerfile"* ]]
}

@test "advise: bad input" {
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 1 && $stderr == *"no Dockerfile"* ]]
    printf 'FROM busybox\nRUM true\n' >Dockerfile
    run --separate-stderr as ranged kiln advise
    [[ $status -eq 1 && $stderr == *"Dockerfile:2:1: unknown instruction: RUM"* ]]
    run --separate-stderr as ranged kiln advise --format xml
    [[ $status -eq 2 && $stderr == "kiln advise: --format xml"* ]]
    run --separate-stderr as ranged kiln advise /none
    [[ $status -eq 2 && $stderr == *"does not exist"* ]]
    run --separate-stderr as ranged kiln advise a b
    [ "$status" -eq 2 ]
    run --separate-stderr as ranged kiln advise --help
    [[ $status -eq 0 && $output == *"--target"* ]]
}
