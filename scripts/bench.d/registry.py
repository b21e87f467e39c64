"""OCI layouts made from plain tars, and a registry on loopback that serves them: enough of the distribution
specification for a pull, and nothing else."""

import gzip
import hashlib
import http.server
import json
import os
import shutil
import threading

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(path):
    with open(path, "rb") as f:
        return "sha256:" + hashlib.file_digest(f, "sha256").hexdigest()


def make_layout(tar, directory, name, compress):
    """Writes an OCI layout of one layer, gzipped as a registry would hold it or plain. Returns its manifest's
    digest and size."""
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)

    def add(content):
        digest = hashlib.sha256(content).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as f:
            f.write(content)
        return {"digest": "sha256:" + digest, "size": len(content)}

    layer = os.path.join(directory, "layer")
    with open(tar, "rb") as source, open(layer, "wb") as target:
        if compress:
            with gzip.GzipFile("", "wb", 6, target, 0) as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
        else:
            shutil.copyfileobj(source, target, 1 << 20)
    digest = digest_of(layer)
    size = os.path.getsize(layer)
    os.rename(layer, os.path.join(blobs, digest.partition(":")[2]))

    config = add(json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
        "history": [{"created_by": "bench"}]}).encode())
    kind = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if compress else "")
    manifest = add(json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": kind, "digest": digest, "size": size}]}).encode())
    with open(os.path.join(directory, "oci-layout"), "w", encoding="utf-8") as f:
        json.dump({"imageLayoutVersion": "1.0.0"}, f)
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as f:
        json.dump({"schemaVersion": 2, "manifests": [
            {"mediaType": MANIFEST, **manifest,
             "annotations": {"org.opencontainers.image.ref.name": name}}]}, f)
    return manifest["digest"]


class Registry:
    """Serves layouts as PORT/NAME:latest until closed."""

    def __init__(self):
        repositories = self.repositories = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.answer(True)

            def do_HEAD(self):
                self.answer(False)

            def answer(self, with_body):
                parts = self.path.strip("/").split("/")
                if parts == ["v2"]:
                    return self.send(200, "application/json", b"{}", with_body)
                if len(parts) != 4 or parts[1] not in repositories:
                    return self.send(404, "application/json", b'{"errors":[{"code":"NAME_UNKNOWN"}]}', with_body)
                directory, manifest = repositories[parts[1]]
                digest = manifest if parts[3] == "latest" else parts[3]
                blob = os.path.join(directory, "blobs", "sha256", os.path.basename(digest.partition(":")[2]))
                if not os.path.isfile(blob):
                    return self.send(404, "application/json", b'{"errors":[{"code":"BLOB_UNKNOWN"}]}', with_body)
                self.send_response(200)
                self.send_header("Content-Type", MANIFEST if parts[2] == "manifests"
                                 else "application/octet-stream")
                self.send_header("Content-Length", str(os.path.getsize(blob)))
                self.send_header("Docker-Content-Digest", digest)
                self.end_headers()
                if with_body:
                    self.wfile.flush()
                    with open(blob, "rb") as f:
                        self.connection.sendfile(f)
                return None

            def send(self, status, kind, body, with_body):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, name, directory, manifest):
        self.repositories[name] = (directory, manifest)

    def close(self):
        self.server.shutdown()
