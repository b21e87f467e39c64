#!/usr/bin/env bats
# The lessons on layer caching and multi-stage builds that kiln is made for: their Dockerfiles as they stand,
# with local stand-ins for the bases. Both orders of COPY are shown: the bad one reruns the install after a
# change of the source, the good one does not.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

flask_context() {
    echo flask >"$CONTEXT/requirements.txt"
    echo 'print("bart simpson")' >"$CONTEXT/app.py"
}

pipenv_context() {
    printf '[packages]\ndjango = "*"\n' >"$CONTEXT/Pipfile"
    echo '{"default": {"django": {"version": "==5.0.0"}}}' >"$CONTEXT/Pipfile.lock"
    echo 'print("manage")' >"$CONTEXT/manage.py"
}

node_context() {
    cat >"$CONTEXT/package.json" <<'END'
{"name": "lesson", "version": "1.0.0", "private": true,
 "scripts": {"build": "mkdir -p build && node build.js", "start": "node build.js"},
 "dependencies": {"is-number": "7.0.0"}}
END
    cat >"$CONTEXT/build.js" <<'END'
const isNumber = require('is-number');
require('fs').writeFileSync('build/index.html', '<p>' + isNumber(42) + '</p>\n');
END
    printf 'node_modules\nDockerfile\n' >"$CONTEXT/.dockerignore"
}

@test "flask, COPY . . first: a source change installs everything again" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM python:3.7-alpine
WORKDIR /usr/src/app
COPY . .
RUN pip3 install -r requirements.txt
CMD ["flask", "run", "--host=0.0.0.0"]
END
    flask_context
    own ranged "$CONTEXT"
    run build ranged -t jek2141/flask_lab "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *"Successfully installed flask"* ]]
    run build ranged -t jek2141/flask_lab "$CONTEXT"
    [ "$(cached)" -eq 3 ]
    echo 'print("lisa simpson")' >>"$CONTEXT/app.py"
    run build ranged -t jek2141/flask_lab "$CONTEXT"
    is_cached "WORKDIR"
    refute is_cached "COPY . ."
    refute is_cached "RUN pip3 install"
}

@test "flask, requirements first: a source change installs nothing" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM python:3.7-alpine

WORKDIR /usr/src/app

COPY ./requirements.txt .

RUN pip3 install -r requirements.txt

COPY . .
CMD ["flask", "run", "--host=0.0.0.0"]
END
    flask_context
    own ranged "$CONTEXT"
    build ranged "$CONTEXT"
    echo 'print("lisa simpson")' >>"$CONTEXT/app.py"
    run build ranged "$CONTEXT"
    is_cached "COPY ./requirements.txt"
    is_cached "RUN pip3 install"
    refute is_cached "COPY . ."
}

@test "pipenv, bad order" {
    cat >"$CONTEXT/Dockerfile" <<'END'
# Use a slim Python base image
FROM python:3.12-slim

# Set working directory inside the container
WORKDIR /app

# Copy application code
COPY . .

# Install pipenv
RUN pip install pipenv

# Install Python dependencies
RUN pipenv install --deploy --system

# Expose the port
EXPOSE 8000

# Command to run the app
CMD ["python", "manage.py", "runserver", "0.0.0.0:8000"]
END
    pipenv_context
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *"Successfully installed django"* ]]
    echo '# changed' >>"$CONTEXT/manage.py"
    run build ranged "$CONTEXT"
    refute is_cached "RUN pip install pipenv"
    refute is_cached "RUN pipenv install"
}

@test "pipenv, good order" {
    cat >"$CONTEXT/Dockerfile" <<'END'
# Use a slim Python base image
FROM python:3.12-slim

# Set working directory inside the container
WORKDIR /app

# Install pipenv
RUN pip install pipenv

# Copy only Pipfile and Pipfile.lock first
COPY Pipfile Pipfile.lock ./

# Install Python dependencies
RUN pipenv install --deploy --system

# Copy application source code
COPY . .

# Expose the port
EXPOSE 8000

# Command to run the app
CMD ["python", "manage.py", "runserver", "0.0.0.0:8000"]
END
    pipenv_context
    own ranged "$CONTEXT"
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$(config_of "$DIR/a.tar" | jq -c .config.ExposedPorts)" = '{"8000/tcp":{}}' ]
    echo '# changed' >>"$CONTEXT/manage.py"
    run build ranged "$CONTEXT"
    is_cached "RUN pip install pipenv"
    is_cached "COPY Pipfile Pipfile.lock ./"
    is_cached "RUN pipenv install"
    refute is_cached "COPY . ."
}

@test "the lesson's sum: COPY Pipfile* with a wildcard" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM python:3.12-slim
WORKDIR /app
RUN pip install pipenv
COPY Pipfile* ./
RUN pipenv install --deploy --system
COPY . .
END
    pipenv_context
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 0 ]
}

@test "venv: comments inside a continued ENV; the cache mount keeps pip's cache out of the layer" {
    cat >"$CONTEXT/Dockerfile" <<'END'
# syntax = docker/dockerfile:1.3
FROM python:3.10.2-slim

# https://docs.python.org/3/using/cmdline.html#cmdoption-u
ENV PYTHONUNBUFFERED=1 \
    # https://docs.python.org/3/using/cmdline.html#cmdoption-B
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=off \
    PIP_DISABLE_PIP_VERSION_CHECK=on \
    PIP_DEFAULT_TIMEOUT=100 \
    VENV_PATH="/app/.venv"

ENV PATH="${VENV_PATH}/bin:${PATH}"

WORKDIR /app

COPY requirements.txt .

RUN --mount=type=cache,target=/root/.cache \
    python -m venv "$VENV_PATH" \
    && pip install -r requirements.txt

COPY . .

CMD ["gunicorn", "--config", "gunicorn.conf.py", "start:app"]
END
    echo gunicorn >"$CONTEXT/requirements.txt"
    echo 'app = None' >"$CONTEXT/start.py"
    own ranged "$CONTEXT"
    run build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ -x "$rootfs/app/.venv/bin/gunicorn" ]
    [ ! -e "$rootfs/root/.cache" ]
    config_of "$DIR/a.tar" | jq -e '.config.Env | index("PYTHONDONTWRITEBYTECODE=1")'
    config_of "$DIR/a.tar" | jq -e '.config.Env[] | select(startswith("PATH=/app/.venv/bin:/usr/local/sbin"))'
    echo 'app = 1' >"$CONTEXT/start.py"
    run build ranged "$CONTEXT"
    is_cached "RUN --mount=type=cache"
}

@test "venv, the lesson's first form: COPY . . before the install" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM python:3.10.2-slim

# https://docs.python.org/3/using/cmdline.html#cmdoption-u
ENV PYTHONUNBUFFERED=1 \
    # https://docs.python.org/3/using/cmdline.html#cmdoption-B
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=off \
    PIP_DISABLE_PIP_VERSION_CHECK=on \
    PIP_DEFAULT_TIMEOUT=100 \
    VENV_PATH="/app/.venv"

ENV PATH="${VENV_PATH}/bin:${PATH}"

WORKDIR /app

COPY . .

RUN : \
    && python -m venv "$VENV_PATH" \
    && pip install -r requirements.txt

CMD ["gunicorn", "--config", "gunicorn.conf.py", "start:app"]
END
    echo gunicorn >"$CONTEXT/requirements.txt"
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 0 ]
    echo 'app = 2' >"$CONTEXT/start.py"
    run build ranged "$CONTEXT"
    refute is_cached "RUN : "
}

@test "apt with a cache mount" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM debian:bookworm-slim
RUN  --mount=type=cache,target=/var/cache/apt \
    apt-get update \
    && apt-get install -y --no-install-recommends \
        git \
    && rm -rf /var/lib/apt/lists/*
END
    own ranged "$CONTEXT"
    run build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ -x "$rootfs/usr/bin/git" ]
    [ -z "$(ls "$rootfs/var/cache/apt/archives"/*.deb 2>/dev/null)" ]
}

@test "apk add redis" {
    printf 'FROM alpine\n\nRUN apk add --update redis\n\nCMD ["redis-server"]\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ -x "$rootfs/usr/bin/redis-server" ]
    # the package's own user, by the subordinate ids
    [ "$(stat -c %u "$rootfs/var/lib/redis")" -ne 0 ]
}

@test "ubuntu: COPY before apt-get, and the order that mends it" {
    printf 'FROM ubuntu:latest\nCOPY ./app /app\nRUN apt-get update && apt-get install -y python3\nCMD ["python3", "/app/run.py"]\n' \
        >"$CONTEXT/Dockerfile"
    printf 'FROM ubuntu:latest\nRUN apt-get update && apt-get install -y python3\nCOPY ./app /app\nCMD ["python3", "/app/run.py"]\n' \
        >"$CONTEXT/Dockerfile.good"
    mkdir "$CONTEXT/app"
    echo 'print(1)' >"$CONTEXT/app/run.py"
    own ranged "$CONTEXT"
    for file in Dockerfile Dockerfile.good; do
        run build ranged -f "$CONTEXT/$file" "$CONTEXT"
        [ "$status" -eq 0 ]
    done
    echo 'print(2)' >"$CONTEXT/app/run.py"
    run build ranged -f "$CONTEXT/Dockerfile.good" "$CONTEXT"
    is_cached "RUN apt-get update"
    refute is_cached "COPY ./app"
}

@test "node, COPY ./ ./ before npm install, and after" {
    printf 'FROM node:alpine\n\nWORKDIR /usr/app\n\nCOPY ./ ./\nRUN npm install\n\nCMD ["npm", "start"]\n' \
        >"$CONTEXT/Dockerfile"
    printf 'FROM node:alpine\n\nWORKDIR /usr/app\n\nCOPY ./package.json ./\nRUN npm install\nCOPY ./ ./\n\nCMD ["npm", "start"]\n' \
        >"$CONTEXT/Good"
    node_context
    own ranged "$CONTEXT"
    for file in Dockerfile Good; do
        run build ranged -f "$CONTEXT/$file" "$CONTEXT"
        [ "$status" -eq 0 ]
    done
    echo '// changed' >>"$CONTEXT/build.js"
    run build ranged -f "$CONTEXT/Dockerfile" "$CONTEXT"
    refute is_cached "RUN npm install"
    run build ranged -f "$CONTEXT/Good" "$CONTEXT"
    is_cached "RUN npm install"
}

@test "node to nginx: a real npm install and build; the final image has no node" {
    cat >"$CONTEXT/Dockerfile" <<'END'
# Stage 1: Build the application
FROM node:14 AS builder

# Set the working directory
WORKDIR /app

# Install dependencies
COPY package*.json ./

RUN npm install

# Copy application source code
COPY . .

# Build the application
RUN npm run build

# Stage 2: Create the final image
FROM nginx:alpine

# Copy built application files from the builder stage
COPY --from=builder /app/build /usr/share/nginx/html

# Expose port 80
EXPOSE 80

# Command to run the application
CMD ["nginx", "-g", "daemon off;"]
END
    node_context
    own ranged "$CONTEXT"
    run build ranged -t lesson -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(cat "$rootfs/usr/share/nginx/html/index.html")" = "<p>true</p>" ]
    [ -x "$rootfs/usr/sbin/nginx" ]
    [ -z "$(find "$rootfs" -name node -o -name npm -o -name node_modules)" ]
    [ "$(config_of "$DIR/a.tar" | jq -c .config.Cmd)" = '["nginx","-g","daemon off;"]' ]
    echo '// changed' >>"$CONTEXT/build.js"
    run build ranged -t lesson "$CONTEXT"
    is_cached "RUN npm install"
    refute is_cached "RUN npm run build"
}
