"""Files and folders of a server to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.copy.options import CopyOptions, Remote
from secftp.copy.watch import Silent, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.copy.watch import Watcher
    from secftp.session import Session


class Get:
    """A copy from a server. After `run` raised `ConnectionLost`, `run` with another session goes on where it was."""

    def __init__(
        self, sources: Sequence[Remote], target: str, options: CopyOptions | None = None, watcher: Watcher | None = None
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


def get(
    session: Session,
    sources: Sequence[Remote],
    target: str,
    options: CopyOptions | None = None,
    watcher: Watcher | None = None,
) -> Summary:
    """Copy files and folders from the server, as `Get(...).run(session)`.

    Destinations are as cp's: into `target` if that is a folder, else as that name. With a trailing slash it is a
    folder, and made if it is missing; several sources need a folder. The served folder itself stands for what is in it.
    """
    return Get(sources, target, options, watcher).run(session)
