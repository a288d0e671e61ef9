"""Comparison of a local file or directory with one at a server, by names and by checksums of contents.

Each side computes the checksums of its own files, both at the same time. Directories are compared one by one, so memory
holds the names of one directory and those of the pending directories, never a whole tree. Other kinds of files are
ignored, locally as at the server.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import time
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from secftp.client.connect import checked_kind, stat_and_list
from secftp.client.left_out import OTHERS, Others
from secftp.client.local_digests import LocalDigests
from secftp.client.local_io import local_errors
from secftp.client.terminal import print_output
from secftp.errors import FileError, IsADirectory, NotFound, Side
from secftp.protocol import Algorithm, Kind, problem_of
from secftp.session.list_ahead import ListingsAhead, depth_first
from secftp.session.listings import MemoryBudget, PackedNames, SortedNames
from secftp.session.operations import checksums
from secftp.storage import LocalStore, open_local_source
from secftp.text import count_files, format_size, path_text, show_digest, show_local, show_path
from secftp.transfer.targets import last_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from secftp.client.failures import Failures
    from secftp.client.request_progress import RequestProgress
    from secftp.session import Session
    from secftp.storage import Path, Source
    from secftp.transfer.results import Results
    from secftp.url import Url

_DIRECTORY: Final = -1  # in place of a size
_UNKNOWN: Final = -2  # its status could not be determined
_MISSING: Final = -3
# Up to this size contents are compared although sizes differ: files of sysfs claim the size of a page.
_PAGE: Final = 1 << 16


class LocalSide:
    """The local side: a file or a directory."""

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
        """Return the size of the file, 0 if it is unknown; negative for a directory."""
        return _DIRECTORY if self._source is None else self._source.info.size or 0

    def open(self, path: Path) -> Source:
        """Open a file below it; `()` is itself."""
        if self.store is None:
            assert self._source is not None  # one of the two is there
            return self._source
        return self.store.open_source(path)

    def close(self) -> None:
        """Close what is open."""
        for held in (self.store, self._source):
            if held is not None:
                held.close()


@contextlib.contextmanager
def open_local(name: str) -> Iterator[LocalSide]:
    """Open the local side. Raises what storage raises."""
    with local_errors():
        local = LocalSide(name)
    with contextlib.closing(local):
        yield local


class Comparison:
    """One comparison and its results; `found`: how many names were compared, equal or not.

    `is_in_shard`: which files are compared; a directory that only one side has is a difference in every shard.
    `results` receives a line for each.
    """

    results: Results | None = None

    def __init__(
        self, session: Session, url: Url, local: LocalSide, checksum: str, failures: Failures, progress: RequestProgress
    ) -> None:
        self.differences = 0
        self._same = 0
        self._bytes = 0
        self._digest: bytes | None = None  # of the only file
        self._url = url
        self._algorithm = Algorithm(checksum)
        self._session = session
        self._local = local
        self._failures = failures
        self._budget = MemoryBudget()
        self._progress = progress
        self._digests = LocalDigests(local.open, self._algorithm)
        self._listings = ListingsAhead(session.pipeline, others=True)
        self.others = Others()  # on either side
        self.is_in_shard: Callable[[Path], bool] | None = None
        self._began: deque[float] = deque()  # when each file that is being hashed was taken up

    def run(self) -> None:
        """Compare everything. Raises errors about the two ends themselves."""
        with self._digests, contextlib.closing(self._listings):
            if self._local.size < 0:
                self._run_directory()
            else:
                self._run_file()

    def _run_directory(self) -> None:
        info, listing = stat_and_list(self._session, self._url, others=True)
        if info.kind is not Kind.DIRECTORY:
            listing.drop()
            self._print_kinds((), _DIRECTORY, info.size)
            return
        self._listings.adopt(listing)
        top: Path = ()
        files = ((path, (*self._url.path, *path)) for path in self._hashed(depth_first(top, self._enter, self)))
        for path, outcome in checksums(self._session, files, self._algorithm):
            self._compare(path, outcome)

    def _run_file(self) -> None:
        """Compare one file; its checksum is requested together with its size, and is of no use if that differs."""
        session, url, here = self._session, self._url, self._local.size
        if not self._is_wanted((last_name(self._local.name),)):
            return
        asked = session.begin_stat(url.path)
        requested = session.begin_checksum(url.path, self._algorithm) if url.path else None
        info = checked_kind(url, asked.result())
        if info.kind is Kind.DIRECTORY or requested is None:
            self._print_kinds((), here, _DIRECTORY)
        elif self._differ_by_size((), here, info.size):
            requested.cancel()
            self._print("differs", (), here)
        else:
            self._hash(())
            try:
                outcome: bytes | FileError = requested.result().digest or b""
            except FileError as problem:
                outcome = problem
            self._compare((), outcome)

    def _hashed(self, paths: Iterator[Path]) -> Iterator[Path]:
        """Yield the paths, with their files being hashed here from then on."""
        for path in paths:
            self._hash(path)
            yield path

    def _hash(self, path: Path) -> None:
        self._began.append(time.monotonic())
        self._digests.add(path)

    def has_room(self, *, soon: bool) -> bool:
        """Whether another directory may be requested before its turn."""
        return self._listings.has_room(soon=soon)

    def request(self, directory: Path, /) -> None:
        """Request the listing of a directory that will be compared."""
        self._listings.request((*self._url.path, *directory))

    @property
    def found(self) -> int:
        """Return how many names were compared."""
        return self._same + self.differences

    def conclusion(self, failures: int) -> str:
        """Return the results as a line."""
        how = "" if self._digest is None else f", {show_digest(self._algorithm, self._digest)}"
        same = f"{count_files(self._same)} the same ({format_size(self._bytes)}{how})"
        if not self.differences and not failures:
            return f"No difference: {same}."
        return f"{self.differences} {'difference' if self.differences == 1 else 'differences'}, {same}."

    # --- which files to compare ---------------------------------------------------------------------------------------

    def _enter(self, directory: Path) -> Generator[Path, None, Iterator[Path]]:
        """Yield the files of a directory that both sides have; return its subdirectories that both have."""
        below: Iterator[bytes] = iter(())
        with self._collected(directory) if directory else contextlib.nullcontext():
            below = iter((yield from self._common_files(directory)))
        return ((*directory, name) for name in below)

    def _common_files(self, directory: Path) -> Generator[Path, None, PackedNames]:
        """Yield the files of a directory that both sides have; return the names of its common subdirectories.

        What only one side has is printed. What could not be examined has been reported, and is not called missing.
        """
        here, there, both = SortedNames(self._budget), SortedNames(self._budget), PackedNames(self._budget)
        try:
            self._list_there(directory, there)
            self._list_here(directory, here)
            for name, mine, other in self._wanted(directory, _joined(here, there)):
                path = (*directory, name)
                if other == _DIRECTORY != mine:
                    self._listings.discard((*self._url.path, *path))  # it was requested in case that it is here, too
                if _UNKNOWN in (mine, other):
                    continue
                if other == _MISSING:
                    self._print("missing there", path, mine)
                elif mine == _MISSING:
                    self._print("missing here", path, other)
                elif (mine < 0) != (other < 0):
                    self._print_kinds(path, mine, other)
                elif mine < 0:
                    both.add(name)
                elif self._differ_by_size(path, mine, other):
                    self._print("differs", path, mine)
                else:
                    yield path
        except BaseException:
            both.clear()
            raise
        finally:
            here.clear()
            there.clear()
        return both

    def _differ_by_size(self, path: Path, mine: int, other: int) -> bool:
        """Return whether the sizes show that a file differs, so that its contents need not be compared.

        A system may claim 0, or a page, for a file of any size (proc, sysfs).
        """
        if mine == other:
            return False
        if mine and other:
            return max(mine, other) > _PAGE
        return other > _PAGE and self._is_empty(path)

    def _is_empty(self, path: Path) -> bool:
        """Return whether a local file is really empty; a file that can't be read is reported when it is compared."""
        try:
            source = self._local.open(path)
        except FileError:
            return False
        if path:
            source.close()
        return source.info.size == 0

    def _list_here(self, directory: Path, found: SortedNames) -> None:
        """Add the names of a local directory, with their sizes."""
        store = self._local.store
        assert store is not None  # only directories are listed
        with local_errors():
            for entry in store.scan(directory, others=True):
                if entry.info is not None and entry.info.kind in OTHERS:
                    if not self._is_wanted((*directory, *entry.path)):
                        continue
                    self.others.add((*directory, *entry.path), entry.info.kind)
                    continue
                if entry.problem is None and entry.info is not None:
                    size = _DIRECTORY if entry.info.kind is Kind.DIRECTORY else entry.info.size or 0
                else:
                    self._fail((*directory, *entry.path), entry.problem or _unknown((*directory, *entry.path)))
                    size = _UNKNOWN
                found.add(entry.path[0], size)
        found.sort()

    def _list_there(self, directory: Path, found: SortedNames) -> None:
        """Add the names of a directory at the server, with their sizes."""
        for entry in self._listings.take((*self._url.path, *directory)):
            if entry.kind in OTHERS:
                assert entry.kind is not None  # it is one of them
                if not self._is_wanted((*directory, *entry.path)):
                    continue
                self.others.add((*directory, *entry.path), entry.kind)
                continue
            if (problem := problem_of(entry, (*self._url.path, *directory, *entry.path))) is not None:
                self._fail((*directory, *entry.path), problem)
                size = _UNKNOWN
            else:
                size = _DIRECTORY if entry.kind is Kind.DIRECTORY else entry.size
            found.add(entry.path[0], size)
        found.sort()

    # --- which of them are wanted -------------------------------------------------------------------------------------

    def _is_wanted(self, path: Path) -> bool:
        """Return whether a file is in the shard."""
        return self.is_in_shard is None or self.is_in_shard(path)

    def _wanted(self, directory: Path, names: Iterator[tuple[bytes, int, int]]) -> Iterator[tuple[bytes, int, int]]:
        """Yield the names without files of other shards, and without the file that the results are written to."""
        for name, mine, other in names:
            path = (*directory, name)
            is_results = self.results is not None and mine >= 0 and self.results.lines.is_at(self._local.name, path)
            if _DIRECTORY in (mine, other) or (self._is_wanted(path) and not is_results):
                yield name, mine, other

    @contextlib.contextmanager
    def _collected(self, path: Path) -> Iterator[None]:
        """A block whose `FileError` is a failure of one name."""
        try:
            yield
        except FileError as problem:
            self._fail(path, problem)

    def _fail(self, path: Path, problem: FileError) -> None:
        if self.results is not None:
            self.results.failed(path, problem)
        self._failures.add(problem)

    # --- the comparison -----------------------------------------------------------------------------------------------

    def _compare(self, path: Path, outcome: bytes | FileError) -> None:
        """Compare the oldest file that is being hashed here with its checksum at the server, or count what is wrong."""
        began = self._began.popleft()
        with self._collected(path or (last_name(self._local.name),)):
            try:
                digest, size = self._digests.take(self._watch)
            except FileError:
                if not isinstance(outcome, FileError):
                    raise
            if isinstance(outcome, FileError):
                raise outcome
            if digest == outcome:
                self._same += 1
                self._digest = None if path else digest
                self._bytes += size
                self._show(self._bytes)
                self._progress.now(path)
                if self.results is not None:
                    self.results.write(path or (last_name(self._local.name),), "verified", size, digest, began)
            else:
                self._print("differs", path, size, began)

    def _watch(self, read: int) -> None:
        """Show how much has been compared; `read`: of the file that is being hashed, which is waited for."""
        self._session.pipeline.flush()
        self._show(self._bytes + read)

    def _show(self, nbytes: int) -> None:
        self._progress.show(self._same, nbytes)

    # --- output -------------------------------------------------------------------------------------------------------

    def _print(self, what: str, path: Path, size: int = 0, began: float | None = None) -> None:
        self._record(what.replace(" ", "_"), path, size, began)
        self._print_line(f"{what}: {self._name(path)}{'/' if size < 0 else ''}")

    def _print_kinds(self, path: Path, here: int, there: int) -> None:
        self._record("kind_differs", path, _DIRECTORY)
        kinds = ("a directory here, a file there", "a file here, a directory there")
        self._print_line(f"kind differs: {self._name(path)} ({kinds[here > there]})")

    def _print_line(self, text: str) -> None:
        self.differences += 1
        self._progress.clear()
        print_output(f"{text}\n")

    def _record(self, result: str, path: Path, size: int, began: float | None = None) -> None:
        if self.results is not None:
            self.results.write(path or (last_name(self._local.name),), result, None if size < 0 else size, None, began)

    def _name(self, path: Path) -> str:
        return show_path(path) if path else show_local(self._local.name)


def _unknown(path: Path) -> NotFound:
    return NotFound(f"{show_path(path)}: its status is unknown.", filename=path_text(path), side=Side.LOCAL)


def _joined(here: SortedNames, there: SortedNames) -> Iterator[tuple[bytes, int, int]]:
    """Yield each name in order, with its size on both sides; `_MISSING` if a side does not have it.

    A name that a side lists twice, which an honest one never does, counts once.
    """
    merged = heapq.merge(
        ((name, 0, size) for name, size in here), ((name, 1, size) for name, size in there), key=itemgetter(0)
    )
    for name, entries in itertools.groupby(merged, key=itemgetter(0)):
        sizes = [_MISSING, _MISSING]
        for _, side, size in entries:
            if sizes[side] == _MISSING:
                sizes[side] = size
        yield name, sizes[0], sizes[1]
