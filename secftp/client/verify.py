"""`secftp verify`: whether what is here is what is at the server, name by name and by the checksums of contents.

Each side computes the checksums of its own files, at the same time. Folders are compared one by one, so in memory are
the names that one folder has at the server and those of the folders that are still to come, never a whole tree. What is
no file and no folder does not count, here as at the server.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.copy_counts import count
from secftp.client.ends import at_home
from secftp.client.remote import Failures, is_a_file, opened
from secftp.client.terminal import print_output
from secftp.errors import ExitCode, FileError, IsADirectory, NotFound, Side
from secftp.messages import Algorithm, Kind, problem_of
from secftp.session.batch import checksums
from secftp.session.listings import MemoryBudget, PackedNames, SortedNames
from secftp.session.operations import depth_first
from secftp.storage import LocalStore, new_digest, open_local_source
from secftp.text import escape, format_size, show_path, typed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from secftp.client.progress import Bar
    from secftp.client.remote_options import VerifyOptions
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.storage import Source
    from secftp.url import Path

_BATCH: Final = 1 << 20
_FOLDER: Final = -1  # in place of a size
_UNKNOWN: Final = -2  # what could not be looked at
_MISSING: Final = -3
# Up to here a size may say nothing (a page, for files of sysfs), and contents are compared although sizes differ.
_PAGE: Final = 1 << 16


class _Pair(NamedTuple):
    """A file that both sides have, and whose contents are to be compared; `path` is below what is compared."""

    path: Path


def run_verify(options: VerifyOptions, terminal: Terminal) -> int:
    """Compare, print what differs, return the exit code. Raises what the session, storage and printing raise."""
    with (
        _open_here(options.local) as here,
        Failures(terminal) as failures,
        opened(options.connection, [options.url], terminal, quiet=options.quiet) as session,
        terminal.progress(wanted=True) as bar,
    ):
        comparison = _Comparison(options, session, here, failures, bar)
        comparison.run()
        failures.done = comparison.found > 0
        terminal.say(comparison.conclusion(failures.count))
    return ExitCode.FAILED if comparison.differences else ExitCode.OK


class _Here:
    """The local side: a file or a folder."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.store: LocalStore | None = None
        self._source: Source | None = None
        try:
            self._source = open_local_source(name)
        except IsADirectory:
            self.store = LocalStore(name)

    @property
    def size(self) -> int:
        """Of the file, 0 if it is not known."""
        return _FOLDER if self._source is None else self._source.info.size or 0

    def open(self, path: Path) -> Source:
        """A file of it, `()` being itself."""
        if self.store is None:
            assert self._source is not None  # one of the two is there
            return self._source
        return self.store.open_source(path)

    def close(self) -> None:
        """Give it up."""
        for held in (self.store, self._source):
            if held is not None:
                held.close()


@contextlib.contextmanager
def _open_here(name: str) -> Iterator[_Here]:
    with at_home():
        here = _Here(name)
    with contextlib.closing(here):
        yield here


class _Comparison:
    """One run, and what it has found."""

    def __init__(self, options: VerifyOptions, session: Session, here: _Here, failures: Failures, bar: Bar) -> None:
        self.differences = 0
        self._same = 0
        self._bytes = 0
        self._url = options.url
        self._algorithm = Algorithm(options.checksum)
        self._session = session
        self._here = here
        self._failures = failures
        self._budget = MemoryBudget()
        self._bar = bar

    def run(self) -> None:
        """Compare all there is. Raises what is wrong with the two places themselves."""
        here, there = self._here.size, self._stat()
        if (here < 0) != (there < 0):
            self._tell_kinds((), here, there)
            return
        if here >= 0 and self._differ_by_size((), here, there):
            self._tell("differs", ())
            return
        top: Path = ()
        pairs = depth_first(top, self._enter) if here < 0 else iter([_Pair(top)])
        files = ((pair, (*self._url.path, *pair.path)) for pair in pairs)
        for pair, outcome in checksums(self._session, files, self._algorithm):
            if isinstance(outcome, FileError):
                self._failures.add(outcome)
                continue
            with self._failures.collected():
                self._compare(pair, outcome)

    @property
    def found(self) -> int:
        """How many names were compared, the same or not."""
        return self._same + self.differences

    def conclusion(self, failures: int) -> str:
        """What has been found, in a line."""
        same = f"{count(self._same)} the same ({format_size(self._bytes)})"
        if not self.differences and not failures:
            return f"No difference: {same}."
        return f"{self.differences} {'difference' if self.differences == 1 else 'differences'}, {same}."

    def _stat(self) -> int:
        info = self._session.stat(self._url.path)
        if self._url.trailing_slash and info.kind is not Kind.DIRECTORY:
            raise is_a_file(self._url.path)
        return _FOLDER if info.kind is Kind.DIRECTORY else info.size

    # --- which files to compare ---------------------------------------------------------------------------------------

    def _enter(self, folder: Path) -> Generator[_Pair, None, Iterator[Path]]:
        """The files of one folder that both sides have; returns the folders in it. What only one side has is told."""
        below: Iterator[bytes] = iter(())
        with self._failures.collected() if folder else contextlib.nullcontext():
            below = iter((yield from self._pairs_in(folder)))
        return ((*folder, name) for name in below)

    def _pairs_in(self, folder: Path) -> Generator[_Pair, None, PackedNames]:
        """The files of one folder that both sides have; returns the folders in it that both have.

        What one of the sides could not look at has been told of, and is neither there nor missing.
        """
        here, there, both = SortedNames(self._budget), SortedNames(self._budget), PackedNames(self._budget)
        try:
            self._list_there(folder, there)
            self._list_here(folder, here)
            for name, mine, other in _joined(here, there):
                path = (*folder, name)
                if _UNKNOWN in (mine, other):
                    continue
                if other == _MISSING:
                    self._tell("missing there", path, mine)
                elif mine == _MISSING:
                    self._tell("missing here", path, other)
                elif (mine < 0) != (other < 0):
                    self._tell_kinds(path, mine, other)
                elif mine < 0:
                    both.add(name)
                elif self._differ_by_size(path, mine, other):
                    self._tell("differs", path)
                else:
                    yield _Pair(path)
        except BaseException:
            both.clear()
            raise
        finally:
            here.clear()
            there.clear()
        return both

    def _differ_by_size(self, path: Path, mine: int, other: int) -> bool:
        """Whether the sizes show that a file differs, so that its contents need not be compared.

        A system may say 0, or a page, for a file of any content (proc, sysfs).
        """
        if mine == other:
            return False
        if mine and other:
            return max(mine, other) > _PAGE
        return other > _PAGE and self._is_empty(path)

    def _is_empty(self, path: Path) -> bool:
        """Whether a file here is really empty; what can't be read is told of when it is compared."""
        try:
            source = self._here.open(path)
        except FileError:
            return False
        if path:
            source.close()
        return source.info.size == 0

    def _list_here(self, folder: Path, found: SortedNames) -> None:
        """Find what is in a folder here, by name and size."""
        store = self._here.store
        assert store is not None  # only folders are listed
        with at_home():
            for entry in store.scan(folder):
                if entry.problem is None and entry.info is not None:
                    size = _FOLDER if entry.info.kind is Kind.DIRECTORY else entry.info.size or 0
                else:
                    name = show_path((*folder, *entry.path))
                    self._failures.add(entry.problem or NotFound(f"{name}: it can't be looked at.", side=Side.LOCAL))
                    size = _UNKNOWN
                found.add(entry.path[0], size)
        found.sort()

    def _list_there(self, folder: Path, found: SortedNames) -> None:
        """Find what is in a folder at the server, by name and size."""
        for entry in self._session.list((*self._url.path, *folder)):
            if (problem := problem_of(entry, (*self._url.path, *folder, *entry.path))) is not None:
                self._failures.add(problem)
                size = _UNKNOWN
            else:
                size = _FOLDER if entry.kind is Kind.DIRECTORY else entry.size
            found.add(entry.path[0], size)
        found.sort()

    # --- the comparison -----------------------------------------------------------------------------------------------

    def _compare(self, pair: _Pair, there: bytes) -> None:
        with at_home(), contextlib.closing(self._here.open(pair.path)) as source:
            digest, size = self._digest(source)
            source.check_unchanged()
        if digest == there:
            self._same += 1
            self._bytes += size
        else:
            self._tell("differs", pair.path)

    def _digest(self, source: Source) -> tuple[bytes, int]:
        digest, buffer, offset = new_digest(self._algorithm), memoryview(bytearray(_BATCH)), 0
        while read := source.readv([buffer], offset):
            digest.update(buffer[:read])
            offset += read
            self._bar(self._bytes + offset, None)
        return digest.digest(), offset

    # --- words --------------------------------------------------------------------------------------------------------

    def _tell(self, what: str, path: Path, size: int = 0) -> None:
        self._tell_line(f"{what}: {self._name(path)}{'/' if size < 0 else ''}")

    def _tell_kinds(self, path: Path, here: int, there: int) -> None:
        kinds = ("a folder here, a file there", "a file here, a folder there")
        self._tell_line(f"kind differs: {self._name(path)} ({kinds[here > there]})")

    def _tell_line(self, text: str) -> None:
        self.differences += 1
        self._bar.clear()
        print_output(f"{text}\n")

    def _name(self, path: Path) -> str:
        return escape(b"/".join(path)) if path else escape(typed(self._here.name))


def _joined(here: SortedNames, there: SortedNames) -> Iterator[tuple[bytes, int, int]]:
    """Each name in order, with its number on both sides; `_MISSING` where one of them has not got it.

    A name that a side has twice, which no honest one has, counts once.
    """
    mine, theirs = _once(here), _once(there)
    one, other = next(mine, None), next(theirs, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None  # for one of them is there
            yield *one, _MISSING
            one = next(mine, None)
        elif one is None or other[0] < one[0]:
            yield other[0], _MISSING, other[1]
            other = next(theirs, None)
        else:
            yield *one, other[1]
            one, other = next(mine, None), next(theirs, None)


def _once(names: SortedNames) -> Iterator[tuple[bytes, int]]:
    last = b""
    for name, number in names:
        if name != last:
            yield name, number
        last = name
