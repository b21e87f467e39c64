#!/usr/bin/env bats
# ADD of URLs and of git repositories: a web server of our own and git's daemon, both on loopback.

setup_file() {
    load lib
    load services
    local it=$BATS_FILE_TMPDIR
    chmod 755 "$BATS_RUN_TMPDIR" "$it"
    export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
    mkdir -p "$it/web/dir" "$it/web/git" "$it/work"
    echo 'first version' >"$it/web/file.txt"
    echo 'without validators' >"$it/web/no-validators"
    echo 'forgetful' >"$it/web/forgetful"
    touch -d '2024-02-03 04:05:06 UTC' "$it"/web/*
    (cd "$it/work" && mkdir inside && echo packed >inside/packed && tar -czf "$it/web/archive.tar.gz" inside)
    make_repositories "$it/work" "$it/web/git"

    "$BATS_TEST_DIRNAME/fixtures/web-server.py" "$it/web" "$it/web.log" >"$it/web.port" 3>&- &
    WEB_PID=$!
    # git-daemon takes no port 0; and "git daemon" would be another process
    local port
    port=$(free_port)
    "$(git --exec-path)/git-daemon" --base-path="$it/web/git" --export-all --listen=127.0.0.1 --port="$port" \
        --verbose --reuseaddr >/dev/null 2>"$it/daemon.log" 3>&- &
    DAEMON_PID=$!
    poll 10 test -s "$it/web.port"
    poll 10 grep -q 'Ready to rumble' "$it/daemon.log"
    WEB=http://127.0.0.1:$(cat "$it/web.port")
    GIT=git://127.0.0.1:$port
    export WEB GIT WEB_PID DAEMON_PID
}

teardown_file() {
    load services
    stop "$WEB_PID"
    stop "$DAEMON_PID"
}

teardown() {
    load services
    [ -z "${TLS_PID:-}" ] || stop "$TLS_PID"
}

setup() {
    load lib
    LOG=$BATS_FILE_TMPDIR/web.log
    WORK=$BATS_FILE_TMPDIR/work
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

commit() { # REPOSITORY MESSAGE
    git -C "$1" add -A
    git -C "$1" -c user.name=a -c user.email=a@example.org commit -qm "$2"
}

make_repositories() { # WORK SERVED
    local work=$1 served=$2
    git -c init.defaultBranch=main init -q "$work/sub"
    echo submodule >"$work/sub/sub.txt"
    commit "$work/sub" sub
    git clone -q --bare "$work/sub" "$served/sub.git"

    git -c init.defaultBranch=main init -q "$work/repo"
    mkdir "$work/repo/docs"
    echo one >"$work/repo/file"
    echo guide >"$work/repo/docs/guide.md"
    ln -s docs/guide.md "$work/repo/link"
    printf '#!/bin/sh\n' >"$work/repo/run" && chmod 755 "$work/repo/run"
    commit "$work/repo" one
    git -C "$work/repo" -c user.name=a -c user.email=a@example.org tag -am v1 v1
    echo two >"$work/repo/file"
    git -C "$work/repo" -c protocol.file.allow=always submodule --quiet add "$served/sub.git" module
    git config -f "$work/repo/.gitmodules" submodule.module.url ../sub.git
    commit "$work/repo" two
    git clone -q --bare "$work/repo" "$served/repo.git"

    # What a hostile server would offer: submodules that run a command, read a file of the host, or are outside.
    local name
    for name in ext file outside; do
        git clone -q "$work/repo" "$work/$name" 2>/dev/null
    done
    git config -f "$work/ext/.gitmodules" submodule.module.url "ext::sh -c touch% $work/owned"
    git config -f "$work/ext/.gitmodules" submodule.module.update "!touch $work/owned"
    git config -f "$work/file/.gitmodules" submodule.module.url "file://$served/sub.git"
    git config -f "$work/outside/.gitmodules" submodule.module.path "../outside"
    ln -s /etc "$work/outside/etc"
    for name in ext file outside; do
        commit "$work/$name" hostile
        git clone -q --bare "$work/$name" "$served/$name.git"
    done
    for name in "$served"/*.git; do
        git -C "$name" update-server-info
    done
}

# Builds a Dockerfile given as lines below FROM scratch and prints the rootfs.
built() { # ROLE LINE…
    local role=$1 dir
    shift
    dir=$(workdir "$role")
    mkdir -p "$dir/context"
    printf 'FROM scratch\n' >"$dir/Dockerfile"
    printf '%s\n' "$@" >>"$dir/Dockerfile"
    own "$role" "$dir/context"
    rm -f "$dir/out.tar"
    build "$role" -o "type=oci,dest=$dir/out.tar" -f "$dir/Dockerfile" "$dir/context" >"$dir/log" || {
        cat "$dir/log" >&2
        return 1
    }
    unpack "$dir/out.tar"
}

failing() { # ROLE LINE…: the output of a build that must fail with status 1
    local role=$1 dir
    shift
    dir=$(workdir "$role")
    mkdir -p "$dir/context"
    printf 'FROM scratch\n' >"$dir/Dockerfile"
    printf '%s\n' "$@" >>"$dir/Dockerfile"
    own "$role" "$dir/context"
    run build "$role" -f "$dir/Dockerfile" "$dir/context"
    echo "$output"
    [ "$status" -eq 1 ]
}

head_of() {
    git -C "$WORK/repo" rev-parse "$1"
}

@test "ADD of a URL: name, mode, owner, time and content" {
    for role in ranged single root; do
        fresh_store "$role"
        root=$(built "$role" "ADD $WEB/file.txt?x=1#y $WEB/no-validators /in/" "ADD $WEB/file.txt /renamed" \
            "ADD --chown=5:6 --chmod=0751 --link $WEB/file.txt /changed/")
        [ "$(cat "$root/in/file.txt")" = 'first version' ]
        [ "$(stat -c '%a %u:%g %Y' "$root/in/file.txt")" = '600 0:0 1706933106' ]
        [ "$(stat -c '%a %u:%g %Y' "$root/in/no-validators")" = '600 0:0 0' ]
        cmp "$root/renamed" "$root/in/file.txt"
        [ "$(stat -c '%a %u:%g' "$root/changed/file.txt")" = '751 5:6' ]
    done
}

@test "SOURCE_DATE_EPOCH cuts the times of what was fetched" {
    fresh_store ranged
    dir=$(workdir ranged)
    mkdir -p "$dir/context"
    printf 'FROM scratch\nADD %s/file.txt %s/repo.git /d/\n' "$WEB" "$GIT" >"$dir/context/Dockerfile"
    as ranged env SOURCE_DATE_EPOCH=1000000000 kiln build -o "type=oci,dest=$dir/out.tar" "$dir/context"
    root=$(unpack "$dir/out.tar")
    [ "$(find "$root/d" -mindepth 1 -printf '%T@\n' | sort -u)" = 1000000000.0000000000 ]
}

@test "an unchanged URL is asked for and not downloaded; a changed one is fetched and built anew" {
    role=ranged
    fresh_store $role
    url=$WEB/changing
    echo old >"$BATS_FILE_TMPDIR/web/changing"
    built $role "ADD $url /x" >/dev/null
    built $role "ADD $url /x" >/dev/null
    [ "$(grep -c '^200 /changing' "$LOG")" -eq 1 ]
    [ "$(grep -c '^304 /changing' "$LOG")" -eq 1 ]
    output=$(cat "$(workdir $role)/log") is_cached "ADD $url /x"
    echo new >"$BATS_FILE_TMPDIR/web/changing"
    root=$(built $role "ADD $url /x")
    [ "$(cat "$root/x")" = new ]
}

@test "kiln plan asks no server: it says what it remembers" {
    fresh_store ranged
    dir=$(workdir ranged)
    commit=$(head_of main)
    built ranged "ADD $WEB/file.txt /x" "ADD $GIT/repo.git#$commit /y" >/dev/null
    before=$(wc -l <"$LOG")
    run as ranged kiln plan -f "$dir/Dockerfile" "$dir/context"
    [ "$status" -eq 0 ]
    [ "$(grep -ci 'cached' <<<"$output")" -ge 2 ]
    printf 'FROM scratch\nADD %s/never.txt /x\n' "$WEB" >"$dir/Dockerfile"
    run as ranged kiln plan -f "$dir/Dockerfile" "$dir/context"
    [ "$status" -eq 0 ]
    [[ $output != *[Cc]ached* && $output != *rror* ]]
    [ "$(wc -l <"$LOG")" -eq "$before" ]
}

@test "a server that sends ETags but forgets them: the answer is broken off, the step is cached" {
    fresh_store ranged
    built ranged "ADD $WEB/forgetful /x" >/dev/null
    root=$(built ranged "ADD $WEB/forgetful /x")
    [ "$(cat "$root/x")" = forgetful ]
    output=$(cat "$(workdir ranged)/log") is_cached "ADD $WEB/forgetful /x"
}

@test "--checksum: the right one in three algorithms; cached without asking; the wrong one names both" {
    fresh_store ranged
    local file=$BATS_FILE_TMPDIR/web/file.txt before
    for algorithm in 256 384 512; do
        sum=sha$algorithm:$("sha${algorithm}sum" "$file" | cut -d' ' -f1)
        built ranged "ADD --checksum=$sum $WEB/file.txt /x" >/dev/null
    done
    before=$(wc -l <"$LOG")
    sum=sha256:$(sha256sum "$file" | cut -d' ' -f1)
    built ranged "ARG SUM=$sum" "ADD --checksum=\$SUM $WEB/file.txt /x" >/dev/null
    built ranged "ADD --checksum=$sum $WEB/file.txt /another" >/dev/null
    [ "$(wc -l <"$LOG")" -eq "$before" ]
    wrong=sha256:$(echo other | sha256sum | cut -d' ' -f1)
    failing ranged "ADD --checksum=$wrong $WEB/file.txt /x"
    [[ $output == *"$sum"*"$wrong"* ]]
    [[ $output == *Dockerfile:2:* ]]
}

@test "archives of URLs stay as they are, and are unpacked with --unpack" {
    fresh_store ranged
    root=$(built ranged "ADD $WEB/archive.tar.gz /kept/" "ADD --unpack=true $WEB/archive.tar.gz /unpacked/" \
        "ADD --unpack $WEB/file.txt /unpacked/")
    gzip -t "$root/kept/archive.tar.gz"
    [ "$(cat "$root/unpacked/inside/packed")" = packed ]
    [ "$(cat "$root/unpacked/file.txt")" = 'first version' ]
}

@test "URLs, repositories, files of the context and heredocs in one ADD, the later over the earlier" {
    fresh_store ranged
    dir=$(workdir ranged)
    mkdir -p "$dir/context"
    echo local >"$dir/context/file"
    root=$(built ranged "ADD $GIT/repo.git file $WEB/file.txt <<here /d/" "in line" here)
    [ "$(cat "$root/d/file")" = local ]
    [ "$(cat "$root/d/file.txt")" = 'first version' ]
    [ "$(cat "$root/d/here")" = 'in line' ]
    [ "$(cat "$root/d/docs/guide.md")" = guide ]
}

@test "a redirect is followed, but never to another scheme, and never without end" {
    fresh_store ranged
    root=$(built ranged "ADD $WEB/redirect-to/$WEB/file.txt /d/x")
    [ "$(cat "$root/d/x")" = 'first version' ]
    failing ranged "ADD $WEB/redirect-to/file:///etc/passwd /x"
    [[ $output == *"file:///etc/passwd"*"only http and https"* ]]
    failing ranged "ADD $WEB/loop /x"
    [[ $output == *'redirects more than'* ]]
}

@test "hostile servers: names that lead out, headers and bodies without end" {
    fresh_store ranged
    root=$(built ranged "ADD $WEB/disposition/file.txt /d/")
    [ "$(cd "$root" && find . -type f)" = ./d/file.txt ]
    failing ranged "ADD $WEB/endless-headers /x"
    [[ $output == *'headers'* ]]
    run as ranged kiln-remote get --max 1000000 "$WEB/endless-body" "$(workdir ranged)/endless"
    [ "$status" -eq 1 ]
    [[ $output == *'more than 1000000 bytes'* ]]
    [ ! -e "$(workdir ranged)/endless" ]
    failing ranged "ADD $WEB/status/404 /x"
    [[ $output == *'404 Not Found'* && $output != *$'\033[31m'* ]]
}

@test "what goes wrong with a URL is said with its place" {
    fresh_store ranged
    failing ranged "ADD http://127.0.0.1:1/x /x"
    [[ $output == *"Dockerfile:2:5"*"cannot connect to 127.0.0.1:1"* ]]
    failing ranged "ADD http://no-such-host.invalid/x /x"
    [[ $output == *"no-such-host.invalid is not known"* ]]
    failing ranged "ADD ${WEB/http:/https:}/x /x"
    [[ $output == *"does not speak TLS"* ]]
    failing ranged "ADD $WEB/ /dir/"
    [[ $output == *"no file name"* ]]
    failing ranged "COPY $WEB/file.txt /x"
    [[ $output == *"COPY cannot fetch"* ]]
}

@test "ADD of a git repository: files, modes, submodules, no .git" {
    for role in ranged single root; do
        fresh_store "$role"
        root=$(built "$role" "ADD $GIT/repo.git /src" "ADD $WEB/git/repo.git#v1 /old/" "ADD $GIT/repo.git#:docs /docs")
        [ "$(cat "$root/src/file")" = two ]
        [ "$(cat "$root/src/module/sub.txt")" = submodule ]
        [ "$(stat -c '%a %u:%g' "$root/src/file")" = '644 0:0' ]
        [ "$(stat -c %a "$root/src/run")" = 755 ]
        [ "$(readlink "$root/src/link")" = docs/guide.md ]
        [ -z "$(find "$root" -name .git)" ]
        [ "$(cat "$root/old/file")" = one ]
        [ "$(ls -A "$root/docs")" = guide.md ]
    done
}

@test "refs by branch, tag, commit and query; checksum; submodules=0; --exclude; keep-git-dir" {
    fresh_store ranged
    one=$(head_of v1^{commit}) two=$(head_of main)
    root=$(built ranged "ADD $GIT/repo.git?branch=main&submodules=0 /a" "ADD $GIT/repo.git?tag=v1&subdir=docs /b" \
        "ADD --checksum=${one:0:12} $GIT/repo.git#v1 /c" "ADD $GIT/repo.git#$one /d" \
        "ADD --keep-git-dir --exclude=docs $GIT/repo.git#refs/heads/main /e")
    [ "$(cat "$root/a/file")" = two ]
    [ -z "$(ls -A "$root/a/module")" ]
    [ "$(ls -A "$root/b")" = guide.md ]
    [ "$(cat "$root/c/file")" = one ]
    [ "$(cat "$root/d/file")" = one ]
    [ ! -e "$root/e/docs" ]
    [ "$(git -c safe.directory='*' -C "$root/e" rev-parse HEAD)" = "$two" ]
    [ "$(git -c safe.directory='*' -C "$root/e" config remote.origin.url)" = "$GIT/repo.git" ]
    failing ranged "ADD --checksum=$one $GIT/repo.git#main /c"
    [[ $output == *"$two"*"$one"* ]]
}

@test "a repository is fetched again only when its ref has moved" {
    fresh_store ranged
    git clone -q "$WORK/repo" "$WORK/moving" 2>/dev/null
    git clone -q --bare "$WORK/moving" "$BATS_FILE_TMPDIR/web/git/moving.git"
    built ranged "ADD $GIT/moving.git?submodules=false /src" >/dev/null
    built ranged "ADD $GIT/moving.git?submodules=false /src" >/dev/null
    output=$(cat "$(workdir ranged)/log") is_cached "ADD $GIT/moving.git"
    echo three >"$WORK/moving/file"
    commit "$WORK/moving" three
    git -C "$WORK/moving" push -q "$BATS_FILE_TMPDIR/web/git/moving.git" HEAD:main
    root=$(built ranged "ADD $GIT/moving.git?submodules=false /src")
    [ "$(cat "$root/src/file")" = three ]
}

@test "what goes wrong with a repository is said with its place" {
    fresh_store ranged
    failing ranged "ADD $GIT/repo.git#no-such-branch /x"
    [[ $output == *"Dockerfile:2:5"*'no branch or tag "no-such-branch"'* ]]
    failing ranged "ADD $GIT/nothing.git /x"
    [[ $output == *"nothing.git"* ]]
    failing ranged "ADD $WEB/private.git /x"
    [[ $output == *"needs a login"* ]]
    failing ranged "ADD $GIT/repo.git#:no/such/dir /x"
    [[ $output == *'no directory "no/such/dir"'* ]]
    failing ranged "ADD $GIT/repo.git#:link /x"
    [[ $output == *'no directory "link"'* ]]
    failing ranged "ADD $GIT/repo.git#--upload-pack=touch\${IFS}x /x"
    [[ $output == *'cannot be a git ref'* ]]
    failing ranged "ADD ssh://-oProxyCommand=touch\${IFS}x/y /x"
    [[ $output == *'host is missing'* ]]
}

# An ssh that notes its arguments and its agent, and serves the repositories of this host; or refuses everybody.
fake_ssh() { # ROLE serve|refuse
    DIR=$(workdir "$1")
    mkdir -p "$DIR/bin" "$DIR/context"
    cat >"$DIR/bin/ssh" <<EOF
#!/bin/bash
{ echo "agent=<\$SSH_AUTH_SOCK>"; printf '%s\n' "\$@"; } >>"$DIR/ssh.log"
if [ $2 = refuse ]; then
    echo 'git@example.org: Permission denied (publickey).' >&2
    exit 255
fi
eval "path=\${!##git-upload-pack }"
exec git -c safe.directory='*' upload-pack "\$path"
EOF
    chmod 755 "$DIR/bin/ssh"
    : >"$DIR/own-agent"
    own "$1" "$DIR"
}

# Builds with that ssh, and SSH_AUTH_SOCK set.
by_ssh() { # ROLE ARGUMENTS…
    rm -f "$DIR/ssh.log"
    run as "$1" env PATH="$DIR/bin:$PATH" SSH_AUTH_SOCK="$DIR/own-agent" kiln build --progress plain --no-cache "${@:2}"
    echo "$output"
}

agents_seen() {
    grep '^agent=' "$DIR/ssh.log" | sort -u
}

@test "git by ssh: no agent and no key of the user's without --ssh default" {
    for role in ranged single root; do
        fresh_store "$role"
        fake_ssh "$role" serve
        printf 'FROM scratch\nADD ssh://git@example.org%s/web/git/repo.git /src\n' "$BATS_FILE_TMPDIR" >"$DIR/context/Dockerfile"
        by_ssh "$role" -o "type=oci,dest=$DIR/out.tar" "$DIR/context"
        [ "$status" -eq 0 ]
        [ "$(cat "$(unpack "$DIR/out.tar")/src/module/sub.txt")" = submodule ]
        [ "$(agents_seen)" = 'agent=<>' ]
        # of every ssh, those of the submodule too
        [ "$(grep -c '^agent=' "$DIR/ssh.log")" -ge 3 ]
        [ "$(grep -c '^agent=' "$DIR/ssh.log")" -eq "$(grep -cx IdentityFile=none "$DIR/ssh.log")" ]
        by_ssh "$role" --ssh other "$DIR/context"
        [ "$status" -eq 0 ]
        [ "$(agents_seen)" = 'agent=<>' ]
        by_ssh "$role" --ssh default "$DIR/context"
        [ "$status" -eq 0 ]
        [ "$(agents_seen)" = "agent=<$DIR/own-agent>" ]
        [ "$(grep -c '^agent=' "$DIR/ssh.log")" -eq "$(grep -cx IdentityFile=none "$DIR/ssh.log")" ]
    done
}

@test "git by ssh: keys that are named are served by an agent that kiln starts" {
    fresh_store ranged
    fake_ssh ranged serve
    as ranged ssh-keygen -q -t ed25519 -N '' -f "$DIR/key" </dev/null
    printf 'FROM scratch\nADD git@example.org:%s/web/git/sub.git /src\n' "$BATS_FILE_TMPDIR" >"$DIR/context/Dockerfile"
    by_ssh ranged --ssh "default=$DIR/key" "$DIR/context"
    [ "$status" -eq 0 ]
    [[ $(agents_seen) == 'agent=<'*/kiln-ssh-*'/agent>' ]]
}

@test "git by ssh: a context on the command line implies --ssh default, a named one does not" {
    fresh_store ranged
    fake_ssh ranged serve
    printf 'FROM scratch\nCOPY --from=named sub.txt /\n' >"$DIR/Dockerfile"
    by_ssh ranged -f "$DIR/Dockerfile" --build-context "named=git@example.org:$BATS_FILE_TMPDIR/web/git/sub.git" "$DIR/context"
    [ "$status" -eq 0 ]
    [ "$(agents_seen)" = 'agent=<>' ]
    printf 'FROM scratch\nCOPY sub.txt /\n' >"$DIR/Dockerfile"
    by_ssh ranged -f "$DIR/Dockerfile" "ssh://git@example.org$BATS_FILE_TMPDIR/web/git/sub.git"
    [ "$status" -eq 0 ]
    [ "$(agents_seen)" = "agent=<$DIR/own-agent>" ]
    by_ssh ranged -f "$DIR/Dockerfile" --ssh other "git@example.org:$BATS_FILE_TMPDIR/web/git/sub.git"
    [ "$status" -eq 0 ]
    [ "$(agents_seen)" = 'agent=<>' ]
}

@test "git by ssh: who is refused hears of --ssh" {
    fresh_store ranged
    fake_ssh ranged refuse
    printf 'FROM scratch\nADD git@example.org:a/b.git /src\n' >"$DIR/context/Dockerfile"
    by_ssh ranged "$DIR/context"
    [ "$status" -eq 1 ]
    [[ $output == *Dockerfile:2:5*'build with --ssh default (the keys of ssh-agent) or --ssh default=KEYFILE'* ]]
}

# Sets TLS, TLS_PID and the files' DIR; SSL_CERT_FILE as a certificate to trust is $DIR/cert.pem.
start_tls() { # ROLE
    load services
    DIR=$(workdir "$1")
    mkdir "$DIR/context"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DIR/key.pem" -out "$DIR/cert.pem" \
        -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
    "$BATS_TEST_DIRNAME/fixtures/web-server.py" "$BATS_FILE_TMPDIR/web" "$DIR/tls.log" "$DIR/cert.pem" "$DIR/key.pem" \
        >"$DIR/tls.port" 3>&- &
    TLS_PID=$!
    poll 10 test -s "$DIR/tls.port"
    TLS=https://127.0.0.1:$(cat "$DIR/tls.port")
    TRUST=(env -u CURL_CA_BUNDLE -u SSL_CERT_DIR SSL_CERT_FILE="$DIR/cert.pem")
}

@test "ADD by https: URLs and repositories, only with a certificate that is trusted" {
    fresh_store ranged
    start_tls ranged
    for source in "$TLS/file.txt" "$TLS/git/repo.git"; do
        printf 'FROM scratch\nADD %s /d/\n' "$source" >"$DIR/context/Dockerfile"
        run as ranged "${TRUST[@]}" env -u SSL_CERT_FILE kiln build --progress plain "$DIR/context"
        [ "$status" -eq 1 ]
        [[ $output == *Dockerfile:2:5*certificate* ]]
    done
    printf 'FROM scratch\nADD %s %s /d/\n' "$TLS/file.txt" "$TLS/git/repo.git" >"$DIR/context/Dockerfile"
    as ranged "${TRUST[@]}" kiln build -o "type=oci,dest=$DIR/out.tar" "$DIR/context"
    root=$(unpack "$DIR/out.tar")
    [ "$(cat "$root/d/file.txt")" = 'first version' ]
    [ "$(cat "$root/d/module/sub.txt")" = submodule ]
}

@test "git by https: the secrets GIT_AUTH_TOKEN and GIT_AUTH_HEADER log in, where they are given and may go" {
    fresh_store ranged
    start_tls ranged
    header='basic eC1hY2Nlc3MtdG9rZW46c2VzYW1l'
    echo sesame >"$DIR/token"
    try() { # URL ARGUMENTS…
        printf 'FROM scratch\nADD %s /d\n' "$1" >"$DIR/context/Dockerfile"
        run as ranged "${TRUST[@]}" GIT_AUTH_TOKEN=sesame KILN_GIT_AUTH_TOKEN=sesame HEADER="$header" \
            kiln build --progress plain --no-cache "${@:2}" "$DIR/context"
        echo "$output"
        [[ $output != *sesame* && $output != *eC1hY2Nlc3Mt* ]]
    }
    host=${TLS#https://}
    try "$TLS/guarded/git/sub.git"
    [ "$status" -eq 1 ]
    [[ $output == *'needs a login: build with --secret id=GIT_AUTH_TOKEN'* ]]
    for secret in id=GIT_AUTH_TOKEN "id=GIT_AUTH_TOKEN.$host,src=$DIR/token" id=GIT_AUTH_HEADER,env=HEADER; do
        try "$TLS/guarded/git/sub.git" --secret "$secret"
        [ "$status" -eq 0 ]
    done
    try "$TLS/guarded/git/sub.git" --secret "id=GIT_AUTH_TOKEN.example.org,src=$DIR/token"
    [ "$status" -eq 1 ]
    # not to where a server leads, and not in the clear
    try "$TLS/moved/guarded/git/sub.git" --secret id=GIT_AUTH_TOKEN
    [ "$status" -eq 1 ]
    [[ $output == *'it redirects, and a login is not sent on'* ]]
    try "$WEB/guarded/git/sub.git" --secret id=GIT_AUTH_TOKEN
    [ "$status" -eq 1 ]
    printf 'two\nlines\n' >"$DIR/token"
    try "$TLS/guarded/git/sub.git" --secret "id=GIT_AUTH_TOKEN,src=$DIR/token"
    [ "$status" -eq 1 ]
    [[ $output == *'the secret GIT_AUTH_TOKEN is more than one line'* ]]
}

@test "no git program: said so" {
    fresh_store ranged
    dir=$(workdir ranged)
    mkdir -p "$dir/bin" "$dir/context"
    for program in "$KILN_IT"/bin/* "$(command -v newuidmap)" "$(command -v newgidmap)"; do
        ln -s "$program" "$dir/bin/"
    done
    printf 'FROM scratch\nADD %s/repo.git /x\n' "$GIT" >"$dir/context/Dockerfile"
    run as ranged env PATH="$dir/bin" kiln build --progress plain "$dir/context"
    [ "$status" -eq 1 ]
    [[ $output == *"git is not installed"* ]]
}

@test "hostile repositories: submodules run nothing, read nothing of the host and stay inside" {
    fresh_store ranged
    failing ranged "ADD $GIT/ext.git /x"
    [ ! -e "$WORK/owned" ]
    failing ranged "ADD $GIT/file.git /x"
    [[ $output == *"https, http, ssh and git alone"* ]]
    failing ranged "ADD $GIT/outside.git /x"
    failing ranged "ADD $GIT/outside.git?submodules=0#:etc /x"
    [[ $output == *'no directory "etc"'* ]]
    [ ! -e "$WORK/owned" ]
    assert_clean "$KILN_ROOT"
}

@test "the user's git configuration, hooks and templates are left alone" {
    fresh_store ranged
    dir=$(workdir ranged)
    mkdir -p "$dir/home/templates/hooks"
    printf '#!/bin/sh\ntouch %s/hooked\n' "$dir" >"$dir/home/templates/hooks/post-checkout"
    chmod 755 "$dir/home/templates/hooks/post-checkout"
    printf '[init]\n\ttemplateDir = %s\n[url "file:///etc/"]\n\tinsteadOf = git://\n' "$dir/home/templates" >"$dir/home/.gitconfig"
    own ranged "$dir"
    mkdir -p "$dir/context"
    printf 'FROM scratch\nADD --keep-git-dir %s/repo.git /x\n' "$GIT" >"$dir/context/Dockerfile"
    run as ranged env HOME="$dir/home" GIT_DIR=/nonexistent GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath \
        GIT_CONFIG_VALUE_0="$dir/home/templates/hooks" kiln build --progress plain "$dir/context"
    [ "$status" -eq 0 ]
    [ ! -e "$dir/hooked" ]
}

@test "a password in a URL is in no message" {
    fresh_store ranged
    failing ranged "ADD ${WEB/:\/\//:\/\/me:hunter2@}/nothing.git /x"
    # the Dockerfile itself is quoted
    messages=$(grep -oE '\[internal\] .*|cannot fetch the git repository [^ ]*' <<<"$output")
    [[ $messages == *nothing.git* && $messages != *hunter2* ]]
    failing ranged "ADD ${WEB/:\/\//:\/\/me:hunter2@}/endless-headers /x"
    messages=$(grep -oE 'the answer of [^ ]*' <<<"$output")
    [[ $messages == *endless-headers* && $messages != *hunter2* ]]
}

@test "a login in a repository's URL serves its submodules, and is nowhere in the image" {
    fresh_store ranged
    local locked=${WEB/:\/\//:\/\/me:hunter2@}/locked/git
    root=$(built ranged "ADD --keep-git-dir $locked/repo.git /kept" "ADD $locked/repo.git#main /src")
    [ "$(cat "$root/kept/module/sub.txt")" = submodule ]
    [ "$(cat "$root/src/module/sub.txt")" = submodule ]
    [ "$(git -c safe.directory='*' -C "$root/kept" config remote.origin.url)" = "$WEB/locked/git/repo.git" ]
    refute grep -r hunter2 "$root"
    failing ranged "ADD ${locked/hunter2/wrong}/repo.git /x"
    [[ $output == *"the login in the URL is refused"* ]]
}
