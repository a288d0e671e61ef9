"""The results of a copy or a comparison, file by file: JSON Lines that are appended to a file of this machine.

Each file that is copied, left as it is, or fails has one line, written when that is certain: a copied one is complete
under its final name, and confirmed. So what a job that was killed has left is true, and what has no line was not
reached; a file in a directory that has failed has none either. The fields are those of `FIELDS`, and only ever added.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from secftp.json_lines import line, name_fields
from secftp.storage.appended import AppendedLines
from secftp.text import show_path

if TYPE_CHECKING:
    from secftp.errors import FileError
    from secftp.json_lines import Value
    from secftp.storage import Path

# For the documentation, with the results that have them; the others are in every line.
FIELDS: Final = {
    "path": "",
    "path_base64": "",
    "result": "",
    "size": "",
    "digest": "",
    "algorithm": "",
    "seconds": "",
    "reason": "unchanged, skipped, left_out",
    "error": "failed",
    "exit_code": "failed",
    "message": "failed",
}


class Results:
    """The lines of one run, in the file `path`. `algorithm`: the name of that of the digests.

    Raises `FileError` if the file can't be opened, as does every method that writes a line if it can't be written: a
    copy whose results are lost is to end. `copied`: what is said of a file that is copied.
    """

    def __init__(self, path: str, algorithm: str, copied: str = "copied") -> None:
        self.lines = AppendedLines(path, "The results file")
        self._algorithm = algorithm
        self.copied = copied

    def failed(self, path: Path, error: FileError, size: int | None = None, began: float | None = None) -> None:
        """A file or directory has failed."""
        failure: dict[str, Value] = {
            "error": type(error).__name__,
            "exit_code": int(error.exit_code),
            "message": error.message,
        }
        self.write(path, "failed", size, None, began, **failure)

    def write(
        self,
        path: Path,
        result: str,
        size: int | None = None,
        digest: bytes | None = None,
        began: float | None = None,
        **more: Value,
    ) -> None:
        """Append a line."""
        fields: dict[str, Value] = {
            **name_fields("path", b"/".join(path), show_path),
            "result": result,
            "size": size,
            "digest": None if digest is None else digest.hex(),
            "algorithm": None if digest is None else self._algorithm,
            "seconds": None if began is None else round(time.monotonic() - began, 6),
            **more,
        }
        self.lines.append(line(fields).encode("ascii"))

    def close(self) -> None:
        """Close the file."""
        self.lines.close()
