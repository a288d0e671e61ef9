"""Renamed files: what the target has under another name is renamed there, and not transferred once more.

Of a plan that deletes files and copies new ones, those of equal size are compared by their digests. A file that is
deleted and has the contents of a new one is that file, renamed. A directory that was renamed comes out as renames of
the files in it. Files that replace others stay copies, as do empty files, and what can't be compared.

Invariant: nothing is renamed but files that the plan deletes, each once, and only to names that the plan has as new; so
without deletions there are no renames.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from secftp.errors import FileError
from secftp.protocol import Capability, Right
from secftp.session.operations import checksums
from secftp.storage import new_digest
from secftp.storage.attributes import same_time
from secftp.sync.plan import PERMISSIONS, Act, Action

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from secftp.protocol import Algorithm
    from secftp.session import Session
    from secftp.storage import Path, Source
    from secftp.sync.plan import Plan

    _Key: TypeAlias = Callable[[Action], Hashable]

_BUFFER_BYTES = 1 << 20


class Candidates(NamedTuple):
    """The files of both sides whose digests decide what is renamed."""

    source: list[Path]
    target: list[Path]


class Digests(Protocol):
    """What is known of the contents of files; None of a file of which nothing is."""

    def of_source(self, path: Path) -> bytes | None:
        """Return the digest of a file of the source."""
        ...

    def of_target(self, path: Path) -> bytes | None:
        """Return the digest of a file of the target."""
        ...


def candidates(plan: Plan) -> Candidates:
    """Return the new files that may be renamed ones, and the deleted files that may be these: those of equal size."""
    new, deleted = (
        {action.entry.size for action in plan.of(act) if action.entry.size} for act in (Act.COPY, Act.DELETE)
    )
    sizes = new & deleted
    source, target = (
        [action.path for action in plan.of(act) if action.entry.size in sizes] for act in (Act.COPY, Act.DELETE)
    )
    return Candidates(source, target)


def find(plan: Plan, digests: Digests, *, sets_attributes: bool = True) -> Plan:
    """Return the plan with renames for copies of what it deletes.

    `sets_attributes`: a renamed file gets the permissions and the time of the source, where it has others.
    """
    renamed = list(_renames(plan, digests))
    if not renamed:
        return plan
    replaced = {(Act.COPY, action.path) for action in renamed} | {(Act.DELETE, action.origin) for action in renamed}
    actions = [action for action in plan.actions if (action.act, action.path) not in replaced]
    actions += renamed
    if sets_attributes:
        actions += (
            Action(Act.SET_ATTRIBUTES, each.path, each.entry, each.there) for each in renamed if _has_others(each)
        )
    order = {act: number for number, act in enumerate(Act)}
    plan.actions = sorted(actions, key=lambda action: order[action.act])
    return plan


def _renames(plan: Plan, digests: Digests) -> Iterator[Action]:
    """Yield a rename for each new file that has a deleted one of its own with the same contents."""
    asked = candidates(plan)
    wanted = _by_contents(plan.of(Act.COPY), asked.source, digests.of_source)
    there = _by_contents(plan.of(Act.DELETE), asked.target, digests.of_target)
    for contents, new in wanted.items():
        for copy, deleted in _pairs(new, there.get(contents, [])):
            yield Action(Act.RENAME, copy.path, copy.entry, deleted.entry, deleted.path)


def _by_contents(
    actions: Iterable[Action], asked: Sequence[Path], digest_of: Callable[[Path], bytes | None]
) -> dict[tuple[int, bytes], list[Action]]:
    paths, found = set(asked), dict[tuple[int, bytes], list[Action]]()
    for action in actions:
        digest = digest_of(action.path) if action.path in paths else None
        if digest is not None:
            found.setdefault((action.entry.size, digest), []).append(action)
    return found


def _pairs(new: list[Action], deleted: list[Action]) -> Iterator[tuple[Action, Action]]:
    """Yield each new file with a deleted one: with that of the same name and time first, then with any."""
    for key in _KEYS:
        left: dict[Hashable, list[Action]] = {}
        for action in reversed(deleted):
            left.setdefault(key(action), []).append(action)
        paired = [(action, same.pop()) for action in new if (same := left.get(key(action)))]
        yield from paired
        taken = {id(action) for pair in paired for action in pair}
        new, deleted = ([action for action in each if id(action) not in taken] for each in (new, deleted))


_KEYS: tuple[_Key, ...] = (
    lambda action: (action.path[-1], action.entry.mtime_ns),
    lambda action: action.entry.mtime_ns,
    lambda action: action.path[-1],
    lambda _: None,
)


def _has_others(action: Action) -> bool:
    """Return whether a renamed file has other permissions, or another time, than the source."""
    entry, there = action.entry, action.there
    assert there is not None  # it is renamed
    return bool((entry.mode ^ there.mode) & PERMISSIONS) or not same_time(entry.mtime_ns, there.mtime_ns)


# --- digests ----------------------------------------------------------------------------------------------------------


def is_possible(session: Session, *, sends: bool) -> bool:
    """Return whether files can be compared with those of the server, and be renamed, if the target is there."""
    if not session.can(Capability.SUM) or not session.may(Right.READ):
        return False
    return not sends or (session.can(Capability.CHANGE) and session.may(Right.WRITE) and session.may(Right.DELETE))


class RenameDigests:
    """The digests of candidates: the server computes its own while this machine does.

    `open_local` opens a file of this machine by its path, `remote` is the directory at the server; `sends`: it is the
    target. What is known is kept if the connection is lost. Of a file that can't be read nothing is known.
    """

    def __init__(
        self, open_local: Callable[[Path], Source], remote: Path, algorithm: Algorithm, *, sends: bool
    ) -> None:
        self._open = open_local
        self._remote = remote
        self._algorithm = algorithm
        self._sends = sends
        self._here: dict[Path, bytes | None] = {}
        self._there: dict[Path, bytes | None] = {}

    def ask(self, session: Session, files: Candidates) -> None:
        """Compute the digests of files; raises what ends the session."""
        here, there = files if self._sends else reversed(files)
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        left = iter([path for path in here if path not in self._here])
        wanted = ((path, (*self._remote, *path)) for path in there if path not in self._there)
        with session.pipeline.keepalive():
            with contextlib.closing(checksums(session, wanted, self._algorithm)) as found:
                for path, digest in found:
                    self._there[path] = None if isinstance(digest, FileError) else digest
                    if (mine := next(left, None)) is not None:
                        self._here[mine] = self._digest(mine, buffer)
            for mine in left:
                self._here[mine] = self._digest(mine, buffer)

    def of_source(self, path: Path) -> bytes | None:
        """Return the digest of a file of the source."""
        return (self._here if self._sends else self._there).get(path)

    def of_target(self, path: Path) -> bytes | None:
        """Return the digest of a file of the target."""
        return (self._there if self._sends else self._here).get(path)

    def _digest(self, path: Path, buffer: memoryview) -> bytes | None:
        digest, position = new_digest(self._algorithm), 0
        try:
            with self._open(path) as source:
                while read := source.readv([buffer], position):
                    digest.update(buffer[:read])
                    position += read
                source.check_unchanged()
        except FileError:
            return None  # what is wrong with it is told when it is copied
        return digest.digest()
