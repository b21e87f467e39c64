/* The rules on the order of steps: a Dockerfile, and "RULE LINE" of what is found, one a line, with
 * the lines that mend it below CopyBeforeInstall. */
#include "check/order.h"
#include "check/rules.h"
#include "dockerfile/lint.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const char *const cases[][2] = {
    /* The lessons: bad, then mended. */
    {"FROM python:3.7-alpine\nWORKDIR /usr/src/app\nCOPY . .\nRUN pip3 install -r requirements.txt",
     "CopyBeforeInstall 3\n  COPY requirements.txt ./\n  RUN pip3 install -r requirements.txt\n  "
     "COPY . .\n"},
    {"FROM python:3.7-alpine\nWORKDIR /a\nCOPY ./requirements.txt .\nRUN pip3 install -r "
     "requirements.txt\nCOPY . .",
     ""},
    {"FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nRUN pip install pipenv\nRUN pipenv install "
     "--deploy --system",
     "CopyBeforeInstall 3\n  RUN pip install pipenv\n  COPY Pipfile Pipfile.lock ./\n"
     "  RUN pipenv install --deploy --system\n  COPY . .\n"},
    {"FROM python:3.12-slim\nRUN pip install pipenv\nCOPY Pipfile Pipfile.lock ./\n"
     "RUN pipenv install --deploy --system\nCOPY . .",
     ""},
    {"FROM python:3.10.2-slim\nCOPY . .\nRUN : \\\n    && python -m venv \"$VENV_PATH\" \\\n"
     "    && pip install -r requirements.txt",
     "CopyBeforeInstall 2\n  COPY requirements.txt ./\n"
     "  RUN python -m venv \"$VENV_PATH\" && pip install -r requirements.txt\n  COPY . .\n"},
    {"FROM python:3.10.2-slim\nCOPY . .\nRUN --mount=type=cache,target=/root/.cache pip install -r "
     "requirements.txt",
     "CopyBeforeInstall 2\n  COPY requirements.txt ./\n"
     "  RUN --mount=type=cache,target=/root/.cache pip install -r requirements.txt\n  COPY . .\n"},
    {"FROM node:alpine\nCOPY ./ ./\nRUN npm install",
     "CopyBeforeInstall 2\n  COPY package*.json ./\n  RUN npm install\n  COPY ./ ./\n"},
    {"FROM node:alpine\nCOPY ./package.json ./\nRUN npm install\nCOPY ./ ./", ""},
    {"FROM node:14 AS builder\nCOPY package*.json ./\nRUN npm install\nCOPY . .\nRUN npm run "
     "build\n"
     "FROM nginx:alpine\nCOPY --from=builder /app/build /usr/share/nginx/html",
     ""},
    {"FROM ubuntu\nCOPY ./app /app\nRUN apt-get update && apt-get install -y python3",
     "CopyBeforeInstall 2\n  RUN apt-get update && apt-get install -y python3\n  COPY ./app /app\n"
     "AptListsLeftInLayer 3\n"},
    {"FROM debian\nRUN --mount=type=cache,target=/var/cache/apt apt-get update \\\n && apt-get "
     "install -y git \\\n"
     " && rm -rf /var/lib/apt/lists/*",
     ""},
    {"FROM alpine\nRUN apk add --update redis", "ApkCacheLeftInLayer 2\n"},
    /* Other tools. */
    {"FROM node\nCOPY . /app/\nRUN yarn", "CopyBeforeInstall 2\n  COPY package.json yarn.lock "
                                          ".yarnrc* /app/\n  RUN yarn\n  COPY . /app/\n"},
    {"FROM node\nCOPY . /app\nRUN npm ci && npm run build",
     "CopyBeforeInstall 2\n  COPY package*.json /app/\n  RUN npm ci\n  COPY . /app\n  RUN npm run "
     "build\n"},
    {"FROM node\nCOPY . .\nRUN cd web && pnpm i",
     "CopyBeforeInstall 2\n  COPY web/package.json web/pnpm-lock.yaml web/pnpm-workspace.yaml "
     "./web/\n  RUN cd web && pnpm i\n  COPY . .\n"},
    {"FROM ruby\nADD . /app\nRUN bundle install",
     "CopyBeforeInstall 2\n  COPY Gemfile Gemfile.lock /app/\n  RUN bundle install\n  ADD . "
     "/app\n"},
    {"FROM php\nCOPY . .\nRUN composer install --no-dev",
     "CopyBeforeInstall 2\n  COPY composer.json composer.lock ./\n  RUN composer install --no-dev "
     "--no-scripts --no-autoloader\n"
     "  COPY . .\n  RUN composer dump-autoload\n"},
    {"FROM python\nCOPY . .\nRUN poetry install --no-root",
     "CopyBeforeInstall 2\n  COPY pyproject.toml poetry.lock ./\n  RUN poetry install --no-root\n  "
     "COPY . .\n"},
    {"FROM golang\nCOPY . .\nRUN go build -o /x .",
     "CopyBeforeInstall 2\n  COPY go.mod go.sum ./\n  RUN go mod download\n  COPY . .\n  RUN go "
     "build -o /x .\n"},
    {"FROM maven\nCOPY . .\nRUN mvn -B -s x.xml package",
     "CopyBeforeInstall 2\n  COPY pom.xml ./\n  RUN mvn -B dependency:go-offline\n  COPY . .\n  "
     "RUN mvn -B -s x.xml package\n"},
    {"FROM rust\nCOPY . .\nRUN cargo build --release",
     "CopyBeforeInstall 2\n  COPY Cargo.toml Cargo.lock ./\n  RUN mkdir src && touch src/lib.rs && "
     "cargo fetch\n  COPY . .\n"
     "  RUN cargo build --release\n"},
    {"FROM python\nCOPY . /app\nRUN pip install -r /app/requirements/prod.txt",
     "CopyBeforeInstall 2\n  COPY requirements/ /app/requirements/\n  RUN pip install -r "
     "/app/requirements/prod.txt\n  COPY . /app\n"},
    {"FROM alpine\nCOPY . .\nRUN [\"apk\", \"add\", \"--no-cache\", \"git\"]",
     "CopyBeforeInstall 2\n  RUN apk add --no-cache git\n  COPY . .\n"},
    {"FROM a\nCOPY . .\nRUN <<EOF\nset -e\nsudo dnf -y install git\nEOF",
     "CopyBeforeInstall 2\n  RUN set -e && sudo dnf -y install git\n  COPY . .\n"},
    /* No reason to complain. */
    {"FROM python\nCOPY . .\nRUN pip install .", ""},
    {"FROM python\nCOPY . .\nRUN pip install -e . -r requirements.txt", ""},
    {"FROM python\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\nRUN pip "
     "install -r extra.txt",
     ""},
    {"FROM node\nCOPY . .\nRUN npm run build && npm test", ""},
    {"FROM node AS a\nCOPY . .\nFROM node\nRUN npm ci", ""},
    {"FROM node\nCOPY --from=x . .\nRUN npm ci", ""},
    {"FROM node\nCOPY <<EOF .\nEOF\nRUN npm ci", ""},
    {"FROM golang\nCOPY go.* ./\nRUN go mod download\nCOPY . .\nRUN go build", ""},
    {"FROM golang\nCOPY . .\nRUN --mount=type=cache,target=/go/pkg/mod go build", ""},
    {"FROM golang\nCOPY . .\nRUN go test ./...", ""},
    {"FROM gradle\nCOPY *gradle* .\nRUN ./gradlew tasks\nCOPY . .\nRUN ./gradlew build", ""},
    {"FROM debian\nCOPY entrypoint.sh /\nRUN apt-get update && apt-get install -y x && rm -rf "
     "/var/lib/apt/lists",
     ""},
    {"FROM debian\nCOPY . /src\nRUN apt-get install -y x && make -C /src", ""},
    {"FROM debian\nCOPY . /src\nRUN apt-get install -y $(cat /src/list)", ""},
    {"FROM debian AS a\nRUN apt-get update\nFROM debian\nCOPY --from=a /x /x", ""},
    {"FROM debian AS a\nRUN apt-get update\nFROM a", "AptListsLeftInLayer 2\n"},
    {"FROM debian\nRUN --mount=type=cache,target=/var/lib/apt apt-get update", ""},
    {"FROM alpine\nRUN apk add --no-cache x && apk add y", ""},
    {"FROM alpine\nRUN apk update && apk add y && rm -rf /var/cache/apk/*", ""},
    {"# check=skip=CopyBeforeInstall\nFROM node\nCOPY . .\nRUN npm ci", ""},
    {"FROM node\n# check=skip=CopyBeforeInstall\nCOPY . .\nRUN npm ci", ""},
    {"# check=skip=all\nFROM debian\nCOPY . .\nRUN apt-get update", ""},
};

static GString *findings(const char *text, const KilnCheckContext *context, bool infos)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(text, strlen(text), "Dockerfile", &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_warning_free);
    kiln_check_order(d, context, infos, found);
    kiln_lint_sort(found);
    GString *got = g_string_new(NULL);
    for (guint n = 0; n < found->len; n++) {
        const KilnDockerfileWarning *w = found->pdata[n];
        g_assert_nonnull(kiln_check_rule(w->rule));
        g_string_append_printf(got, "%s %u\n", w->rule, w->place.line);
        bool copy = strcmp(w->rule, "CopyBeforeInstall") == 0;
        for (char **line = w->fix; copy && line && *line; line++)
            g_string_append_printf(got, "  %s\n", *line);
    }
    return got;
}

static void test_case(gconstpointer data)
{
    const char *const *c = data;
    const KilnCheckContext none = {.fd = -1};
    g_autoptr(GString) got = findings(c[0], &none, false);
    g_assert_cmpstr(got->str, ==, c[1]);
}

static void test_infos(void)
{
    static const char *const infos[][2] = {
        {"FROM node\nCOPY package.json .\nRUN npm ci\nRUN npm i x", "CacheMountPossible 3\n"},
        {"FROM node\nRUN --mount=type=cache,target=/root/.npm npm ci", ""},
        {"FROM python\nRUN pip install --no-cache-dir x", ""},
        {"FROM golang\nRUN --mount=type=cache,target=/go go build", "BuildToolInFinalStage 2\n"},
        {"FROM golang AS b\nRUN --mount=type=cache,target=/go go build\nFROM scratch", ""},
        {"FROM alpine\nRUN apk add --no-cache gcc && make && apk del gcc", ""},
        {"FROM alpine\nRUN apk add --no-cache build-base", "BuildToolInFinalStage 2\n"},
        {"FROM node\nRUN npm run build", "BuildToolInFinalStage 2\n"},
    };
    const KilnCheckContext none = {.fd = -1};
    for (gsize n = 0; n < G_N_ELEMENTS(infos); n++) {
        g_autoptr(GString) got = findings(infos[n][0], &none, true);
        g_assert_cmpstr(got->str, ==, infos[n][1]);
        g_assert_true(n > 0 || kiln_check_rule("CacheMountPossible")->info);
    }
}

static void make(const char *top, const char *name)
{
    g_autofree char *path = g_build_filename(top, name, NULL);
    if (g_str_has_suffix(name, "/"))
        g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
    else
        g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

/* With the context at hand: its own files, and what is in it that should not be. */
static void test_context(void)
{
    g_autofree char *top = g_dir_make_tmp("kiln-check-XXXXXX", NULL);
    static const char *const names[] = {"package.json",
                                        "npm-shrinkwrap.json",
                                        "package-lock.json",
                                        "node_modules/",
                                        "vendor/",
                                        "app/",
                                        "src"};
    for (gsize n = 0; n < G_N_ELEMENTS(names); n++)
        make(top, names[n]);
    g_autoptr(KilnIgnore) ignore =
        kiln_ignore_parse("package-lock.json", 17, ".dockerignore", NULL);
    KilnCheckContext context = {.fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    const struct {
        const char *text;
        const KilnIgnore *ignore;
        const char *found;
    } files[] = {
        {"FROM node\nCOPY . .\nRUN npm ci", NULL,
         "ContextWithoutIgnore 2\nCopyBeforeInstall 2\n  COPY package-lock.json package.json ./\n  "
         "RUN npm ci\n  COPY . .\n"},
        {"FROM node\nCOPY . .\nRUN npm ci", ignore,
         "CopyBeforeInstall 2\n  COPY package.json ./\n  RUN npm ci\n  COPY . .\n"},
        {"FROM node\nCOPY app /app\nRUN apk add --no-cache x", NULL,
         "CopyBeforeInstall 2\n  RUN apk add --no-cache x\n  COPY app /app\n"},
        {"FROM node\nCOPY src /app\nRUN apk add --no-cache x", NULL, ""}, /* a file */
        {"FROM golang\nCOPY . .\nRUN go build", ignore, ""}, /* vendored, and no go.mod */
        {"FROM a\nCOPY ../../.. .\nRUN npm ci", NULL, ""},
    };
    for (gsize n = 0; n < G_N_ELEMENTS(files); n++) {
        context.ignore = files[n].ignore;
        g_autoptr(GString) got = findings(files[n].text, &context, false);
        g_assert_cmpstr(got->str, ==, files[n].found);
    }
    close(context.fd);
    for (gsize n = 0; n < G_N_ELEMENTS(names); n++) {
        g_autofree char *path = g_build_filename(top, names[n], NULL);
        g_remove(path);
    }
    g_rmdir(top);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *path = g_strdup_printf("/order/%02" G_GSIZE_FORMAT, n);
        g_test_add_data_func(path, cases[n], test_case);
    }
    g_test_add_func("/order/infos", test_infos);
    g_test_add_func("/order/context", test_context);
    return g_test_run();
}
