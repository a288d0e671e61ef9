"""What a server may lack, and how that is said: an older one is told from one that refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.messages import Capability
from secftp.messages.errors import remote_failure
from secftp.text import escape

if TYPE_CHECKING:
    from secftp.storage import Path

_MISSING: Final[dict[str, str]] = {
    Capability.RANGES: "send parts of files",
    Capability.STAT: "tell what stands under a name",
    Capability.LIST: "list folders",
    Capability.CHANGE: "change names, folders and attributes",
    Capability.SUM: "compute checksums",
    Capability.RESUME: "go on with files that were broken off",
    Capability.MANY: "take or send many files at once",
}


def lacks(capability: str, subject: Path) -> FileError:
    """The failure of a request that needs what the server did not name in WELCOME."""
    what = _MISSING.get(capability, f"do this ({escape(capability)})")
    return remote_failure(FileError, subject, f"the server can't {what}.", hint="A newer server can.")
