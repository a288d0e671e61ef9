"""Files of a server, written to standard output one after the other, for `cat`.

The next files are requested while one is written, and their contents come in this order, so no file waits for a round
trip. What was written to a pipe can't be taken back: a file that fails is reported behind what was written of it, and
the others follow. Invariant: a file is only done when its digest has been compared.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from secftp.client.local_io import open_output
from secftp.errors import IsADirectory
from secftp.protocol import Algorithm, Read, remote_failure
from secftp.session.replies import FileReply, unexpected_reply
from secftp.storage import new_digest
from secftp.transport.file_data import unwatched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.client.failures import Failures
    from secftp.protocol import File
    from secftp.session import Session
    from secftp.storage import Path, Sink
    from secftp.url import Url

_AHEAD: Final = 64  # files that are requested before their turn
_NO_TERMINAL: Final = "Use get to store it, or a pipe; | cat shows the file all the same."


class _Requested:
    """A file that was requested; its bytes go to standard output as they come."""

    def __init__(self, session: Session, path: Path) -> None:
        self._pipeline = session.pipeline
        self._output: Sink | None = None
        number = self._pipeline.next_id()
        self._reply = FileReply(
            self._open,
            new_digest(Algorithm.XXH128),
            subject=path,
            stop=partial(self._pipeline.cancel, number),
            progress=unwatched,
        )
        self._pipeline.submit(Read(id=number, path=path), self._reply)

    def _open(self, _file: File) -> Sink:
        self._output = open_output(None, overwrite=True, hint=_NO_TERMINAL)
        return self._output

    def finish(self) -> None:
        """Wait for the end of the file. Raises what is wrong with it."""
        self._pipeline.wait_for(self._reply)
        if self._reply.end is None or self._output is None:
            raise self._reply.problem or unexpected_reply()
        self._output.commit()


def write_files(session: Session, urls: Iterable[Url], failures: Failures) -> None:
    """Write the files; `failures` collects what is wrong with each."""
    under_way: deque[_Requested] = deque()

    def finish_first() -> None:
        with failures.collected():
            under_way.popleft().finish()
            failures.done = True

    with session.pipeline.keepalive():
        for url in urls:
            with failures.collected():
                _require_file(url)
                under_way.append(_Requested(session, url.path))
            while len(under_way) >= _AHEAD:
                finish_first()
        while under_way:
            finish_first()


def _require_file(url: Url) -> None:
    """Raise for a URL that can only be that of a directory."""
    if not url.path or url.trailing_slash:
        raise remote_failure(IsADirectory, url.path, "a directory can't be written to standard output.")
