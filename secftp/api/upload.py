"""One file on its way to a server while a program still writes it: a thread that sends, on a connection of its own.

The thread knows nothing of the object that the program holds, which therefore goes when it is forgotten, and takes the
file with it. What must never happen: that a file is confirmed whose writer did not say that it is whole.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from secftp.api.memory import GrowingSource
from secftp.errors import AlreadyExists, Forbidden, NotFound, UsageError
from secftp.messages import ErrorCode, Kind, exception_for, remote_failure
from secftp.session import Unconfirmed

if TYPE_CHECKING:
    from secftp.api.pool import Pool
    from secftp.session import Session, Transferred
    from secftp.storage import Path

# How long a file that is given up is waited for, until its connection is broken off.
GIVE_UP_SECONDS: Final = 2.0


class Upload:
    """A file under way. Raises what connecting raises, and what is known to be wrong with the name by now."""

    def __init__(self, pool: Pool, path: Path, *, overwrite: bool, mode: int | None) -> None:
        self._pool = pool
        self._path = path
        self._options: Final = overwrite, mode
        self._process = os.getpid()
        self._source = GrowingSource()
        self._done: Transferred | None = None
        self._failure: BaseException | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self._source.close)
            pool.ask(lambda connection: require_place(connection.session, path, overwrite=overwrite))
            self._connection = undo.enter_context(pool.connection(long=True))
            keep = undo.pop_all()
        self._thread = threading.Thread(target=self._run, args=(keep,), name="secftp-upload", daemon=True)
        try:
            pool.begin_work(self._thread)
        except BaseException:
            keep.close()
            raise

    def add(self, data: bytes) -> None:
        """Append bytes, waiting while the connection is behind; raises what became of the file if that is over."""
        self._require_same_process()
        if not self._source.add(data):
            raise self._outcome()

    def finish(self) -> Transferred:
        """Nothing follows: wait until the file stands at the server. Raises what went wrong instead."""
        self._require_same_process()
        self._source.complete()
        self._thread.join()
        if self._done is None:
            raise self._outcome()
        return self._done

    def give_up(self) -> None:
        """Nothing follows, and there is to be no file. Waits for nobody; idempotent."""
        if self._is_alive():
            self._source.give_up()

    def wait(self) -> None:
        """After `give_up`: wait until the server knows, but not for long."""
        if not self._is_alive():
            return
        self._thread.join(GIVE_UP_SECONDS)
        if self._thread.is_alive():
            self._connection.interrupt()
            self._thread.join(GIVE_UP_SECONDS)

    def _run(self, keep: contextlib.ExitStack) -> None:
        overwrite, mode = self._options
        with contextlib.suppress(BaseException), keep:
            try:
                session = self._connection.session
                self._done = session.write(self._path, self._source, overwrite=overwrite, mode=mode)
            except Unconfirmed as lost:
                self._failure = lost.with_traceback(None)
                self._done = self._pool.confirm(self._path, lost)
            except BaseException as failure:
                self._failure = failure.with_traceback(None)
                raise
            finally:
                self._source.close()

    def _outcome(self) -> BaseException:
        return self._failure or UsageError("The file was given up.")

    def _is_alive(self) -> bool:
        """Whether there still is a thread that could send.

        Not in a forked process, nor when the interpreter ends: threads end there wherever they are, and with whatever
        lock they hold. Their connection ends with the process, and the server throws away what it got.
        """
        return self._process == os.getpid() and not sys.is_finalizing()

    def _require_same_process(self) -> None:
        if self._process != os.getpid():
            raise UsageError("A forked process can't write a file that its parent opened.", hint="Open it there.")


def require_place(session: Session, path: Path, *, overwrite: bool) -> None:
    """Raise early what a write to that name would raise in the end, as far as can be seen; the write itself decides."""
    try:
        kind = session.stat(path).kind
    except Forbidden:
        return  # who may not look may write all the same
    except NotFound:
        if len(path) > 1:
            _require_folder(session, path[:-1])
        return
    if kind is Kind.DIRECTORY:
        raise exception_for(ErrorCode.IS_DIRECTORY, path)
    if not overwrite:
        raise remote_failure(AlreadyExists, path, "it exists already.")


def _require_folder(session: Session, path: Path) -> None:
    try:
        session.stat(path)
    except NotFound:
        raise remote_failure(
            NotFound, path, "there is no such folder at the server.", hint="Make the folder there first."
        ) from None
