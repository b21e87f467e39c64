/* What may stand lower in a Dockerfile, what not, and why. */
#include "check/moves.h"
#include "tree/place.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The moves of a Dockerfile whose context has these files ("NAME=CONTENT"), as text: "LINE>RUN,RUN ahead | …", with
 * "!" and the reason for one that is refused. */
static char *moves_of(const char *text, const char *const *files)
{
    g_autofree char *top = g_dir_make_tmp("kiln-moves-XXXXXX", NULL);
    for (; *files; files++) {
        const char *equals = strchr(*files, '=');
        g_autofree char *name = g_strndup(*files, (gsize)(equals - *files));
        g_autofree char *path = g_build_filename(top, name, NULL), *directory = g_path_get_dirname(path);
        g_mkdir_with_parents(directory, 0755);
        g_assert_true(g_file_set_contents(path, equals + 1, -1, NULL));
    }
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse_all(text, strlen(text), "Dockerfile", NULL, errors);
    const KilnCheckContext context = {open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC), NULL};
    g_autoptr(GPtrArray) moves = kiln_check_moves(d, &context);
    GString *out = g_string_new(NULL);
    for (guint n = 0; n < moves->len; n++) {
        const KilnMove *m = moves->pdata[n];
        g_string_append_printf(out, "%s%u>", n ? " | " : "", m->moved->place.line);
        for (guint k = 0; k < m->runs->len; k++)
            g_string_append_printf(out, "%s%u", k ? "," : "", ((KilnInstruction *)m->runs->pdata[k])->place.line);
        for (guint k = 0; k < m->ahead->len; k++)
            g_string_append_printf(out, " %s", (char *)m->ahead->pdata[k]);
        if (m->refusal)
            g_string_append_printf(out, " !%s", m->refusal);
    }
    close(context.fd);
    g_autofree char *name = g_path_get_basename(top), *parent = g_path_get_dirname(top);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_true(kiln_remove_tree(fd, name, NULL));
    close(fd);
    return g_string_free(out, FALSE);
}

static void test_copies(void)
{
    static const char *const node[] = {"package.json={}", "package-lock.json={}", "src/a=", NULL};
    static const struct {
        const char *text, *moves;
    } cases[] = {
        {"FROM a\nCOPY . .\nRUN npm ci\nRUN npm run build\n", "2>3 COPY package-lock.json package.json ./"},
        {"FROM a\nWORKDIR /app\nCOPY --chown=1:1 . /app\nRUN npm ci\n", "3>4 COPY --chown=1:1 package-lock.json package.json /app/"},
        {"FROM a\nCOPY . .\nENV A=b\nUSER c\nRUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*\n"
         "RUN npm ci\n",
         "2>5,6 COPY package-lock.json package.json ./"},
        {"FROM a\nCOPY . .\nRUN --mount=type=cache,target=/root/.npm npm ci\n",
         "2>3 COPY package-lock.json package.json ./"},
        {"FROM a\nCOPY . .\nRUN pip install flask\n", "2>3"},
        {"FROM a\nCOPY . /app\nRUN cd /app && npm ci\n", "2>3 COPY package-lock.json package.json /app/"},
        {"FROM a\nWORKDIR /app/web\nCOPY . /app\nRUN npm ci\n",
         "3>4 COPY package-lock.json package.json /app/ !it is not sure that \"npm ci\" (line 4) is run where this copies to"},
        /* what a RUN reads is not known, */
        {"FROM a\nCOPY . .\nRUN make\nRUN npm ci\n", ""},
        {"FROM a\nCOPY . .\nRUN npm ci && npm run build\n", ""},
        {"FROM a\nCOPY . .\nRUN npm ci $FLAGS\n", ""},
        {"FROM a\nCOPY . .\nRUN rm -rf src && npm ci\n", ""},
        {"FROM a\nCOPY . .\nRUN --mount=type=bind,target=/x npm ci\n", ""},
        {"FROM a\nCOPY . .\nRUN pip install .\n", ""},
        {"FROM a\nCOPY . .\nRUN npm install left-pad\n", ""},
        {"FROM a\nCOPY . .\nRUN go build ./...\n", ""},
        {"FROM a\nCOPY . .\nRUN apt-get install -y ./a.deb\n", ""},
        {"FROM a\nCOPY . .\nRUN npm --prefix web ci\n", ""},
        {"FROM a\nCOPY . .\nRUN pip install -c limits.txt -r requirements.txt\n", ""},
        {"FROM a\nCOPY . /var/www\nRUN apt-get install -y curl && rm -rf /var/www/test\n", ""},
        /* or the order of what lies between matters */
        {"FROM a\nCOPY . .\nWORKDIR /b\nRUN npm ci\n", ""},
        {"FROM a\nCOPY . .\nCOPY x /x\nRUN npm ci\n", ""},
        {"FROM a\nCOPY . $D\nENV D=/d\nRUN npm ci\n", ""},
        {"FROM a\nCOPY --from=b . .\nRUN npm ci\n", ""},
        {"FROM a\nCOPY --exclude=x . .\nRUN npm ci\n", ""},
        {"FROM a\nRUN npm ci\nCOPY . .\n", ""},
    };
    for (guint n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *moves = moves_of(cases[n].text, node);
        g_assert_cmpstr(moves, ==, cases[n].moves);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *run;
        const char *const files[4];
        const char *moves;
    } cases[] = {
        {"npm ci", {"package.json={\"workspaces\":[]}"}, "2>3 COPY package.json ./ !package.json has '\"workspaces\"': npm may read "
                                                         "more of the sources"},
        {"npm ci", {"package.json={}", "node_modules/a="}, "2>3 COPY package.json ./ !npm writes node_modules, which is in the "
                                                           "context, too: it belongs into .dockerignore"},
        {"npm ci", {"a="}, "2>3 COPY package*.json ./ !package*.json is not in the context"},
        {"npm ci", {"package.json={}", ".npmrc="}, "2>3 COPY package.json .npmrc ./"},
        {"pip install -r requirements.txt", {"requirements.txt=flask\n"}, "2>3 COPY requirements.txt ./"},
        {"pip install -r requirements.txt", {"requirements.txt=-e ./lib\n"},
         "2>3 COPY requirements.txt ./ !requirements.txt has '-e ': pip may read more of the sources"},
        {"go mod download", {"go.mod=module a\n", "go.sum="}, "2>3 COPY go.mod go.sum ./"},
        {"go mod download", {"go.mod=replace b => ./b\n"}, "2>3 COPY go.mod ./ !go.mod has '=> .': go may read more of the sources"},
    };
    for (guint n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *text = g_strdup_printf("FROM a\nCOPY . .\nRUN %s\n", cases[n].run);
        g_autofree char *moves = moves_of(text, cases[n].files);
        g_assert_cmpstr(moves, ==, cases[n].moves);
    }
}

static void test_arguments(void)
{
    static const char *const none[] = {NULL};
    static const struct {
        const char *text, *moves;
    } cases[] = {
        {"FROM a\nARG REVISION\nRUN apt-get install -y curl\nLABEL r=$REVISION\n", "2>3"},
        {"FROM a\nARG REVISION=1\nRUN apt-get install -y curl\nRUN make\nRUN apt-get install -y vim\n", "2>3"},
        {"FROM a\nARG REVISION\nLABEL r=$REVISION\nRUN apt-get install -y curl\n", ""},
        {"FROM a\nARG REVISION\nRUN make\n", ""},
        {"FROM a\nARG NODE_VERSION\nRUN apt-get install -y curl\n", ""},
        {"FROM a\nARG CACHEBUST\nRUN apt-get install -y curl\n", ""},
        {"FROM a\nARG A B\nRUN apt-get install -y curl\n", ""},
        {"FROM a\nARG A=$B\nRUN apt-get install -y curl\n", ""},
    };
    for (guint n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *moves = moves_of(cases[n].text, none);
        g_assert_cmpstr(moves, ==, cases[n].moves);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/check/moves/copies", test_copies);
    g_test_add_func("/check/moves/refused", test_refused);
    g_test_add_func("/check/moves/arguments", test_arguments);
    return g_test_run();
}
