/* What a downloaded file is called. */
#pragma once

/* The name that a server or else the URL gives a file: "filename" of a Content-Disposition header (may be
 * NULL), else the last component of the URL's path, as BuildKit's source/http finds it. One path component,
 * never "." or "..", valid UTF-8 without control characters; NULL if there is none such. g_free(). */
char *remote_file_name(const char *url, const char *disposition);
