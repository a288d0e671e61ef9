"""Files and folders of this machine to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.copy.options import CopyOptions, Remote
from secftp.copy.watch import Silent, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.copy.watch import Watcher
    from secftp.session import Session


class Put:
    """A copy to a server. After `run` raised `ConnectionLost`, `run` with another session goes on where it was."""

    def __init__(
        self, sources: Sequence[str], target: Remote, options: CopyOptions | None = None, watcher: Watcher | None = None
    ) -> None:
        self.summary = Summary()
        self._sources = sources
        self._target = target
        self._options = options or CopyOptions()
        self._watcher: Watcher = watcher or Silent()

    def run(self, session: Session) -> Summary:
        """Copy what is not copied yet.

        What fails for one file or folder goes to `watcher.failed` and into the summary. Raised are what concerns the
        whole: `FileError` for a target that can't be, and what the session raises when the connection fails.
        """
        raise NotImplementedError


def put(
    session: Session,
    sources: Sequence[str],
    target: Remote,
    options: CopyOptions | None = None,
    watcher: Watcher | None = None,
) -> Summary:
    """Copy files and folders to the server, as `Put(...).run(session)`.

    Destinations are as cp's: into `target` if that is a folder at the server, else as that name. With a trailing slash
    it is a folder, and made if it is missing; several sources need a folder. A source that ends in `.` or `..` stands
    for what is in it.
    """
    return Put(sources, target, options, watcher).run(session)
