"""A bucket of an object store: its objects by key, with typed requests and this program's exceptions.

The only importer of obstore, an optional library with compiled clients of S3, Google Cloud Storage and Azure Blob
Storage. Requests are retried there, within bounds. Invariants: a request either returns what the store has confirmed or
raises `FileError`; no message has text of the store, which names its addresses; a listing that breaks raises and never
ends early.
"""

from __future__ import annotations

import contextlib
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.errors import (
    AlreadyExists,
    FileChanged,
    FileError,
    Forbidden,
    InputOutputError,
    InstallationError,
    NameRefused,
    NotFound,
    Reason,
    TooLarge,
    Unsupported,
    UsageError,
)
from secftp.storage.errors import failure
from secftp.storage.objects.credentials import credential_provider
from secftp.storage.objects.urls import check_url
from secftp.text import escape

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from types import ModuleType

    from secftp.storage.names import DirectoryPath
    from secftp.storage.objects.keys import Key

NATIVE: Final = "native"  # ways of a copy on condition: as the store has it
HEADER: Final = "header"  # by If-None-Match, which Amazon S3 has had since 2025
MULTIPART: Final = "multipart"  # by an upload of one part that is copied: without the metadata, and up to 5 GiB
_S3_COPIES: Final = {HEADER: "header-with-status:If-None-Match:*:412", MULTIPART: "multipart"}
_SAME_SCHEMES: Final = {"s3a": "s3", "azure": "az"}
_S3_MAX_COPY: Final = 5 << 30
PAGE: Final = 1000  # objects of a page, the most that S3 returns
_AZURE: Final = "AzureStore"
_TOLD: Final = 300  # characters of a message of the store
_QUERY: Final = re.compile(r"\?[^\s'\"]*")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>", re.ASCII)
_SECOND: Final = 10**9
_LATEST: Final = 2**63 - 1  # nanoseconds since 1970
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 30
_TIMEOUT: Final = "60s"  # of one request with its body: a part of 8 MiB at 140 kB/s
_CONNECT_TIMEOUT: Final = "10s"
# Options of the HTTP client that obstore takes from the environment only where a program gives none.
_CLIENT_OPTIONS: Final = (
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "timeout",
)
_VARIABLES: Final = ("AWS_", "GOOGLE_", "AZURE_")
_FLAGS: Final = frozenset({"allow_http", "allow_invalid_certificates"})
_TRUE: Final = frozenset({"1", "true", "yes", "on", "y"})


class ObjectInfo(NamedTuple):
    """What the store knows of an object. `metadata`: None where it was not asked for, as in a listing."""

    key: str
    size: int
    etag: str | None
    modified_ns: int
    metadata: Mapping[str, str] | None = None

    def is_version(self, other: ObjectInfo) -> bool:
        """Return whether both are of the same version, as far as the store tells versions apart."""
        return (self.etag, self.modified_ns) == (other.etag, other.modified_ns)


class UnservableName(InputOutputError):
    """A listing that has a key which is no path: with an empty name, `.`, `..` or control characters in it."""


class Page(NamedTuple):
    """A part of a listing: objects, and the prefixes of further ones, without the slash."""

    objects: list[ObjectInfo]
    prefixes: list[str]


def load() -> ModuleType:
    """Import obstore. Raises `InstallationError` if it is missing."""
    try:
        import obstore
        import obstore.store
    except ImportError:
        raise InstallationError("Object stores require obstore.", hint="Run: pip install 'secftp[objects]'") from None
    library: ModuleType = obstore
    return library


def open_bucket(url: str, **config: Any) -> Bucket:
    """Open the bucket of a URL, see `open_objects`. `config`: what obstore takes beside the environment."""
    check_url(url)
    library = load()
    if (provider := credential_provider(url)) is not None:
        config = {"credential_provider": provider, **config}
    options = {"timeout": _TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT} | _from_environment()
    retries = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}

    def opened(**more: Any) -> Any:
        return library.store.from_url(url, client_options=options, retry_config=retries, **config, **more)

    try:
        store = opened()
        if not isinstance(store, library.store.S3Store):
            return Bucket(store, url)
        return Bucket(store, url, {way: opened(copy_if_not_exists=value) for way, value in _S3_COPIES.items()})
    except (library.exceptions.BaseError, ValueError) as error:
        raise UsageError(
            "The object store can't be opened with the options that the environment has.",
            hint=_said_by_store(error),
        ) from None


class ConditionalWrites(NamedTuple):
    """What a store can do only if there is no object of the key.

    `put`: write an object. `copy`: copy one, and by which of `Bucket.ways_to_copy`; None if it can't.
    """

    put: bool
    copy: str | None


def _from_environment() -> dict[str, Any]:
    """Return the options of the HTTP client that the environment has, by their names without the store's."""
    found: dict[str, Any] = {}
    for option in _CLIENT_OPTIONS:
        for prefix in _VARIABLES:
            value = os.environ.get(f"{prefix}{option.upper()}")
            if value is not None:
                found[option] = value.lower() in _TRUE if option in _FLAGS else value
    return found


class Bucket:
    """The objects of `store`, which is one of obstore's, at `url`. For any number of threads.

    `place`: that URL in one spelling, with a slash at its end. `copying`: the same store, set up for each way in which
    it may be able to copy on condition; None if it always is.
    """

    def __init__(self, store: Any, url: str = "memory://", copying: Mapping[str, Any] | None = None) -> None:
        self._library = load()
        self._store = store
        self._copying = {NATIVE: store} if copying is None else copying
        self.url = url.rstrip("/")
        scheme, _, place = self.url.partition("://")
        self.place = f"{_SAME_SCHEMES.get(scheme.lower(), scheme.lower())}://{place}/"
        self._translated = _Translator(self._library)

    @property
    def prefix_bytes(self) -> int:
        """How many bytes the store puts in front of every key."""
        prefix = getattr(self._store, "prefix", None)
        return len(str(prefix).encode()) + 1 if prefix else 0

    @property
    def ways_to_copy(self) -> tuple[str, ...]:
        """The ways of a copy on condition, the best first; whether the store knows one has to be tried."""
        return tuple(self._copying)

    @property
    def max_copy(self) -> int | None:
        """The most bytes that the store copies in one request, as far as that is known."""
        return _S3_MAX_COPY if MULTIPART in self._copying else None

    @property
    def copies_later(self) -> bool:
        """Whether a copy may still be empty when the store has accepted it: Azure may copy after its answer."""
        return type(self._store).__name__ == _AZURE

    @property
    def has_sorted_listings(self) -> bool:
        """Whether a listing that begins behind a key costs what it returns; Azure reads all that is before it."""
        return type(self._store).__name__ != _AZURE

    def info(self, key: Key) -> ObjectInfo:
        """Return what is known of an object, with its metadata; raises `NotFound`."""
        with self._translated(key.path):
            result = self._library.get(self._store, key.text, options={"head": True})
            return _object_info(result.meta, result.attributes)

    def get(self, key: Key, start: int, end: int, *, etag: str | None = None) -> memoryview:
        """Return the bytes of an object from `start` up to `end`, fewer at its end; the range is not empty.

        With `etag`, of this version: raises `FileChanged` if it has been replaced or deleted.
        """
        options: dict[str, Any] = {"range": (start, end)}
        if etag is not None:
            options["if_match"] = etag
        with self._translated(key.path, is_version=etag is not None):
            return memoryview(self._library.get(self._store, key.text, options=options).bytes())

    def get_whole(self, key: Key, limit: int) -> tuple[ObjectInfo, memoryview]:
        """Return an object and its bytes in one request; raises `TooLarge` beyond `limit` bytes, and reads none."""
        with self._translated(key.path):
            result = self._library.get(self._store, key.text)
            found = _object_info(result.meta, result.attributes)
            if found.size > limit:
                raise failure(TooLarge, "Too large to be read at once", key.path)
            return found, memoryview(result.bytes())

    def put(
        self, key: Key, data: bytes | memoryview, metadata: Mapping[str, str], *, create: bool = False
    ) -> str | None:
        """Write a whole object; return its ETag. With `create` raises `AlreadyExists` if there is one of this key."""
        mode = "create" if create else "overwrite"
        with self._translated(key.path):
            result = self._library.put(
                self._store, key.text, data, attributes=dict(metadata), mode=mode, use_multipart=False
            )
            return _etag(result)

    def put_parts(
        self,
        key: Key,
        parts: Iterable[bytes | memoryview],
        metadata: Mapping[str, str],
        *,
        part_size: int,
        at_once: int,
    ) -> str | None:
        """Write an object in parts of `part_size` bytes, up to `at_once` at the same time; return its ETag.

        It appears, or replaces another, when the last part has arrived. What `parts` raises is raised, and then
        nothing is left.
        """
        with self._translated(key.path):
            result = self._library.put(
                self._store,
                key.text,
                iter(parts),
                attributes=dict(metadata),
                use_multipart=True,
                chunk_size=part_size,
                max_concurrency=at_once,
            )
            return _etag(result)

    def copy(self, key: Key, to: Key, *, create: str | None = None) -> None:
        """Copy an object within the bucket, with its metadata unless that is by `MULTIPART`.

        `create`: only if there is none of the new key, in this way of `ways_to_copy`; raises `AlreadyExists`.
        """
        store = self._store if create is None else self._copying[create]
        try:
            with self._translated(key.path):
                self._library.copy(store, key.text, to.text, overwrite=create is None)
        except AlreadyExists as problem:
            raise failure(AlreadyExists, "Already exists", to.path) from problem

    def has_below(self, prefix: str, path: DirectoryPath) -> bool:
        """Return whether there is an object whose key begins with `prefix`, as for `list`."""
        return any(page.objects for page in self.list(prefix, path))

    def delete(self, key: Key, *, only: ObjectInfo | None = None) -> None:
        """Delete an object; a missing one is no error, and a lost answer makes it be repeated.

        With `only`, not if another version is there by then: the first request was carried out, and another writer's
        object has been confirmed since. (A store has no condition for a deletion.)
        """
        try:
            self._delete(key)
        except InputOutputError:
            if only is None or self._is_there(key, only):
                self._delete(key)

    def _is_there(self, key: Key, version: ObjectInfo) -> bool:
        try:
            return self.info(key).is_version(version)
        except NotFound:
            return False

    def _delete(self, key: Key) -> None:
        with self._translated(key.path), contextlib.suppress(FileNotFoundError):
            self._library.delete(self._store, key.text)

    def list(self, prefix: str, path: DirectoryPath, *, offset: str | None = None) -> Iterator[Page]:
        """Yield the objects whose keys begin with `prefix` ("" or with a slash at its end), in pages, in key order.

        A key with a slash at its end, as consoles make for a directory, is listed without it. `offset`: only keys
        behind this one. An error is about `path`.
        """
        with self._translated(path, is_listing=True):
            pages = self._library.list(self._store, prefix.rstrip("/") or None, offset=offset, chunk_size=PAGE)
            for found in pages:
                yield Page([_object_info(one, None) for one in found], [])

    def list_directory(self, prefix: str, path: DirectoryPath) -> Page:
        """Return the objects and the prefixes directly below a prefix: all of them, in one page."""
        with self._translated(path, is_listing=True):
            found = self._library.list_with_delimiter(self._store, prefix.rstrip("/") or None)
            objects = [_object_info(one, None) for one in found["objects"]]
            return Page(objects, [text.rstrip("/") for text in found["common_prefixes"]])


def _object_info(meta: Any, attributes: Any) -> ObjectInfo:
    modified = meta["last_modified"]
    metadata = None if attributes is None else {name.lower(): str(value) for name, value in attributes.items()}
    modified_ns = int(modified.timestamp()) * _SECOND + modified.microsecond * 1000
    modified_ns = max(-_LATEST, min(modified_ns, _LATEST))  # a store may say anything, a message has 64 bits for it
    return ObjectInfo(meta["path"], meta["size"], meta["e_tag"], modified_ns, metadata)


def _etag(result: Any) -> str | None:
    etag = result["e_tag"]
    return None if etag is None else str(etag)


class _Translator:
    """Makes blocks in which exceptions of obstore are raised as those of this program."""

    def __init__(self, library: ModuleType) -> None:
        errors = library.exceptions
        self._base: tuple[type[Exception], ...] = (errors.BaseError, FileNotFoundError, ValueError)
        self._kinds: tuple[tuple[type[Exception], type[FileError], str, Reason | None], ...] = (
            (FileNotFoundError, NotFound, "No such file", None),
            (errors.AlreadyExistsError, AlreadyExists, "Already exists", None),
            (errors.PreconditionError, FileChanged, "Changed while it was being read", None),
            (errors.PermissionDeniedError, Forbidden, "Permission denied by the object store", Reason.PERMISSION),
            (errors.UnauthenticatedError, Forbidden, "Permission denied by the object store", Reason.PERMISSION),
            (errors.InvalidPathError, UnservableName, "Contains an object with a name that can't be served", None),
            (errors.NotSupportedError, Unsupported, "Not supported by the object store", None),
        )

    @contextlib.contextmanager
    def __call__(
        self, path: DirectoryPath, *, is_listing: bool = False, is_version: bool = False
    ) -> Generator[None, None, None]:
        try:
            yield
        except FileError:
            raise
        except self._base as error:
            if is_version and isinstance(error, FileNotFoundError):
                raise failure(FileChanged, "Removed while it was being read", path) from error
            problem = self._translate(error, path, is_listing=is_listing)
            problem.told = _said_by_store(error)
            raise problem from error

    def _translate(self, error: Exception, path: DirectoryPath, *, is_listing: bool) -> FileError:
        for kind, meaning, words, reason in self._kinds:
            if isinstance(error, kind) and not (is_listing and meaning is NotFound):
                return failure(meaning, words, path, reason=reason)
        if isinstance(error, ValueError) and not is_listing:
            return failure(NameRefused, "Invalid name for the object store", path, reason=Reason.NAME_ENCODING)
        return failure(InputOutputError, "The object store reported an error", path)


def _said_by_store(error: BaseException) -> str:
    """Return what the store, or its client, said, for the operator alone.

    Escaped and cut; without queries of addresses, which may be signatures, and of an answer its code alone.
    """
    text = str(error)
    line = _QUERY.sub("", text.partition("\n")[0].partition("<")[0].rstrip(": "))[:_TOLD]
    code = _CODE.search(text)
    return escape(line if code is None else f"{line} ({code[1]})")
