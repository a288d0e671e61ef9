"""What a server serves: a directory of this machine, or one in an object store, which has a URL.

`is_object_url` tells them apart. Credentials for a store are never options of the server: `secftp.storage.objects`
takes them from where the SDKs of the stores do. Invariants: what can't be served as the options say is refused at the
start, and at a reload, with a sentence; that has a URL without what could be a credential.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.errors import FileError, NotFound, UsageError
from secftp.storage import LocalStore
from secftp.storage.objects import is_object_url, open_objects
from secftp.storage.objects.reachable import told_about
from secftp.text import escape, show_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.server.options import ServerOptions
    from secftp.storage.objects.bucket import ConditionalWrites
    from secftp.storage.objects.store import ObjectStore

_has_scheme: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII).match
_SCHEMES: Final = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
# Options that are about a disk.
_DISK: Final = {"min_free": "--min-free", "min_free_files": "--min-free-files"}
# Variables with the path of a file from which credentials for an object store are read, and where it is by default.
_CREDENTIAL_FILES: Final = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
    "AWS_WEB_IDENTITY_TOKEN_FILE": None,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": None,
    "GOOGLE_APPLICATION_CREDENTIALS": "~/.config/gcloud/application_default_credentials.json",
    "GOOGLE_SERVICE_ACCOUNT": None,
    "GOOGLE_SERVICE_ACCOUNT_PATH": None,
    "AZURE_FEDERATED_TOKEN_FILE": None,
}


# What is served: it can open directories below it as stores of their own (`beneath`).
Root: TypeAlias = "LocalStore | ObjectStore"


def check_root(options: ServerOptions) -> None:
    """Raise what is known to be wrong with the root before anything is opened: `NotFound` or `UsageError`."""
    if is_object_url(options.root):
        for field, flag in _DISK.items():
            if getattr(options.limits, field) is not None:
                raise UsageError(
                    f"{flag} is about a disk, and an object store has no free space to measure.",
                    hint="Omit it; a quota of the bucket, or an alarm on its size, is set at the store.",
                )
    else:
        require_directory(options.root)


def require_directory(root: str) -> None:
    """Raise `NotFound` if there is no such directory on this machine."""
    if os.path.isdir(root):
        return
    if _has_scheme(root) and not os.path.lexists(root):
        # It is not repeated: a URL may hold a password.
        raise NotFound("The root is a URL, but of no object store.", hint=f"Give a directory, or {_SCHEMES}.")
    shown = show_local(root)
    raise NotFound(
        f"{shown} is not a directory." if os.path.exists(root) else f"There is no directory {shown}.",
        hint="Give the directory to serve with --root DIR.",
    )


def open_root(options: ServerOptions, *, sweep: bool = False) -> Root:
    """Open what the options name. Raises `SecftpError`, with a hint, if it can't be served."""
    if is_object_url(options.root):
        return open_bucket(options.root, options)
    writes = sweep and not options.read_only
    return LocalStore(options.root, sweep=sweep, try_locks=writes, mode_mask=options.mode_mask)


def open_bucket(url: str, options: ServerOptions) -> ObjectStore:
    """Open a directory in an object store, and find out whether it can be reached. Raises as `open_root`."""
    if not is_object_url(url):
        raise UsageError(f"{shown_url(url)} is no URL of an object store.", hint=f"Give {_SCHEMES}.")
    return open_reachable(url, times=options.object_times, mode_mask=options.mode_mask)


def open_reachable(url: str, *, times: str, mode_mask: int) -> ObjectStore:
    """Open the directory of a URL that `is_object_url`, and find out whether it can be reached."""
    store = open_objects(url, times=times, mode_mask=mode_mask)
    try:
        store.check()
    except BaseException:
        store.close()
        raise
    return store


def prepare_for_writing(store: Root, *, replaces: bool, tell: Callable[[str], None]) -> None:
    """Have a store ready for clients that write; `replaces`: all of them may replace files.

    `tell` gets a sentence if the store lacks something for that. Raises `UsageError` if the store can't ensure that
    nothing is replaced, and what a store raises that can't be written to.
    """
    if isinstance(store, LocalStore):
        if not store.try_locks():
            tell("locks of files don't work, so interrupted uploads can't be resumed.")
        return
    writes = _tried(store)
    if not replaces and not (writes.put and writes.copy):
        what = "writes or copies" if not writes.put else "copies"
        raise UsageError(
            f"{escape(store.url)} can't be served to clients that may not replace files: it has no conditional {what}.",
            hint="Use a store that has them; or omit --no-overwrite, and let each key that may write also overwrite.",
        )


def _tried(store: ObjectStore) -> ConditionalWrites:
    """Try what the store can do on condition, by writing; raises `FileError` if it can't be written to."""
    try:
        return store.probe()
    except FileError as problem:
        needed = "Clients may write, so the credentials have to allow to read, write and delete."
        raise type(problem)(
            f"The object store {escape(store.url)} can be listed, but not written to.",
            hint=f"{needed} {told_about(problem)}".strip(),
        ) from None


def shown_url(url: str) -> str:
    """Return a URL for a message, without what could be a credential in it."""
    scheme, _, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    bucket, slash, prefix = rest.partition("/")
    return escape(f"{scheme}://{bucket.rpartition('@')[2]}{slash}{prefix}")


def credential_files() -> Iterator[str]:
    """Yield the paths of the files that credentials for an object store may be read from, as far as they exist."""
    for variable, usual in _CREDENTIAL_FILES.items():
        path = os.environ.get(variable) or usual
        if path is not None and os.path.lexists(path := os.path.expanduser(path)):
            yield path
