/* Renderers: events to text. They keep no policy and change nothing. */
#pragma once

#include <kiln/event.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct KilnRenderer KilnRenderer;

/* mode: "auto" (tty if out is a terminal, else plain), "tty", "plain", "quiet", "brief" (errors and
 * warnings that are about no rule of Dockerfiles), "rawjson". NULL for
 * an unknown mode. Output has BuildKit's form: "#5 [builder 2/5] RUN npm install", "#5 0.412 line",
 * "#5 CACHED", "#5 DONE 0.4s". color: false under NO_COLOR. */
KilnRenderer *kiln_renderer_new(const char *mode, FILE *out, bool color);
/* What a tty says is being done, "Building" by default: "[+] Pulling 0.3s (1/2)". A static string.
 */
void kiln_renderer_set_title(KilnRenderer *r, const char *title);
void kiln_renderer_event(KilnRenderer *r, const KilnEvent *e);
/* Called about every 100 ms while nothing happens (a tty's clock). */
void kiln_renderer_tick(KilnRenderer *r);
void kiln_renderer_free(KilnRenderer *r);
