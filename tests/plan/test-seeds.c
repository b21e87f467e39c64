/* Dockerfiles as people write them in articles on the build cache: the steps and the history of
 * each. */
#include "fixture.h"

static const struct {
    const char *text, *names, *history;
} files[] = {
    {"FROM python:3.7-alpine\n"
     "WORKDIR /usr/src/app\n"
     "COPY . .\n"
     "RUN pip3 install -r requirements.txt\n"
     "CMD [\"flask\", \"run\", \"--host=0.0.0.0\"]\n",
     "[1/4] FROM docker.io/library/python:3.7-alpine\n"
     "[2/4] WORKDIR /usr/src/app\n"
     "[3/4] COPY . .\n"
     "[4/4] RUN pip3 install -r requirements.txt\n",
     "WORKDIR /usr/src/app\n"
     "COPY . . # buildkit\n"
     "RUN /bin/sh -c pip3 install -r requirements.txt # buildkit\n"
     "-CMD [\"flask\" \"run\" \"--host=0.0.0.0\"]\n"},
    {"FROM python:3.7-alpine\n"
     "\n"
     "WORKDIR /usr/src/app\n"
     "\n"
     "COPY ./requirements.txt .\n"
     "\n"
     "RUN pip3 install -r requirements.txt\n"
     "\n"
     "COPY . .\n"
     "CMD [\"flask\", \"run\", \"--host=0.0.0.0\"]\n",
     "[1/5] FROM docker.io/library/python:3.7-alpine\n"
     "[2/5] WORKDIR /usr/src/app\n"
     "[3/5] COPY ./requirements.txt .\n"
     "[4/5] RUN pip3 install -r requirements.txt\n"
     "[5/5] COPY . .\n",
     "WORKDIR /usr/src/app\n"
     "COPY ./requirements.txt . # buildkit\n"
     "RUN /bin/sh -c pip3 install -r requirements.txt # buildkit\n"
     "COPY . . # buildkit\n"
     "-CMD [\"flask\" \"run\" \"--host=0.0.0.0\"]\n"},
    {"# Use a slim Python base image\n"
     "FROM python:3.12-slim\n"
     "\n"
     "# Set working directory inside the container\n"
     "WORKDIR /app\n"
     "\n"
     "# Install pipenv\n"
     "RUN pip install pipenv\n"
     "\n"
     "# Copy only Pipfile and Pipfile.lock first\n"
     "COPY Pipfile Pipfile.lock ./\n"
     "\n"
     "# Install Python dependencies\n"
     "RUN pipenv install --deploy --system\n"
     "\n"
     "# Copy application source code\n"
     "COPY . .\n"
     "\n"
     "# Expose the port\n"
     "EXPOSE 8000\n"
     "\n"
     "# Command to run the app\n"
     "CMD [\"python\", \"manage.py\", \"runserver\", \"0.0.0.0:8000\"]\n",
     "[1/6] FROM docker.io/library/python:3.12-slim\n"
     "[2/6] WORKDIR /app\n"
     "[3/6] RUN pip install pipenv\n"
     "[4/6] COPY Pipfile Pipfile.lock ./\n"
     "[5/6] RUN pipenv install --deploy --system\n"
     "[6/6] COPY . .\n",
     "WORKDIR /app\n"
     "RUN /bin/sh -c pip install pipenv # buildkit\n"
     "COPY Pipfile Pipfile.lock ./ # buildkit\n"
     "RUN /bin/sh -c pipenv install --deploy --system # buildkit\n"
     "COPY . . # buildkit\n"
     "-EXPOSE [8000/tcp]\n"
     "-CMD [\"python\" \"manage.py\" \"runserver\" \"0.0.0.0:8000\"]\n"},
    /* comment lines inside a continued ENV; a PATH made of a variable and of the base's */
    {"# syntax = docker/dockerfile:1.3\n"
     "FROM python:3.10.2-slim\n"
     "\n"
     "# https://docs.python.org/3/using/cmdline.html#cmdoption-u\n"
     "ENV PYTHONUNBUFFERED=1 \\\n"
     "    # https://docs.python.org/3/using/cmdline.html#cmdoption-B\n"
     "    PYTHONDONTWRITEBYTECODE=1 \\\n"
     "    PIP_NO_CACHE_DIR=off \\\n"
     "    VENV_PATH=\"/app/.venv\"\n"
     "\n"
     "ENV PATH=\"${VENV_PATH}/bin:${PATH}\"\n"
     "\n"
     "WORKDIR /app\n"
     "\n"
     "COPY requirements.txt .\n"
     "\n"
     "RUN --mount=type=cache,target=/root/.cache \\\n"
     "    python -m venv \"$VENV_PATH\" \\\n"
     "    && pip install -r requirements.txt\n"
     "\n"
     "COPY . .\n"
     "\n"
     "CMD [\"gunicorn\", \"--config\", \"gunicorn.conf.py\", \"start:app\"]\n",
     "[stage-0 1/5] FROM docker.io/library/python:3.10.2-slim\n"
     "[stage-0 2/5] WORKDIR /app\n"
     "[stage-0 3/5] COPY requirements.txt .\n"
     "[stage-0 4/5] RUN --mount=type=cache,target=/root/.cache     python -m venv \"/app/.venv\"   "
     "  "
     "&& pip install -r requirements.txt\n"
     "[stage-0 5/5] COPY . .\n",
     "-ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=off VENV_PATH=/app/.venv\n"
     "-ENV PATH=/app/.venv/bin:/usr/bin:/bin\n"
     "WORKDIR /app\n"
     "COPY requirements.txt . # buildkit\n"
     "RUN /bin/sh -c python -m venv \"$VENV_PATH\"     && pip install -r requirements.txt # "
     "buildkit\n"
     "COPY . . # buildkit\n"
     "-CMD [\"gunicorn\" \"--config\" \"gunicorn.conf.py\" \"start:app\"]\n"},
    {"FROM python:3.10.2-slim\n"
     "RUN : \\\n"
     "    && python -m venv \"$VENV_PATH\" \\\n"
     "    && pip install -r requirements.txt\n",
     "[1/2] FROM docker.io/library/python:3.10.2-slim\n"
     "[2/2] RUN :     && python -m venv \"$VENV_PATH\"     && pip install -r requirements.txt\n",
     "RUN /bin/sh -c :     && python -m venv \"$VENV_PATH\"     && pip install -r requirements.txt "
     "# buildkit\n"},
    {"FROM ubuntu:latest\n"
     "RUN  --mount=type=cache,target=/var/cache/apt \\\n"
     "    apt-get update \\\n"
     "    && apt-get install -y --no-install-recommends \\\n"
     "        git \\\n"
     "    && rm -rf /var/lib/apt/lists/*\n",
     "[stage-0 1/2] FROM docker.io/library/ubuntu:latest\n"
     "[stage-0 2/2] RUN  --mount=type=cache,target=/var/cache/apt     apt-get update     && "
     "apt-get "
     "install -y --no-install-recommends         git     && rm -rf /var/lib/apt/lists/*\n",
     "RUN /bin/sh -c apt-get update     && apt-get install -y --no-install-recommends         git  "
     "   "
     "&& rm -rf /var/lib/apt/lists/* # buildkit\n"},
    {"FROM alpine\n"
     "\n"
     "RUN apk add --update redis\n"
     "\n"
     "CMD [\"redis-server\"]\n",
     "[1/2] FROM docker.io/library/alpine:latest\n"
     "[2/2] RUN apk add --update redis\n",
     "RUN /bin/sh -c apk add --update redis # buildkit\n"
     "-CMD [\"redis-server\"]\n"},
    {"FROM node:alpine\n"
     "\n"
     "WORKDIR /usr/app\n"
     "\n"
     "COPY ./package.json ./\n"
     "RUN npm install\n"
     "COPY ./ ./\n"
     "\n"
     "CMD [\"npm\", \"start\"]\n",
     "[1/5] FROM docker.io/library/node:alpine\n"
     "[2/5] WORKDIR /usr/app\n"
     "[3/5] COPY ./package.json ./\n"
     "[4/5] RUN npm install\n"
     "[5/5] COPY ./ ./\n",
     "WORKDIR /usr/app\n"
     "COPY ./package.json ./ # buildkit\n"
     "RUN /bin/sh -c npm install # buildkit\n"
     "COPY ./ ./ # buildkit\n"
     "-CMD [\"npm\" \"start\"]\n"},
    /* indented */
    {"  FROM ubuntu:latest\n"
     "  COPY ./app /app\n"
     "  RUN apt-get update && apt-get install -y python3\n"
     "  CMD [\"python3\", \"/app/run.py\"]\n",
     "[1/3] FROM docker.io/library/ubuntu:latest\n"
     "[2/3] COPY ./app /app\n"
     "[3/3] RUN apt-get update && apt-get install -y python3\n",
     "COPY ./app /app # buildkit\n"
     "RUN /bin/sh -c apt-get update && apt-get install -y python3 # buildkit\n"
     "-CMD [\"python3\" \"/app/run.py\"]\n"},
    {"# Stage 1: Build the application\n"
     "FROM node:14 AS builder\n"
     "\n"
     "# Set the working directory\n"
     "WORKDIR /app\n"
     "\n"
     "# Install dependencies\n"
     "COPY package*.json ./\n"
     "\n"
     "RUN npm install\n"
     "\n"
     "# Copy application source code\n"
     "COPY . .\n"
     "\n"
     "# Build the application\n"
     "RUN npm run build\n"
     "\n"
     "# Stage 2: Create the final image\n"
     "FROM nginx:alpine\n"
     "\n"
     "# Copy built application files from the builder stage\n"
     "COPY --from=builder /app/build /usr/share/nginx/html\n"
     "\n"
     "# Expose port 80\n"
     "EXPOSE 80\n"
     "\n"
     "# Command to run the application\n"
     "CMD [\"nginx\", \"-g\", \"daemon off;\"]\n",
     "[builder 1/6] FROM docker.io/library/node:14\n"
     "[builder 2/6] WORKDIR /app\n"
     "[builder 3/6] COPY package*.json ./\n"
     "[builder 4/6] RUN npm install\n"
     "[builder 5/6] COPY . .\n"
     "[builder 6/6] RUN npm run build\n"
     "[stage-1 1/2] FROM docker.io/library/nginx:alpine\n"
     "[stage-1 2/2] COPY --from=builder /app/build /usr/share/nginx/html\n",
     "COPY /app/build /usr/share/nginx/html # buildkit\n"
     "-EXPOSE [80/tcp]\n"
     "-CMD [\"nginx\" \"-g\" \"daemon off;\"]\n"},
};

static void test_files(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_auto(Fixture) f = {0};
        fixture_good(&f, files[i].text);
        g_autofree char *names = step_names(&f);
        g_assert_cmpstr(names, ==, files[i].names);
        g_autofree char *h = history(&f);
        g_assert_cmpstr(h, ==, files[i].history);
        g_assert_cmpuint(f.plan->warnings->len, <=, i == 4 ? 1 : 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/seeds/files", test_files);
    return g_test_run();
}
