/* A Dockerfile as a JSON document. */
#pragma once

#include "dockerfile/dockerfile.h"

#include <stdio.h>

/* With an instruction a line; docs/kiln-ast.1 has the keys. errors: GError* of
 * kiln_dockerfile_parse_all(). Bytes that are not UTF-8 become U+FFFD, as in Go. */
void kiln_ast_json(const KilnDockerfile *d, const GPtrArray *errors, FILE *to);
