"""What a copy to a server does one after the other: make a folder, send a file, set a folder's times.

The steps come out of the walk through the sources as they are needed, so there are never more of them than are being
worked on. A step that was not confirmed when a connection was lost is done again over the next one.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from secftp.errors import FileError
from secftp.messages.limits import MAX_COMPONENTS, MAX_PATH
from secftp.storage.attributes import file_info
from secftp.storage.errors import translated
from secftp.storage.tree import EntryKind, LocalFile, LocalTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.copy.globs import Globs
    from secftp.session.replies import SingleReply
    from secftp.storage import FileInfo, Path

Files: TypeAlias = LocalTree | LocalFile


class Goal(NamedTuple):
    """A source as it was named, and the name that it gets at the server; `name` is what people call it."""

    source: str
    target: Path
    name: bytes
    makes_top: bool = True


class Origin:
    """A source that was named: where its files are read, where they go, and what they are called for people.

    `makes_top`: whether the top of a tree is made too, and gets the source's permissions and time.
    """

    __slots__ = ("files", "makes_top", "name", "target")

    def __init__(self, files: Files, target: Path, name: bytes, *, makes_top: bool = True) -> None:
        self.files = files
        self.target = target
        self.name = name
        self.makes_top = makes_top


class Step:
    """One thing to do. `path`: below its origin; `folder`: the step that made the folder it is in.

    Of a file: `counted` is the size that the plan has it with (None: not at all), `kept` what a partial held when it
    was first begun (None before that), `told` how far the listener knows it to be. `resume`: whether to look for a
    partial, None for as the options say. `there` and `partial` are what the server says of the file and of its partial,
    when it has been asked. `is_noted`: what can't be kept of it has been counted. Of a folder: `is_taken` says that it
    was there before and is left as it is.

    `sender` is the `Sending` that asked for a folder; over a new connection it is asked for again before anything is
    put into it. `may_be_there`: it was sent, and the connection was lost before the answer came.
    """

    __slots__ = (
        "counted", "folder", "info", "is_noted", "is_taken", "kept", "may_be_there", "origin", "partial", "path",
        "problem", "resume", "sender", "there", "told", "what",
    )  # fmt: skip

    def __init__(
        self,
        what: EntryKind,
        origin: Origin,
        path: Path,
        info: FileInfo | None = None,
        problem: FileError | None = None,
        folder: Step | None = None,
    ) -> None:
        self.what = what
        self.origin = origin
        self.path = path
        self.info = info
        self.problem = problem
        self.folder = folder
        self.counted: int | None = None
        self.is_noted = False
        self.is_taken = False
        self.sender: object = None
        self.may_be_there = False
        self.resume: bool | None = None
        self.kept: int | None = None
        self.told = 0
        self.there: SingleReply | None = None
        self.partial: SingleReply | None = None

    @property
    def name(self) -> bytes:
        """For people: hostile until it is escaped."""
        top = self.origin.name
        return b"/".join((top, *self.path) if top else self.path) or b"."

    @property
    def remote(self) -> Path:
        """At the server."""
        return (*self.origin.target, *self.path)


def steps_of(goal: Goal, globs: Globs, *, follow: bool, sizes: bool) -> Iterator[Step]:
    """The steps of one source, which is looked at now; links in its name are followed. `sizes`: files have `info`."""
    try:
        with translated(goal.source):
            status = os.stat(goal.source)
    except FileError as problem:
        origin = Origin(LocalFile(goal.source), goal.target, goal.name or os.fsencode(goal.source))
        yield Step(EntryKind.PROBLEM, origin, (), None, problem)
        return
    own_name = (goal.name,)
    if not stat.S_ISDIR(status.st_mode):
        if globs.wants_file(own_name):
            origin = Origin(LocalFile(goal.source), goal.target, goal.name)
            yield Step(EntryKind.FILE, origin, (), file_info(status))
    elif not goal.name or globs.wants_folder(own_name):
        yield from _steps_of_tree(goal, globs, follow=follow, sizes=sizes)


def _steps_of_tree(goal: Goal, globs: Globs, *, follow: bool, sizes: bool) -> Iterator[Step]:
    target = goal.target
    tree = LocalTree(
        goal.source,
        follow=follow,
        levels=MAX_COMPONENTS - len(target),
        room=MAX_PATH - 1 - sum(map(len, target)) - len(target),
    )
    origin = Origin(tree, target, goal.name, makes_top=goal.makes_top)
    folder: Step | None = None
    for what, path, info, problem in tree.walk(globs.wants_folder, with_info=sizes):
        if what is EntryKind.FILE:
            if globs.wants_file(path):
                yield Step(what, origin, path, info, None, folder)
        elif what is EntryKind.DIRECTORY:
            folder = Step(what, origin, path, info, None, folder)
            yield folder
        elif what is EntryKind.LEFT:
            yield Step(what, origin, path, info, None, folder)
            folder = folder.folder if folder is not None else None
        else:
            yield Step(what, origin, path, info, problem, folder)
