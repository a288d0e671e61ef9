"""Second implementations of object stores: MiniStack, another emulator of S3, and the API of Google in front of moto.

Emulators of Google Cloud Storage for Python have its JSON API only, whereas obstore speaks the XML API, which differs
from that of S3 in names: `GoogleStore` translates these. It is a translation of the requests that are in the
documentation of that API and no opinion of Google's: what it shows is that the paths of secftp and obstore for this
store work, not how the real one behaves.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import threading
from urllib.parse import unquote

import boto3
from botocore.config import Config

from tests.machines.faulty import FaultyStore, Request
from tests.machines.processes import free_port
from tests.machines.stores import _KEY_ID, _REGION, _SECRET, Bucket, Moto, environment_of
from tests.support.serving import HOST, environment

_ATTEMPTS = 5  # another process may have taken the port in the meantime


class Ministack(Moto):
    """MiniStack's S3; everything is in its memory."""

    page = 1_000

    def __init__(self, processes, directory):
        for attempt in range(_ATTEMPTS):
            port = free_port()
            settings = {"BIND_HOST": HOST, "GATEWAY_PORT": str(port), "SERVICES": "s3", "TMPDIR": os.fspath(directory)}
            self.process = processes.start(
                "ministack", sys.executable, "-P", "-m", "ministack", env=environment(directory, **settings)
            )
            try:
                self.process.wait_for("Running on", seconds=60)
            except AssertionError:
                if attempt + 1 == _ATTEMPTS:
                    raise
                continue
            break
        self.url = f"http://{HOST}:{port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=_KEY_ID,
            aws_secret_access_key=_SECRET,
            region_name=_REGION,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )


_TO_S3 = {
    "x-goog-copy-source": "x-amz-copy-source",
    "x-goog-metadata-directive": "x-amz-metadata-directive",
}
_SIGNED = f"AWS4-HMAC-SHA256 Credential={_KEY_ID}/20260101/{_REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"


class GoogleStore(FaultyStore):
    """The XML API of Google Cloud Storage, translated to that of S3, in front of moto on `port`.

    moto ignores the condition of a copy, which Google has: that is decided here, where every change comes by.
    """

    def __init__(self, port):
        self._changes = threading.Lock()
        super().__init__(port)

    def carry_out(self, request, raw):
        headers = _translated(request.headers)
        request = request._replace(target=_plain_bucket(request.target))
        if request.method not in ("PUT", "POST"):
            return self._answer_of(request, headers)
        with self._changes:
            if "x-amz-copy-source" in headers and headers.get("if-none-match") == "*":
                probe = Request(-1, "HEAD", request.target, {"host": request.headers["host"]}, b"")
                if self._ask(probe, {"authorization": _SIGNED})[0].split(" ")[1] == "200":
                    return b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"
            return self._answer_of(request, headers)

    def _ask(self, request, headers):
        lines = [f"{request.method} {request.target} HTTP/1.1", f"host: {request.headers['host']}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if name not in ("host", "content-length")]
        lines.append(f"content-length: {len(request.body)}")
        raw = "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body
        first, found, body, _ = self.ask(raw, bodiless=request.method == "HEAD")
        return first, found, body

    def _answer_of(self, request, headers):
        first, found, body = self._ask(request, headers)
        assert "transfer-encoding" not in found, "moto's answers have a length"
        translated = {name.replace("x-amz-meta-", "x-goog-meta-"): value for name, value in found.items()}
        stamp = hashlib.blake2b((found.get("etag", "") + found.get("last-modified", "")).encode(), digest_size=7)
        translated["x-goog-generation"] = str(int.from_bytes(stamp.digest()))
        lines = [first, *(f"{name}: {value}" for name, value in translated.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    @property
    def env(self):
        """The environment by which a program finds it, instead of Google."""
        account = {
            "gcs_base_url": self.url,
            "disable_oauth": True,
            **dict.fromkeys(("client_email", "private_key", "private_key_id"), ""),
        }
        return {
            "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account),
            "GOOGLE_ALLOW_HTTP": "true",
            "NO_PROXY": HOST,
        }


def _plain_bucket(target):
    """A path with the name of its bucket as it is: the client encodes the hyphen, which moto does not decode."""
    slash, bucket, rest = re.match(r"(/?)([^/?]*)(.*)", target, re.DOTALL).groups()
    return slash + unquote(bucket) + rest


def _translated(headers):
    found = {}
    for name, value in headers.items():
        if name == "x-goog-if-generation-match":
            assert value == "0", "only the condition that there is none"
            found["if-none-match"] = "*"
        elif name.startswith("x-goog-meta-"):
            found[name.replace("x-goog-meta-", "x-amz-meta-")] = value
        elif name != "authorization":
            found[_TO_S3.get(name, name)] = value
    if "x-amz-copy-source" in found:
        found["x-amz-copy-source"] = _plain_bucket(found["x-amz-copy-source"])
    found["authorization"] = _SIGNED
    return found


class GoogleBucket(Bucket):
    """A bucket of moto's, by the API of Google."""

    def __init__(self, name, moto, google):
        super().__init__(name, moto)
        self.url = f"gs://{name}"
        self.env = google.env


__all__ = ["GoogleBucket", "GoogleStore", "Ministack", "environment_of"]
