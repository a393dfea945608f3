"""A Hugging Face Hub on this machine: repositories in memory, spoken to over HTTP.

What ``huggingface_hub`` asks for when a model is pushed and loaded, and no more: repositories,
their files, uploads in a commit, downloads. Weights are taken as other files are; the Hub has
them sent to its storage, whose protocol is not here. An address that is not known gives 404 with
its name, so that a newer library that asks for more is reported.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import yaml  # huggingface_hub needs it


class Repository:
    """Commits, each the whole of its files; ``main`` is the last one."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, bytes]] = {}
        self.messages: list[str] = []

    @property
    def head(self) -> str:
        return next(reversed(self.commits), "")

    def files(self, revision: str) -> dict[str, bytes]:
        return self.commits.get(self.head if revision == "main" else revision, {})

    def commit(self, lines: list[dict[str, Any]]) -> str:
        """Takes in the lines of a commit: a header, files, what is deleted."""
        files = dict(self.files("main"))
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    self.messages.append(value["summary"])
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "deletedFile":
                    files.pop(value["path"])
                case other:
                    raise ValueError(f"a commit's line of kind {other}")
        sha = hashlib.sha1(repr((self.head, sorted(files.items()))).encode()).hexdigest()
        self.commits[sha] = files
        return sha


class LocalHub(ThreadingHTTPServer):
    """The server; ``repositories`` by ``owner/name``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def local_hub() -> Iterator[LocalHub]:
    """A Hub while the context lasts; ``HF_ENDPOINT`` is its ``address``."""
    with LocalHub() as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: LocalHub

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: object, status: int = 200, **headers: str) -> None:
        body = json.dumps(value).encode()
        self._answer(body, status, Content_Type="application/json", **headers)

    def _unknown(self) -> None:
        told = f"{self.command} {self.path}: not in this Hub"
        self._json({"error": told}, 404, X_Error_Code="RepoNotFound", X_Error_Message=told)

    def do_POST(self) -> None:
        body, parts = self._body(), urlsplit(self.path).path.strip("/").split("/")
        match parts:
            case ["api", "repos", "create"]:
                given = json.loads(body)
                name = f"{given['organization']}/{given['name']}"
                status = 409 if name in self.server.repositories else 200
                self.server.repositories.setdefault(name, Repository()).commit([])
                self._json({"url": f"{self.server.address}/{name}"}, status)
            case ["api", "validate-yaml"]:
                errors = _wrong(json.loads(body)["content"])
                self._json({"errors": errors, "warnings": []}, 400 if errors else 200)
            case ["api", "models", owner, name, "preupload", _]:
                files = json.loads(body)["files"]
                self._json({"files": [_how(each["path"]) for each in files]})
            case ["api", "models", owner, name, "commit", _]:
                lines = [json.loads(line) for line in body.splitlines()]
                sha = self.server.repositories[f"{owner}/{name}"].commit(lines)
                url = f"{self.server.address}/{owner}/{name}/commit/{sha}"
                self._json({"commitUrl": url, "commitOid": sha, "hookOutput": ""})
            case _:
                self._unknown()

    def do_GET(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        found = None
        match parts:
            case ["api", "models", owner, name, "tree", revision]:
                found = self.server.repositories.get(f"{owner}/{name}")
                if found is not None:
                    files = found.files(revision).items()
                    self._json([_listed(path, body) for path, body in files])
            case ["api", "models", owner, name, *rest]:
                found = self.server.repositories.get(f"{owner}/{name}")
                if found is not None:
                    revision = rest[-1] if rest else "main"
                    siblings = [{"rfilename": path} for path in found.files(revision)]
                    sha = found.head if revision == "main" else revision
                    self._json({"id": f"{owner}/{name}", "sha": sha, "siblings": siblings})
            case [owner, name, "resolve", revision, path]:
                found = self.server.repositories.get(f"{owner}/{name}")
                if found is not None and path in found.files(revision):
                    body, sha = found.files(revision)[path], found.head
                    etag = f'"{hashlib.sha256(body).hexdigest()}"'
                    self._answer(body, ETag=etag, X_Repo_Commit=sha)
                elif found is not None:
                    told = {"X_Error_Code": "EntryNotFound", "X_Error_Message": path}
                    self._json({"error": path}, 404, **told)
        if found is None:
            self._unknown()

    do_HEAD = do_GET  # noqa: N815 - http.server's name


def _wrong(card: str) -> list[dict[str, str]]:
    """What is wrong with the head of a model's card."""
    _, head, _ = card.split("---\n", 2)
    try:
        found = yaml.safe_load(head)
    except yaml.YAMLError as error:
        return [{"message": str(error)}]
    return [] if isinstance(found, dict) else [{"message": "no mapping"}]


def _how(path: str) -> dict[str, Any]:
    return {"path": path, "uploadMode": "regular", "shouldIgnore": False}


def _listed(path: str, body: bytes) -> dict[str, Any]:
    oid = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
    return {"type": "file", "path": path, "size": len(body), "oid": oid}
