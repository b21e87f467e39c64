/* The wire between front and builder: JSON lines over a stream socket (json-c). The front sends the
 * request as the first line, then messages; the builder sends events and messages. */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <kiln/event.h>
#include <stdbool.h>

json_object *kiln_event_to_json(const KilnEvent *e);
/* Fills `out` with pointers into `json`, valid as long as it lives. False if it is not an event: then it is
 * a message, an object with a "message" key:
 *   builder → front  {"message":"remote","id":N,"argv":["pull","--have",DIR,REF,DEST]}: run kiln-remote
 *   front → builder  {"message":"remote","id":N,"line":{…}} for each line that it prints, then
 *                    {"message":"remote","id":N,"exit":CODE}
 *   builder → front  {"message":"secret","id":ID}: the content of a secret is wanted
 *   front → builder  {"message":"secret","data":BASE64}, or "error":TEXT instead of data, or neither if there
 *                    is no such secret: the answers come in the order of the questions
 *   front → builder  {"message":"cancel"}: sent once for each kiln_session_cancel() */
bool kiln_event_from_json(json_object *json, KilnEvent *out);

typedef struct KilnWire KilnWire;
KilnWire *kiln_wire_new(int fd); /* takes the fd over */
void kiln_wire_free(KilnWire *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnWire, kiln_wire_free)
/* Thread-safe. False when the other side is gone. Never raises SIGPIPE. */
bool kiln_wire_send(KilnWire *w, json_object *object);
/* The same in two halves. The text is the object's. */
const char *kiln_wire_text(json_object *object, gsize *length);
bool kiln_wire_send_text(KilnWire *w, const char *text, gsize length);
/* As kiln_wire_send_text(), within some milliseconds and before whatever is sent later: many at once cost one system
 * call and wake the reader once. */
void kiln_wire_send_soon(KilnWire *w, const char *text, gsize length);
/* Sends a line that is JSON already, without its newline: for what must leave no copy in this process. */
bool kiln_wire_send_line(KilnWire *w, const char *line);
/* Waits for the next object; NULL at the end, or on a malformed or over-long line (16 MiB). The caller
 * puts it. One thread only. */
json_object *kiln_wire_receive(KilnWire *w);
/* For a caller with a poll loop of its own: takes in what has arrived, without waiting; false at the end.
 * kiln_wire_pending(): a whole line is here, so that kiln_wire_receive() would not wait. */
bool kiln_wire_fill(KilnWire *w);
bool kiln_wire_pending(KilnWire *w);
int kiln_wire_fd(const KilnWire *w);
