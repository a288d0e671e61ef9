"""Changes of a target that are no copies: renames, attributes and deletions, each checked before it is made.

A window of them is under way at a time (on this machine one by one): first all are looked at, then those that are still
what the plan has seen are changed. Over another connection, what was not answered is requested again with its token.

Invariant: what has changed since the plan is left alone and told.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from secftp.errors import FileError, NotEmpty, NotFound
from secftp.session import new_token
from secftp.sync.plan import Act, Action
from secftp.sync.tree import EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.storage import Path
    from secftp.sync.targets import Outcome, Target
    from secftp.sync.trash import Trash
    from secftp.sync.tree import Entry

CHANGED: Final = "it has changed since the plan was made, left alone"
GONE: Final = "it is gone since the plan was made"
NOT_EMPTY: Final = "the directory is not empty, left alone"


class ChangeListener(Protocol):
    """What is told of the changes."""

    def done(self, action: Action, trash: Trash | None) -> None:
        """A change was made."""
        ...

    def unset(self, path: Path, error: FileError) -> None:
        """Permissions and a time could not be set."""
        ...

    def changed(self, path: Path, clause: str) -> None:
        """Something is not what the plan has seen, and is left alone."""
        ...

    def failed_at(self, path: Path, error: FileError) -> None:
        """A change has failed."""
        ...


class Changes:
    """Changes that are to be made, in order. `trash`: where deletions go, None to remove at once."""

    def __init__(self, actions: Iterable[Action], listener: ChangeListener, trash: Trash | None = None) -> None:
        self._left = deque(actions)
        self._listener = listener
        self._trash = trash
        self._tokens: dict[Path, bytes] = {}  # of changes that were requested and not answered
        self._not_empty: set[Path] = set()  # the directories above what stays, which has been told

    def run(self, target: Target) -> None:
        """Make them; after a `ConnectionLost` it may be called again with another target."""
        if self._left and self._trash is not None:
            self._trash.open(target)
        while self._left:
            self._run_window(target, list(islice(self._left, target.window)))

    def _run_window(self, target: Target, window: list[Action]) -> None:
        looks = [None if _is_unchecked(action) else target.stat(action.origin or action.path) for action in window]
        clauses = [
            None if look is None else self._check(action, look) for action, look in zip(window, looks, strict=True)
        ]
        directories: list[tuple[Path, Outcome[object]]] = []
        try:
            outcomes = []
            for action, clause in zip(window, clauses, strict=True):
                if clause is None and self._trash is not None:
                    is_directory = action.act is Act.REMOVE_DIRECTORY
                    directories += self._trash.request_directory(
                        target, action.path if is_directory else action.path[:-1]
                    )
                outcomes.append(None if clause is not None else self._request(target, action))
            for action, clause, outcome in zip(window, clauses, outcomes, strict=True):
                self._conclude(action, clause, outcome)
                self._left.popleft()
                self._tokens.pop(action.path, None)
            if self._trash is not None:
                self._trash.settle(directories)
        except BaseException:
            if self._trash is not None:
                self._trash.forget(directories)
            raise

    def _check(self, action: Action, look: Outcome[Entry]) -> str | None:
        """Return why a change is not made; None if it is."""
        try:
            found = look.result()
        except NotFound:
            return None if action.path in self._tokens else GONE  # it may be this change that was not answered
        except FileError as problem:
            return f"it can't be examined: {problem}"
        if action.there is not None and _is_same(found, action.there):
            return None
        was_made = action.act is Act.SET_ATTRIBUTES and action.path in self._tokens and _is_same(found, action.entry)
        return None if was_made else CHANGED

    def _request(self, target: Target, action: Action) -> Outcome[object]:
        token = self._tokens.setdefault(action.path, new_token())
        if action.act is Act.RENAME:
            assert action.origin is not None
            return target.rename(action.origin, action.path, token)
        if action.act is Act.SET_ATTRIBUTES:
            return target.set_attributes(action.path, action.entry.mode, action.entry.mtime_ns)
        if action.act is Act.DELETE and self._trash is not None:
            return target.rename(action.path, self._trash.place_of(action.path), token)
        return target.remove(action.path, is_directory=action.act is Act.REMOVE_DIRECTORY, token=token)

    def _conclude(self, action: Action, clause: str | None, outcome: Outcome[object] | None) -> None:
        if outcome is None:
            if clause != GONE:
                self._stays(action.path)
            self._listener.changed(action.path, clause or CHANGED)
            return
        try:
            outcome.result()
        except NotEmpty:
            if action.path not in self._not_empty:
                self._stays(action.path)
                self._listener.changed(action.path, NOT_EMPTY)
        except FileError as problem:
            if isinstance(problem, NotFound) and not problem.of_target:
                self._listener.changed(action.path, GONE)
                return
            self._stays(action.path)
            if action.act is Act.SET_ATTRIBUTES:
                self._listener.unset(action.path, problem)
            else:
                self._listener.failed_at(action.path, problem)
        else:
            self._listener.done(action, self._trash)

    def _stays(self, path: Path) -> None:
        """Take note that something is still there, so that the directories above it are not told, too."""
        self._not_empty.update(path[:depth] for depth in range(1, len(path)))


def _is_unchecked(action: Action) -> bool:
    """Return whether a change needs no look: only an empty directory can be removed, and attributes are set anyway."""
    return action.entry.kind is EntryKind.DIRECTORY


def _is_same(found: Entry, known: Entry) -> bool:
    """Return whether a file is still the one that was listed."""
    return found.kind is known.kind and found.size == known.size and found.mtime_ns == known.mtime_ns
