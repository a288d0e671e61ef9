"""Trees at the server, listed a folder at a time, some of them ahead of what is being fetched.

A folder's entries are used once all of them are here, so that a listing that was broken off can be asked for again;
what waits to be used is kept packed if it is much, so that a folder with a million names takes some megabytes. Folders
are gone through depth first, which keeps the number of those begun small. A folder is complete when everything in it
is.

Every name is the server's word: one that is no single name ends the session, and what the store does not take fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import ProtocolError
from secftp.session.listings import MemoryBudget, PackedEntries, entry_cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.copy.places import Place
    from secftp.messages import Listed
    from secftp.storage import Path

MOST_BYTES: Final = 32 << 20  # of the entries that wait in all folders, packed: two million with names of some length


class Folder:
    """A folder that is being copied. `remote`: at the server; `local`: beneath the target; `name`: for people.

    `below`: beneath the source that was named, for the globs. `waiting` counts what is missing until it is complete.
    `sets`: whether it gets the server's permissions and time then.
    """

    __slots__ = (
        "_entries", "below", "budget", "local", "mode", "mtime_ns", "name", "parent", "remote", "sets", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        remote: Path,
        local: Path,
        name: bytes,
        *,
        below: Path = (),
        parent: Folder | None = None,
        budget: MemoryBudget | None = None,
    ) -> None:
        self.remote = remote
        self.local = local
        self.name = name
        self.below = below
        self.parent = parent
        self.mode = 0
        self.mtime_ns = 0
        self.sets = False
        self.waiting = 0
        self.budget = budget or MemoryBudget(MOST_BYTES)  # the same in all folders of a walk
        self._entries = PackedEntries(self.budget)

    def child(self, listed: Listed) -> Folder:
        """A folder in it."""
        last = listed.path[0]
        folder = Folder(
            (*self.remote, last),
            (*self.local, last),
            self.name_of(last),
            below=(*self.below, last),
            parent=self,
            budget=self.budget,
        )
        folder.mode, folder.mtime_ns, folder.sets = listed.mode, listed.mtime_ns, True
        return folder

    def name_of(self, last: bytes) -> bytes:
        """What people call something in it."""
        return b"%b/%b" % (self.name, last) if self.name else last

    def keep_in(self, budget: MemoryBudget) -> None:
        """Share this budget, before there is anything in it."""
        self.budget = budget
        self._entries = PackedEntries(budget)

    # --- its entries --------------------------------------------------------------------------------------------------

    def add(self, entries: tuple[Listed, ...]) -> None:
        """Keep a part of its listing. Raises `ProtocolError` for one that is not of this folder's own entries.

        Raises `TooLarge` for more than can be kept.
        """
        for entry in entries:
            if len(entry.path) != 1:
                raise ProtocolError("A listing holds what was not asked for.")
            self._entries.append(entry, entry_cost(entry))

    def forget(self) -> None:
        """Throw away what was kept: the listing starts again, or is of no use."""
        self._entries.clear()

    def entries(self) -> Iterator[Listed]:
        """Its entries, each once; they are forgotten as they are used."""
        return iter(self._entries)


class Item:
    """A file that is to be fetched into a folder. `size`, `mtime_ns` and `mode` are what the listing said.

    `place` is set if the user named it himself. `kept`, `told` and `resume`: as of a `Step`.
    """

    __slots__ = ("folder", "kept", "last", "mode", "mtime_ns", "place", "resume", "size", "told")

    def __init__(
        self, folder: Folder, last: bytes, size: int, mtime_ns: int, mode: int, place: Place | None = None
    ) -> None:
        self.folder = folder
        self.last = last
        self.size = size
        self.mtime_ns = mtime_ns
        self.mode = mode
        self.place = place
        self.resume: bool | None = None
        self.kept: int | None = None
        self.told = 0

    @property
    def name(self) -> bytes:
        """For people: hostile until it is escaped."""
        return self.folder.name_of(self.last)

    @property
    def remote(self) -> Path:
        """At the server."""
        return (*self.folder.remote, self.last)

    @property
    def local(self) -> Path:
        """Beneath the target."""
        return (*self.folder.local, self.last)
