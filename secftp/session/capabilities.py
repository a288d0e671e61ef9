"""What a server may lack, and how that is said: an older one is told from one that refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.messages.errors_map import remote_failure
from secftp.messages.schema import (
    CAPABILITY_CHANGE,
    CAPABILITY_LIST,
    CAPABILITY_MANY,
    CAPABILITY_RANGES,
    CAPABILITY_RESUME,
    CAPABILITY_STAT,
    CAPABILITY_SUM,
)
from secftp.text import escape

if TYPE_CHECKING:
    from secftp.storage import Path

_MISSING: Final = {
    CAPABILITY_RANGES: "send parts of files",
    CAPABILITY_STAT: "tell what stands under a name",
    CAPABILITY_LIST: "list folders",
    CAPABILITY_CHANGE: "change names, folders and attributes",
    CAPABILITY_SUM: "compute checksums",
    CAPABILITY_RESUME: "go on with files that were broken off",
    CAPABILITY_MANY: "take or send many files at once",
}


def lacks(capability: str, subject: Path) -> FileError:
    """The failure of a request that needs what the server did not name in WELCOME."""
    what = _MISSING.get(capability, f"do this ({escape(capability)})")
    return remote_failure(FileError, subject, f"the server can't {what}.", hint="A newer server can.")
