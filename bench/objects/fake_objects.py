"""Objects in memory, with the requests of S3: metadata, ranges, conditions, multipart uploads, copies, listings.

If-None-Match counts also for copies and completions. There are no rights, no regions and no limits, and every bucket
exists.
"""

from __future__ import annotations

import itertools
import os
import time
import xml.etree.ElementTree as ET
from bisect import bisect_left, bisect_right, insort
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote
from xml.sax.saxutils import escape

from secftp.storage.objects.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 1000  # entries of a listing in one answer
_META = "x-amz-meta-"


class Object(NamedTuple):
    """One version of an object."""

    body: bytes | bytearray
    metadata: dict[str, str]
    etag: str
    modified: float

    def headers(self) -> dict[str, str]:
        """Return the headers of HeadObject."""
        return {"ETag": self.etag, "Last-Modified": formatdate(self.modified, usegmt=True), **self.metadata}


class Upload(NamedTuple):
    """A multipart upload: the metadata of the object, and its parts so far."""

    metadata: dict[str, str]
    parts: dict[int, Object]


class Failure(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Answer(NamedTuple):
    """An answer of the store."""

    status: int = 200
    body: bytes | bytearray | memoryview = b""
    headers: dict[str, str] | None = None


class Asked(NamedTuple):
    """A request: `name` is bucket and key."""

    method: str
    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes | bytearray


class FakeObjects:
    """Objects and uploads of all buckets."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.uploads: dict[str, Upload] = {}
        self._names: list[str] = []  # sorted
        self._numbers = itertools.count(1)

    def fill(self, top: str, prefix: str) -> None:
        """Put the files below a directory, with their times and permissions as metadata, below a name."""
        for directory, _, names in os.walk(top):
            above = os.path.normpath(os.path.join(prefix, os.path.relpath(directory, top)))
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    status, body = os.fstat(file.fileno()), file.read()
                attributes = Metadata(mtime_ns=status.st_mtime_ns, mode=status.st_mode & 0o777).encoded()
                metadata = {_META + word: value for word, value in attributes.items()}
                number = next(self._numbers)
                self.objects[f"{above}/{name}"] = Object(body, metadata, f'"{number:032x}"', time.time())
        self._names = sorted(self.objects)

    def forget(self) -> None:
        """Be empty."""
        self.objects.clear()
        self.uploads.clear()
        self._names.clear()

    def answer(self, asked: Asked) -> Answer:
        """Carry a request out; raises `Failure`."""
        match asked.method:
            case "PUT":
                return self._put_part(asked) if "partNumber" in asked.query else self._put(asked)
            case "POST":
                return self._post(asked)
            case "DELETE":
                return self._remove(asked)
            case "GET" | "HEAD":
                return self._get(asked) if asked.name.partition("/")[2] else self._list(asked)
        raise Failure(405, "MethodNotAllowed")

    def _put(self, asked: Asked) -> Answer:
        if "x-amz-copy-source" not in asked.headers:
            self._allow(asked)
            return Answer(headers={"ETag": self._store(asked.name, asked.body, _metadata(asked.headers)).etag})
        source = self._source(asked.headers)
        self._allow(asked)
        stored = self._store(asked.name, source.body, source.metadata)
        return xml("CopyObjectResult", f"<ETag>{escape(stored.etag)}</ETag>")

    def _post(self, asked: Asked) -> Answer:
        if "uploadId" in asked.query:
            return self._complete(asked)
        if "delete" in asked.query:
            bucket = asked.name.partition("/")[0]
            keys = _texts(asked.body, "Key")
            for key in keys:
                self._delete(f"{bucket}/{key}")
            return xml("DeleteResult", "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys))
        number = f"upload-{next(self._numbers)}"
        self.uploads[number] = Upload(_metadata(asked.headers), {})
        return xml("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>")

    def _remove(self, asked: Asked) -> Answer:
        if "uploadId" in asked.query:
            self.uploads.pop(asked.query["uploadId"], None)
        else:
            self._delete(asked.name)
        return Answer(204)

    def _store(self, name: str, body: bytes | bytearray, metadata: dict[str, str]) -> Object:
        if name not in self.objects:
            insort(self._names, name)
        made = self.objects[name] = Object(body, metadata, self._etag(), time.time())
        return made

    def _etag(self) -> str:
        return f'"{next(self._numbers):032x}"'

    def _delete(self, name: str) -> None:
        if self.objects.pop(name, None) is not None:
            del self._names[bisect_left(self._names, name)]

    def _find(self, name: str) -> Object:
        found = self.objects.get(name)
        if found is None:
            raise Failure(404, "NoSuchKey")
        return found

    def _source(self, headers: dict[str, str]) -> Object:
        return self._find(unquote(headers["x-amz-copy-source"]).lstrip("/"))

    def _allow(self, asked: Asked) -> None:
        """Raise `Failure` unless the conditions of a write are met."""
        if asked.headers.get("if-none-match") == "*" and asked.name in self.objects:
            raise Failure(412, "PreconditionFailed")
        wanted = asked.headers.get("if-match")
        if wanted is not None and self._find(asked.name).etag != wanted:
            raise Failure(412, "PreconditionFailed")

    def _put_part(self, asked: Asked) -> Answer:
        upload = self._upload(asked)
        copies = "x-amz-copy-source" in asked.headers
        body = asked.body
        if copies:
            body = self._source(asked.headers).body
            first, last = _range(asked.headers.get("x-amz-copy-source-range"), len(body)) or (0, len(body))
            body = body[first:last]
        part = upload.parts[int(asked.query["partNumber"])] = Object(body, {}, self._etag(), time.time())
        if copies:
            return xml("CopyPartResult", f"<ETag>{escape(part.etag)}</ETag>")
        return Answer(headers={"ETag": part.etag})

    def _upload(self, asked: Asked) -> Upload:
        found = self.uploads.get(asked.query["uploadId"])
        if found is None:
            raise Failure(404, "NoSuchUpload")
        return found

    def _complete(self, asked: Asked) -> Answer:
        upload = self._upload(asked)
        self._allow(asked)
        body = b"".join(upload.parts[int(number)].body for number in _texts(asked.body, "PartNumber"))
        del self.uploads[asked.query["uploadId"]]
        stored = self._store(asked.name, body, upload.metadata)
        return xml("CompleteMultipartUploadResult", f"<ETag>{escape(stored.etag)}</ETag>")

    def _get(self, asked: Asked) -> Answer:
        found = self._find(asked.name)
        wanted = asked.headers.get("if-match")
        if wanted is not None and wanted != found.etag:
            raise Failure(412, "PreconditionFailed")
        if asked.headers.get("if-none-match") == found.etag:
            raise Failure(304, "NotModified")
        bounds = _range(asked.headers.get("range"), len(found.body))
        if bounds is None:
            return Answer(200, found.body, found.headers())
        first, last = bounds
        if first >= len(found.body):
            raise Failure(416, "InvalidRange")
        span = {"Content-Range": f"bytes {first}-{last - 1}/{len(found.body)}"}
        return Answer(206, found.body[first:last], found.headers() | span)

    def _list(self, asked: Asked) -> Answer:
        bucket, query = asked.name.partition("/")[0] + "/", asked.query
        prefix, delimiter = bucket + query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after", "")
        limit = min(int(query.get("max-keys", PAGE)), PAGE)
        entries, last = [], ""
        for name in self._page(prefix, delimiter, bucket + after if after else ""):
            if len(entries) == limit:
                break
            key, last = escape(name[len(bucket) :]), name[len(bucket) :]
            if delimiter and name.endswith(delimiter):
                entries.append(f"<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>")
                continue
            found = self.objects[name]
            when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(found.modified))
            entries.append(
                f"<Contents><Key>{key}</Key><LastModified>{when}.000Z</LastModified><ETag>{escape(found.etag)}</ETag>"
                f"<Size>{len(found.body)}</Size></Contents>"
            )
        else:
            last = ""
        more = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if last else ""
        return xml(
            "ListBucketResult",
            f"<IsTruncated>{'true' if last else 'false'}</IsTruncated>{more}<KeyCount>{len(entries)}</KeyCount>"
            + "".join(entries),
        )

    def _page(self, prefix: str, delimiter: str, after: str) -> Iterator[str]:
        """Iterate over the names of a listing: of objects, and of prefixes, which end with the delimiter."""
        at = max(bisect_left(self._names, prefix), bisect_right(self._names, after) if after else 0)
        if after and delimiter and after.endswith(delimiter):
            at = max(at, bisect_left(self._names, after[:-1] + chr(ord(delimiter) + 1)))
        while at < len(self._names) and self._names[at].startswith(prefix):
            name = self._names[at]
            below = name.find(delimiter, len(prefix)) if delimiter else -1
            if below < 0:
                yield name
                at += 1
            else:
                yield name[: below + 1]
                at = bisect_left(self._names, name[:below] + chr(ord(delimiter) + 1))


def _metadata(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith(_META) or name == "content-type"}


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte of a range and the one behind it; None without a range."""
    if not text:
        return None
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def _texts(body: bytes | bytearray, tag: str) -> list[str]:
    """Return the texts of all elements of a name in a document."""
    return [element.text or "" for element in ET.fromstring(body).iter() if element.tag.rpartition("}")[2] == tag]


def xml(name: str, inner: str) -> Answer:
    return Answer(200, f"<{name}>{inner}</{name}>".encode(), {"Content-Type": "application/xml"})
