"""URLs of object stores. Importing this module loads nothing else: every start of a server asks it."""

from __future__ import annotations

from typing import Final

from secftp.errors import UsageError
from secftp.text import escape

# With those that name the container as the user of a host: `abfss://container@account.dfs.core.windows.net/prefix`.
_CONTAINER_AT_HOST: Final = frozenset({"abfs", "abfss"})
_SCHEMES: Final = frozenset({"s3", "s3a", "gs", "az", "azure"}) | _CONTAINER_AT_HOST
_SHAPE: Final = "Use s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."


def is_object_url(text: str) -> bool:
    """Return whether `text` names an object store, by its scheme alone: no directory of this machine is meant."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


def check_url(url: str) -> None:
    """Raise `UsageError` for a URL with user information, a query, a fragment, a port, or no bucket.

    Also for one whose prefix another parser would understand as that of another directory: with `..`, plain or as
    `%2e%2e`, or with control characters, which it leaves out; and for one in a reserved name. The message does not show
    the URL: what it has too much may be a credential.
    """
    from urllib.parse import unquote

    from secftp.storage.names import RESERVED_TEXT

    scheme, _, rest = url.partition("://")
    if not is_object_url(url):
        raise UsageError(f"{escape(scheme[:20])}:// is no object store.", hint=_SHAPE)
    if "?" in rest or "#" in rest:
        raise UsageError(
            "The URL of an object store has no query and no fragment.",
            hint="Credentials and options of the store are taken from the environment.",
        )
    host = rest.partition("/")[0]
    user, separator, place = host.rpartition("@")
    if separator and (scheme.lower() not in _CONTAINER_AT_HOST or ":" in user):
        raise UsageError(
            "The URL of an object store has no user and no password.",
            hint="Credentials are taken from the environment, for example from AWS_ACCESS_KEY_ID.",
        )
    if not place or (separator and not user):
        raise UsageError("The URL of an object store names a bucket.", hint=_SHAPE)
    if ":" in place:
        raise UsageError(
            "The URL of an object store has no port.", hint="The address of a store is AWS_ENDPOINT_URL, for example."
        )
    if not url.isprintable() or not unquote(rest).isprintable():
        raise UsageError("The URL of an object store has a control character in it.", hint=_SHAPE)
    names = unquote(rest).removesuffix("/").split("/")
    if any(name.startswith(RESERVED_TEXT) for name in names):
        raise UsageError(f"Names that begin with {RESERVED_TEXT} are those of secftp itself.", hint=_SHAPE)
    if any(name in ("", ".", "..") for name in names):
        raise UsageError("The prefix in the URL of an object store has an empty name, `.` or `..` in it.", hint=_SHAPE)
