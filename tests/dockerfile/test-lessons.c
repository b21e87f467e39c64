/* The Dockerfiles of the lessons that kiln is made for: what each is read as. */
#include "dump.h"

static const struct {
    const char *name, *text, *expected;
} lessons[] = {
    {"flask-copy-first",
     "FROM python:3.7-alpine\n"
     "WORKDIR /usr/src/app\n"
     "COPY . .\n"
     "RUN pip3 install -r requirements.txt\n"
     "CMD [\"flask\", \"run\", \"--host=0.0.0.0\"]\n",
     "FROM \"python:3.7-alpine\"\n"
     "WORKDIR \"/usr/src/app\"\n"
     "COPY \".\" \".\"\n"
     "RUN \"pip3 install -r requirements.txt\"\n"
     "CMD json \"flask\" \"run\" \"--host=0.0.0.0\""},
    {"flask-requirements-first",
     "FROM python:3.7-alpine\n"
     "\n"
     "WORKDIR /usr/src/app\n"
     "\n"
     "COPY ./requirements.txt .\n"
     "\n"
     "RUN pip3 install -r requirements.txt\n"
     "\n"
     "COPY . .\n"
     "CMD [\"flask\", \"run\", \"--host=0.0.0.0\"]\n",
     "FROM \"python:3.7-alpine\"\n"
     "WORKDIR \"/usr/src/app\"\n"
     "COPY \"./requirements.txt\" \".\"\n"
     "RUN \"pip3 install -r requirements.txt\"\n"
     "COPY \".\" \".\"\n"
     "CMD json \"flask\" \"run\" \"--host=0.0.0.0\""},
    {"pipenv-copy-first",
     "# Use a slim Python base image\n"
     "FROM python:3.12-slim\n"
     "\n"
     "# Set working directory inside the container\n"
     "WORKDIR /app\n"
     "\n"
     "# Copy application code\n"
     "COPY . .\n"
     "\n"
     "# Install pipenv\n"
     "RUN pip install pipenv\n"
     "\n"
     "# Install Python dependencies\n"
     "RUN pipenv install --deploy --system\n"
     "\n"
     "# Expose the port\n"
     "EXPOSE 8000\n"
     "\n"
     "# Command to run the app\n"
     "CMD [\"python\", \"manage.py\", \"runserver\", \"0.0.0.0:8000\"]\n",
     "FROM \"python:3.12-slim\"\n"
     "WORKDIR \"/app\"\n"
     "COPY \".\" \".\"\n"
     "RUN \"pip install pipenv\"\n"
     "RUN \"pipenv install --deploy --system\"\n"
     "EXPOSE \"8000\"\n"
     "CMD json \"python\" \"manage.py\" \"runserver\" \"0.0.0.0:8000\""},
    {"pipenv-lock-first",
     "# Use a slim Python base image\n"
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
     "FROM \"python:3.12-slim\"\n"
     "WORKDIR \"/app\"\n"
     "RUN \"pip install pipenv\"\n"
     "COPY \"Pipfile\" \"Pipfile.lock\" \"./\"\n"
     "RUN \"pipenv install --deploy --system\"\n"
     "COPY \".\" \".\"\n"
     "EXPOSE \"8000\"\n"
     "CMD json \"python\" \"manage.py\" \"runserver\" \"0.0.0.0:8000\""},
    {"pipenv-install-line",
     "FROM a\n"
     "# Install Python dependencies\n"
     "RUN pipenv install --deploy --system\n",
     "FROM \"a\"\n"
     "RUN \"pipenv install --deploy --system\""},
    {"comment-in-continued-env",
     "FROM python:3.10.2-slim\n"
     "\n"
     "# https://docs.python.org/3/using/cmdline.html#cmdoption-u\n"
     "ENV PYTHONUNBUFFERED=1 \\\n"
     "    # https://docs.python.org/3/using/cmdline.html#cmdoption-B\n"
     "    PYTHONDONTWRITEBYTECODE=1 \\\n"
     "    PIP_NO_CACHE_DIR=off \\\n"
     "    PIP_DISABLE_PIP_VERSION_CHECK=on \\\n"
     "    PIP_DEFAULT_TIMEOUT=100 \\\n"
     "    VENV_PATH=\"/app/.venv\"\n"
     "\n"
     "ENV PATH=\"${VENV_PATH}/bin:${PATH}\"\n"
     "\n"
     "WORKDIR /app\n"
     "\n"
     "COPY . .\n"
     "\n"
     "RUN : \\\n"
     "    && python -m venv \"$VENV_PATH\" \\\n"
     "    && pip install -r requirements.txt\n"
     "\n"
     "CMD [\"gunicorn\", \"--config\", \"gunicorn.conf.py\", \"start:app\"]\n",
     "FROM \"python:3.10.2-slim\"\n"
     "ENV \"PYTHONUNBUFFERED\" \"1\" \"PYTHONDONTWRITEBYTECODE\" \"1\" \"PIP_NO_CACHE_DIR\" "
     "\"off\" \"PIP_DISABLE_PIP_VERSION_CHECK\" \"on\" \"PIP_DEFAULT_TIMEOUT\" \"100\" "
     "\"VENV_PATH\" \"\\\"/app/.venv\\\"\"\n"
     "ENV \"PATH\" \"\\\"${VENV_PATH}/bin:${PATH}\\\"\"\n"
     "WORKDIR \"/app\"\n"
     "COPY \".\" \".\"\n"
     "RUN \":     && python -m venv \\\"$VENV_PATH\\\"     && pip install -r requirements.txt\"\n"
     "CMD json \"gunicorn\" \"--config\" \"gunicorn.conf.py\" \"start:app\""},
    {"comment-in-continued-env-mended",
     "# syntax = docker/dockerfile:1.3\n"
     "FROM python:3.10.2-slim\n"
     "\n"
     "# https://docs.python.org/3/using/cmdline.html#cmdoption-u\n"
     "ENV PYTHONUNBUFFERED=1 \\\n"
     "    # https://docs.python.org/3/using/cmdline.html#cmdoption-B\n"
     "    PYTHONDONTWRITEBYTECODE=1 \\\n"
     "    PIP_NO_CACHE_DIR=off \\\n"
     "    PIP_DISABLE_PIP_VERSION_CHECK=on \\\n"
     "    PIP_DEFAULT_TIMEOUT=100 \\\n"
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
     "FROM \"python:3.10.2-slim\"\n"
     "ENV \"PYTHONUNBUFFERED\" \"1\" \"PYTHONDONTWRITEBYTECODE\" \"1\" \"PIP_NO_CACHE_DIR\" "
     "\"off\" \"PIP_DISABLE_PIP_VERSION_CHECK\" \"on\" \"PIP_DEFAULT_TIMEOUT\" \"100\" "
     "\"VENV_PATH\" \"\\\"/app/.venv\\\"\"\n"
     "ENV \"PATH\" \"\\\"${VENV_PATH}/bin:${PATH}\\\"\"\n"
     "WORKDIR \"/app\"\n"
     "COPY \"requirements.txt\" \".\"\n"
     "RUN --mount=type=cache,target=/root/.cache \"python -m venv \\\"$VENV_PATH\\\"     && pip "
     "install -r requirements.txt\"\n"
     "COPY \".\" \".\"\n"
     "CMD json \"gunicorn\" \"--config\" \"gunicorn.conf.py\" \"start:app\""},
    {"apt-cache-mount",
     "FROM a\n"
     "RUN  --mount=type=cache,target=/var/cache/apt \\\n"
     "    apt-get update \\\n"
     "    && apt-get install -y --no-install-recommends \\\n"
     "        git \\\n"
     "    && rm -rf /var/lib/apt/lists/*\n",
     "FROM \"a\"\n"
     "RUN --mount=type=cache,target=/var/cache/apt \"apt-get update     && apt-get install -y "
     "--no-install-recommends         git     && rm -rf /var/lib/apt/lists/*\""},
    {"redis",
     "FROM alpine\n"
     "\n"
     "RUN apk add --update redis\n"
     "\n"
     "CMD [\"redis-server\"]\n",
     "FROM \"alpine\"\n"
     "RUN \"apk add --update redis\"\n"
     "CMD json \"redis-server\""},
    {"node-copy-first",
     "FROM node:alpine\n"
     "\n"
     "WORKDIR /usr/app\n"
     "\n"
     "COPY ./ ./\n"
     "RUN npm install\n"
     "\n"
     "CMD [\"npm\", \"start\"]\n",
     "FROM \"node:alpine\"\n"
     "WORKDIR \"/usr/app\"\n"
     "COPY \"./\" \"./\"\n"
     "RUN \"npm install\"\n"
     "CMD json \"npm\" \"start\""},
    {"node-package-first",
     "FROM node:alpine\n"
     "\n"
     "WORKDIR /usr/app\n"
     "\n"
     "COPY ./package.json ./\n"
     "RUN npm install\n"
     "COPY ./ ./\n"
     "\n"
     "CMD [\"npm\", \"start\"]\n",
     "FROM \"node:alpine\"\n"
     "WORKDIR \"/usr/app\"\n"
     "COPY \"./package.json\" \"./\"\n"
     "RUN \"npm install\"\n"
     "COPY \"./\" \"./\"\n"
     "CMD json \"npm\" \"start\""},
    {"indented-ubuntu",
     "  FROM ubuntu:latest\n"
     "  COPY ./app /app\n"
     "  RUN apt-get update && apt-get install -y python3\n"
     "  CMD [\"python3\", \"/app/run.py\"]\n"
     "\n",
     "FROM \"ubuntu:latest\"\n"
     "COPY \"./app\" \"/app\"\n"
     "RUN \"apt-get update && apt-get install -y python3\"\n"
     "CMD json \"python3\" \"/app/run.py\""},
    {"node-multi-stage",
     "# Stage 1: Build the application\n"
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
     "FROM \"node:14\" \"builder\"\n"
     "WORKDIR \"/app\"\n"
     "COPY \"package*.json\" \"./\"\n"
     "RUN \"npm install\"\n"
     "COPY \".\" \".\"\n"
     "RUN \"npm run build\"\n"
     "FROM \"nginx:alpine\"\n"
     "COPY --from=builder \"/app/build\" \"/usr/share/nginx/html\"\n"
     "EXPOSE \"80\"\n"
     "CMD json \"nginx\" \"-g\" \"daemon off;\""},
};

static void test_lesson(gconstpointer data)
{
    gsize n = GPOINTER_TO_SIZE(data);
    assert_parses(lessons[n].text, lessons[n].expected);
}

/* They are clean: nothing in them is worth a warning. */
static void test_no_warnings(void)
{
    for (gsize n = 0; n < G_N_ELEMENTS(lessons); n++) {
        g_autoptr(KilnDockerfile) d = parse_ok(lessons[n].text);
        g_assert_cmpuint(d->warnings->len, ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(lessons); n++) {
        g_autofree char *path = g_strconcat("/lessons/", lessons[n].name, NULL);
        g_test_add_data_func(path, GSIZE_TO_POINTER(n), test_lesson);
    }
    g_test_add_func("/lessons/no-warnings", test_no_warnings);
    return g_test_run();
}
