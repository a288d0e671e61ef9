"""Whether an object store can be used at all, found out before it is served.

One listing request shows whether the bucket exists and whether the credentials, which are not ours, are accepted. What
the store said is for the operator alone. Invariant: no credential is in a message: addresses lose their query, which
may be a signature, and of an answer only its code is repeated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError, Forbidden, InputOutputError, NotFound, SecftpError, ServerUnreachable
from secftp.text import escape

if TYPE_CHECKING:
    from secftp.storage.objects.bucket import Bucket

_code_in: Final = re.compile(r"<Code>(\w{1,64})</Code>", re.ASCII).search
_query: Final = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\"]*")
_TOLD: Final = 200  # characters of what the store, or its client, said
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound"})
_REFUSED: Final = frozenset(
    {
        "AccessDenied",
        "AuthenticationFailed",
        "AuthorizationFailure",
        "AuthorizationPermissionMismatch",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
    }
)
_REGION: Final = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect"})
# Where the clients of the stores ask for the credentials of a machine.
_METADATA: Final = (
    "169.254.169.254",
    "169.254.170.2",
    "metadata.google.internal",
    "/latest/api/token",
    "/latest/meta-data/",
    "/computeMetadata/",
    "/metadata/identity/",
)
_CREDENTIALS_ARE: Final = (
    "Credentials are taken from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY) or from the role of the "
    "machine; from ~/.aws/credentials only if boto3 is installed."
)


def check_reachable(bucket: Bucket, prefix: str, url: str) -> None:
    """Raise unless objects below the prefix can be listed; `url` is where it is, for the message.

    Raises `NotFound` if there is no such bucket, `Forbidden` if there are no credentials or the store refuses them,
    `ServerUnreachable` if its address can't be reached, and `InputOutputError` for anything else.
    """
    try:
        next(bucket.list(prefix, ()), None)
    except FileError as problem:
        cause = problem.__cause__
        if cause is None or type(cause).__name__ == "InvalidPathError":
            return  # it was listed: an object has a name that can't be served, which concerns its directory alone
        raise _explained(problem, str(cause), url) from None


def _explained(problem: FileError, told: str, url: str) -> SecftpError:
    found = _code_in(told)
    code = "" if found is None else found[1]
    subject = f"The object store {escape(url)} can't be used"
    if code in _NO_BUCKET:
        return NotFound(f"{subject}: there is no such bucket.", hint="Create it at the store, or name another.")
    if code in _REGION or "incorrectly configured region" in told:
        return InputOutputError(f"{subject}: it is in another region.", hint="Set AWS_REGION to the bucket's region.")
    if any(address in told for address in _METADATA):
        return Forbidden(f"{subject}: there are no credentials for it.", hint=_CREDENTIALS_ARE)
    if code in _REFUSED or isinstance(problem, Forbidden):
        more = f" ({code})" if code else ""
        return Forbidden(f"{subject}: it refuses the credentials, or a listing with them{more}.", hint=_CREDENTIALS_ARE)
    said = said_by_store(told)
    if "error sending request" in told or "HTTP error" in told:
        return ServerUnreachable(
            f"{subject}: it can't be reached.",
            hint="Look at the network, and at AWS_ENDPOINT_URL if it is set; one that begins with http:// also needs "
            f"AWS_ALLOW_HTTP=true. {said}",
        )
    return InputOutputError(f"{subject}.", hint=said)


def told_about(problem: BaseException) -> str:
    """Return what the store said about a failure, for the operator alone; empty if nothing is known."""
    return "" if problem.__cause__ is None else said_by_store(str(problem.__cause__))


def said_by_store(told: str) -> str:
    """Return the first line of what a store or its client said: escaped, cut, and without queries of addresses."""
    line = _query.sub(r"\1", told.partition("\n")[0].partition("<")[0])
    found = _code_in(told)
    code = "" if found is None else f" ({found[1]})"
    return f"The client of the store said: {escape(line[:_TOLD].rstrip(' :'))}{code}"
