# Loaded by the .bats files that need a server: each finds a free port itself, is waited for until it says so,
# and is ended by its process id.

# Tries a command again and again until it succeeds: poll SECONDS COMMAND…
poll() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.02
    done
}

gone() { # PID
    ! kill -0 "$1" 2>/dev/null || [ "$(ps -o state= -p "$1")" = Z ]
}

stop() { # PID
    kill "$1" 2>/dev/null || true
    poll 10 gone "$1"
}

# Debian's docker-registry, with what else its configuration says: sets SERVICE_PID and SERVICE_PORT.
start_registry() { # DIRECTORY HTTP CONFIG…
    printf '%s\n' 'version: 0.1' 'log: {level: info}' "http: {addr: '127.0.0.1:0'$2}" "${@:3}" >"$1/registry.yml"
    docker-registry serve "$1/registry.yml" >"$1/registry.log" 2>&1 3>&- &
    # shellcheck disable=SC2034 # for the caller
    SERVICE_PID=$!
    poll 20 grep -q 'listening on 127' "$1/registry.log"
    # shellcheck disable=SC2034
    SERVICE_PORT=$(sed -nE 's/.*listening on 127[^:]*:([0-9]+).*/\1/p' "$1/registry.log")
}
