"""What a copy within a server begins with: each source, and the name of its copy.

By the rules of `cp`: into the target if that is a directory, else to that name; as in a `put`, a slash at its end
creates a directory that is missing. Or by explicit pairs of names. Invariant: no directory is copied into itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from secftp.errors import FileError, Forbidden, IsADirectory, NotADirectory, NotFound, Reason
from secftp.protocol import Kind, no_parent, remote_failure
from secftp.transfer.engine import duplicate_name
from secftp.transfer.remote_tree import RemoteDirectory, RemoteFile
from secftp.transfer.targets import ADD_A_SLASH, RemoteSource, ask_sources, stat_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secftp.protocol import Info
    from secftp.session import Session
    from secftp.session.requested import Requested
    from secftp.storage import Path
    from secftp.transfer.options import RemoteLocation
    from secftp.transfer.progress import Counters

_NAME_A_DIRECTORY: Final = "Name a directory as the target."


class SourceFile(RemoteFile):
    """A source that is, or has to be, a file. `target`: the name of its copy."""

    __slots__ = ("_target",)

    def __init__(self, path: Path, target: Path, info: Info | None = None) -> None:
        parent = RemoteDirectory(path[:-1], (), b"")
        known = (0, 0, 0) if info is None else (info.size, info.mtime_ns, info.mode)
        super().__init__(parent, path[-1], *known)
        self._target = target

    @property
    def local(self) -> Path:
        """Where the copy goes."""
        return self._target


class CopyPlan(Protocol):
    """What is to be copied."""

    @property
    def subject(self) -> Path:
        """The path that a failure of the whole is about."""
        ...

    @property
    def asks(self) -> bool:
        """Whether it asks what is there."""
        ...

    def guess(self) -> tuple[Path, Path] | None:
        """Return the only source and its target, if both are likely to be files; None if they are not."""
        ...

    def guessed(self) -> SourceFile:
        """Return the source that was guessed, and has turned out to be a file."""
        ...

    def ask(self, session: Session) -> None:
        """Ask the server what has to be known; may be called before WELCOME."""
        ...

    def tops(self, session: Session, counters: Counters) -> Iterator[RemoteDirectory | RemoteFile]:
        """Return the sources; one that can't be copied is counted as a failure. Raises what concerns all of them."""
        ...


class CopyLikeCp:
    """A plan by the rules of `cp`; directories are copied only if it is `recursive`."""

    asks: Final = True

    @property
    def subject(self) -> Path:
        """The first source."""
        return self._sources[0].path if self._sources else ()

    def __init__(self, sources: Sequence[RemoteLocation], target: RemoteLocation, *, recursive: bool) -> None:
        self._sources = sources
        self._target = target
        self._recursive = recursive
        self._asked: Sequence[Requested[Info]] = ()
        self._there: Requested[Info] | None = None  # the target
        self._parent: Requested[Info] | None = None
        self._is_file = False  # what the target is

    def use_sources(self, sources: Sequence[RemoteLocation]) -> None:
        """Copy these sources instead; to be called before `ask`."""
        self._sources = sources

    def guess(self) -> tuple[Path, Path] | None:
        """Return what is nearly always meant: a target with a slash at its end is a directory, any other a new name.

        Wherever that is wrong the server refuses it, since a file never replaces a directory.
        """
        (path, is_directory), (target, into) = self._sources[0], self._target
        if len(self._sources) > 1 or is_directory or not path or not target or self._recursive:
            return None
        return path, (*target, path[-1]) if into else target

    def guessed(self) -> SourceFile:
        """Return it with what the server said of it."""
        guess = self.guess()
        assert guess is not None  # else there is nothing to ask for
        path, to = guess
        return SourceFile(path, to, self._asked[0].result())

    def ask(self, session: Session) -> None:
        """Ask what the sources are, what the target is, and whether it has a place."""
        path = self._target.path
        self._asked = ask_sources(session, self._sources)
        self._there = session.begin_stat(path) if path else None
        self._parent = session.begin_stat(path[:-1]) if len(path) > 1 and not self._needs_directory else None

    @property
    def _needs_directory(self) -> bool:
        return self._target.trailing_slash or len(self._sources) > 1

    def tops(self, session: Session, counters: Counters) -> Iterator[RemoteDirectory | RemoteFile]:
        """Raises `NotADirectory` and `NotFound` for a target that can't be used, and creates it if it is missing."""
        sources = stat_sources(session, self._sources, self._asked)
        return self._tops(sources, counters, is_directory=self._is_directory(session))

    def _is_directory(self, session: Session) -> bool:
        """Return whether the sources go into the target."""
        target, kind = self._target, _kind(self._there)
        self._is_file = kind is Kind.FILE
        if kind is Kind.FILE and self._needs_directory:
            raise remote_failure(NotADirectory, target.path, "it is not a directory.", hint=_NAME_A_DIRECTORY)
        if kind is None and not target.trailing_slash:
            if len(self._sources) > 1:
                raise remote_failure(NotFound, target.path, "no such directory on the server.", hint=ADD_A_SLASH)
            if self._parent is not None and _kind(self._parent) is None:
                raise no_parent(target.path)
        if kind is None and self._needs_directory:
            session.make_directory(target.path, parents=True)
        return kind is Kind.DIRECTORY or self._needs_directory

    def _tops(
        self, sources: Iterable[RemoteSource], counters: Counters, *, is_directory: bool
    ) -> Iterator[RemoteDirectory | RemoteFile]:
        taken = set()
        for source in sources:
            name = source.path[-1] if source.path else b""
            to = (*self._target.path, name) if is_directory and name else self._target.path
            problem = source.problem or _why_not(source, to, recursive=self._recursive)
            if problem is None and self._is_file and source.is_directory:
                problem = _onto_a_file(to)
            if problem is None and to in taken:
                problem = duplicate_name(name)
            if problem is not None:
                counters.problem(name or b"/", problem)
                continue
            taken.add(to)
            yield _top(source, to)


class CopyPairs:
    """A plan of explicit pairs: each source with the name of its copy.

    Files alone, or with `trees` directories alone, each of which becomes the directory of its target's name, which may
    exist.
    """

    def __init__(self, pairs: Iterable[tuple[Path, Path]], *, trees: bool = False) -> None:
        self._pairs = list(pairs)
        self.asks: Final = trees
        self._asked: Sequence[Requested[Info]] = ()
        self._parents: Sequence[Requested[Info]] = ()

    @property
    def subject(self) -> Path:
        """The first source."""
        return self._pairs[0][0] if self._pairs else ()

    def guess(self) -> None:
        """Return None: files are known, and trees are none."""
        return

    def guessed(self) -> SourceFile:
        """Not called."""
        raise NotImplementedError

    def ask(self, session: Session) -> None:
        """Ask what the trees are, and whether their copies have a place."""
        if self.asks:
            self._asked = [session.begin_stat(source) for source, _ in self._pairs]
            self._parents = [session.begin_stat(target[:-1]) for _, target in self._pairs]

    def tops(self, session: Session, counters: Counters) -> Iterator[RemoteDirectory | RemoteFile]:  # noqa: ARG002 - of the protocol
        """Return the sources; nothing concerns all of them."""
        if not self.asks:
            return (SourceFile(*pair) for pair in self._pairs)
        # All replies first: if the connection is lost before the last of them, everything is asked again.
        sources = [_tree(*each) for each in zip(self._pairs, self._asked, self._parents, strict=True)]
        return self._tops(sources, counters)

    def _tops(self, sources: Iterable[RemoteSource], counters: Counters) -> Iterator[RemoteDirectory | RemoteFile]:
        for source, (_, to) in zip(sources, self._pairs, strict=True):
            problem = source.problem or _why_not(source, to, recursive=True)
            if problem is None:
                yield _top(source, to)
            else:
                counters.problem(source.path[-1], problem)


def _tree(pair: tuple[Path, Path], asked: Requested[Info], parent: Requested[Info]) -> RemoteSource:
    """Return the source of a pair, which has to be a directory, and whose copy needs a place."""
    path, to = pair
    try:
        info = asked.result()
        if info.kind is not Kind.DIRECTORY:
            problem: FileError = remote_failure(NotADirectory, path, "it is a file.", hint="Use copy for a file.")
            return RemoteSource(path, None, problem)
        if _kind(parent) is None:
            return RemoteSource(path, None, no_parent(to))
    except FileError as failure:
        return RemoteSource(path, None, failure)
    return RemoteSource(path, info)


def _why_not(source: RemoteSource, to: Path, *, recursive: bool) -> FileError | None:
    """Return what is wrong with a source that exists; None if it can be copied to that name."""
    path = source.path
    if not source.is_directory:
        return None
    if not recursive:
        return remote_failure(
            IsADirectory, path or "/", "it is a directory.", hint="Use -r to copy a directory and its contents."
        )
    if to[: len(path)] == path:
        return remote_failure(
            Forbidden,
            path or "/",
            "a directory can't be copied into itself.",
            hint="Choose a target that is not beneath it.",
            reason=Reason.INTO_ITSELF,
        )
    return None


def _onto_a_file(to: Path) -> NotADirectory:
    return remote_failure(
        NotADirectory, to, "it is a file, so a directory can't be copied to it.", hint="Choose another name."
    )


def _top(source: RemoteSource, to: Path) -> RemoteDirectory | RemoteFile:
    info = source.info
    assert info is not None  # else there is a problem
    if info.kind is not Kind.DIRECTORY:
        return SourceFile(source.path, to, info)
    directory = RemoteDirectory(source.path, to, source.path[-1])
    directory.mode, directory.mtime_ns, directory.sets_attributes = info.mode, info.mtime_ns, True
    return directory


def _kind(asked: Requested[Info] | None) -> Kind | None:
    """Return what a name is, None for nothing; what was not asked about is the served directory."""
    if asked is None:
        return Kind.DIRECTORY
    try:
        return asked.result().kind
    except NotFound:
        return None
