"""The plan of a sync: what is to be done at the target, decided from the two trees alone.

No file is read and nothing is asked, so a plan can be shown, compared and tested as it is. Its order is the order of
the run: directories, new files, replaced files, renames, attributes, and last of all deletions, files before the
directories that they are in.

Invariants: without `Rules.delete` nothing is deleted; a directory is never replaced by a file or a file by a directory;
what is excluded, and what is neither a file nor a directory, stays on both sides, and so do the directories around it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from secftp.storage.attributes import COARSEST, same_time
from secftp.sync.times import resolution_of
from secftp.sync.tree import Entry, EntryKind, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.storage import Path

    # Whether a file of the target has the contents of the source's; None if that is not known.
    Same: TypeAlias = Callable[[Path, Entry, Entry], bool | None]

PERMISSIONS: Final = 0o777


class Act(enum.StrEnum):
    """What is done about a path at the target. The words are those of `--json`."""

    MAKE_DIRECTORY = "mkdir"
    COPY = "copy"
    REPLACE = "replace"
    RENAME = "rename"
    SET_ATTRIBUTES = "attributes"
    DELETE = "delete"
    REMOVE_DIRECTORY = "rmdir"
    SKIP = "skip"


class Reason(enum.StrEnum):
    """Why a path is skipped; the first words are those of `--json`, `clause` is for people."""

    NEWER = "newer"
    KIND = "kind"
    CASE = "case"
    KEPT = "kept"
    OTHER = "other"
    UNKNOWN = "unknown"

    @property
    def clause(self) -> str:
        """The reason as a clause."""
        return _CLAUSES[self]

    @property
    def is_conflict(self) -> bool:
        """Whether the target is not what the source is and can't be made so: the sync has failed in part."""
        return self in (Reason.KIND, Reason.CASE, Reason.OTHER)


_CLAUSES = {
    Reason.NEWER: "it is newer at the target",
    Reason.KIND: "a file on one side, a directory on the other",
    Reason.CASE: "another name differs only by case, which the target does not distinguish",
    Reason.KEPT: "the directory stays, because it contains names that are excluded or no regular files",
    Reason.UNKNOWN: "its contents could not be compared",
    Reason.OTHER: "the target has something of this name that is neither a file nor a directory, or is excluded",
}


class Action(msgspec.Struct, frozen=True, gc=False):
    """One step. `path` is relative to the tops of both sides.

    `entry`: what the source has, of a deletion what the target has. `there`: what the target has, None for nothing.
    `origin`: of a rename, the path that the file has at the target until then, where `there` is its entry.
    """

    act: Act
    path: Path
    entry: Entry
    there: Entry | None = None
    origin: Path | None = None
    reason: Reason | None = None


class Rules(NamedTuple):
    """What is decided how.

    `delete`: what only the target has is deleted. `force`: newer files are replaced by older ones. `folds`: the target
    does not distinguish upper and lower case. `sets_attributes`: permissions and times are made the source's.
    `bare_directories`: directories without files are made, too.
    """

    delete: bool = False
    force: bool = False
    folds: bool = False
    sets_attributes: bool = True
    bare_directories: bool = True


_COPIED: Final = (EntryKind.FILE, EntryKind.DIRECTORY)
DEFAULT_RULES: Final = Rules()


class Plan(msgspec.Struct):
    """The steps in the order of the run, and what else the comparison has found.

    `same`: files that need not be copied. `only_there`: files of the target that the source lacks, and that stay
    because deletions were not asked for. `target_files`: all files of the target, before the sync. `expired`: the
    directories of the trash that are removed.
    """

    actions: list[Action]
    same: int = 0
    only_there: int = 0
    source_files: int = 0
    target_files: int = 0
    expired: list[Path] = []

    def of(self, *acts: Act) -> Iterator[Action]:
        """Yield the steps of these kinds, in order."""
        return (action for action in self.actions if action.act in acts)

    @property
    def deletions(self) -> int:
        """How many files are deleted."""
        return sum(1 for _ in self.of(Act.DELETE))


def make(source: Tree, target: Tree, rules: Rules = DEFAULT_RULES, same: Same | None = None) -> Plan:
    """Return the plan that makes the target what the source is.

    `same` decides whether a file of both sides has the same contents. It is asked once for each, in order. None: files
    of the same size and time are taken for the same.
    """
    maker = _Maker(source, target, rules, same)
    maker.merge((), ())
    phases = maker.phases
    actions = [action for act in Act if act is not Act.SKIP for action in phases[act]]
    actions += phases[Act.SKIP]
    return Plan(actions, maker.same_files, maker.only_there, source.files, target.files)


class _Maker:
    """The comparison of two trees, directory by directory."""

    def __init__(self, source: Tree, target: Tree, rules: Rules, same: Same | None) -> None:
        self.phases: dict[Act, list[Action]] = {act: [] for act in Act}
        self.same_files = 0
        self.only_there = 0
        self._source = source
        self._target = target
        self._rules = rules
        self._same = same
        self._resolutions = (COARSEST, COARSEST)  # of both sides, in the directory that is compared

    def merge(self, directory: Path, twin: Path) -> None:
        """Compare a directory of the source with its twin at the target, which may be missing.

        Their paths are the same, unless the target has the names in another case.
        """
        here, there = self._source.entries(directory), self._target.entries(twin)
        names = _Names(there, folds=self._rules.folds)
        resolutions = (resolution_of(here.values()), resolution_of(there.values()))
        for name, entry in sorted(here.items()):
            self._resolutions = resolutions
            path = (*directory, name)
            if names.is_taken(name):
                self._skip(path, entry, Reason.CASE)
                continue
            known = names.take(name)
            if entry.kind not in _COPIED:
                pass  # neither copied nor a reason to delete what the target has
            elif known is None:
                self._make(path, (*twin, name), entry)
            else:
                self._compare(path, (*twin, known), entry, there[known])
        for name in names.left():
            if self._rules.delete:
                self._delete((*twin, name), there[name])
            else:
                self._count_left((*twin, name), there[name])

    def _compare(self, path: Path, twin: Path, entry: Entry, there: Entry) -> None:
        """Compare what both sides have."""
        if there.kind not in _COPIED:
            self._skip(path, entry, Reason.OTHER, there)
        elif there.kind is not entry.kind:
            self._skip(path, entry, Reason.KIND, there)
        elif entry.kind is EntryKind.FILE:
            self._compare_files(path, entry, there)
        else:
            if self._differ(entry, there):
                self._add(Action(Act.SET_ATTRIBUTES, path, entry, there))
            self.merge(path, twin)

    def _make(self, path: Path, twin: Path, entry: Entry) -> None:
        """Make what the target lacks, with all that is in it."""
        if entry.kind is EntryKind.FILE:
            self._add(Action(Act.COPY, path, entry))
            return
        directories, files = self.phases[Act.MAKE_DIRECTORY], self.phases[Act.COPY]
        before = len(directories), len(files)
        directories.append(Action(Act.MAKE_DIRECTORY, path, entry))
        self.merge(path, twin)
        if not self._rules.bare_directories and len(files) == before[1]:
            del directories[before[0] :]

    def _compare_files(self, path: Path, entry: Entry, there: Entry) -> None:
        is_same = self._is_same(path, entry, there)
        if is_same is None:
            self._skip(path, entry, Reason.UNKNOWN, there)
        elif is_same:
            self.same_files += 1
            if self._differ(entry, there):
                self._add(Action(Act.SET_ATTRIBUTES, path, entry, there))
        elif there.mtime_ns > entry.mtime_ns and not self._rules.force:
            self._skip(path, entry, Reason.NEWER, there)
        else:
            self._add(Action(Act.REPLACE, path, entry, there))

    def _is_same(self, path: Path, entry: Entry, there: Entry) -> bool | None:
        if self._same is not None:
            return self._same(path, entry, there)
        return entry.size == there.size and self._same_time(entry, there)

    def _same_time(self, entry: Entry, there: Entry) -> bool:
        return same_time(entry.mtime_ns, there.mtime_ns, *self._resolutions)

    def _differ(self, entry: Entry, there: Entry) -> bool:
        """Return whether permissions or times are not the same."""
        if not self._rules.sets_attributes:
            return False
        return bool((entry.mode ^ there.mode) & PERMISSIONS) or not self._same_time(entry, there)

    # --- what the source lacks ----------------------------------------------------------------------------------------

    def _delete(self, path: Path, there: Entry) -> bool:
        """Delete what only the target has; return whether nothing of it stays."""
        if there.kind is EntryKind.FILE:
            self._add(Action(Act.DELETE, path, there, there))
            return True
        if there.kind is not EntryKind.DIRECTORY:
            return False
        is_gone = True
        for name, entry in sorted(self._target.entries(path).items()):
            is_gone = self._delete((*path, name), entry) and is_gone
        if is_gone:
            self._add(Action(Act.REMOVE_DIRECTORY, path, there, there))
        else:
            self._skip(path, there, Reason.KEPT, there)
        return is_gone

    def _count_left(self, path: Path, there: Entry) -> None:
        if there.kind is EntryKind.FILE:
            self.only_there += 1
        elif there.kind is EntryKind.DIRECTORY:
            for name, entry in self._target.entries(path).items():
                self._count_left((*path, name), entry)

    def _skip(self, path: Path, entry: Entry, reason: Reason, there: Entry | None = None) -> None:
        self._add(Action(Act.SKIP, path, entry, there, None, reason))

    def _add(self, action: Action) -> None:
        self.phases[action.act].append(action)


class _Names:
    """The names of a directory of the target, each of which one name of the source takes.

    `folds`: names that differ only by case are the same.
    """

    def __init__(self, entries: Iterable[bytes], *, folds: bool) -> None:
        self._key: Callable[[bytes], bytes | str] = folded if folds else bytes
        self._left = {self._key(name): name for name in entries}
        self._taken: set[bytes | str] = set()

    def is_taken(self, name: bytes) -> bool:
        """Return whether another name of the source has taken the same name."""
        return self._key(name) in self._taken

    def take(self, name: bytes) -> bytes | None:
        """Return the target's name for this one, which is not left from then on; None if it has none."""
        key = self._key(name)
        self._taken.add(key)
        return self._left.pop(key, None)

    def left(self) -> list[bytes]:
        """Return the names that no name of the source has taken, in order."""
        return sorted(self._left.values())


def folded(name: bytes) -> str:
    """Return what names that differ only by case have in common."""
    return name.decode("utf-8", "surrogateescape").casefold()
