"""REMOVE, RENAME, MKDIR and SETATTR: each one call of the store's, answered by OK.

Rights are asked for before the store is, so that a refusal tells nothing of what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import Forbidden
from secftp.messages import MakeDirectory, Ok, Remove, Rename, SetAttributes
from secftp.server.requests.context import Outcome, name_of
from secftp.server.requests.serve import handles
from secftp.storage.base import ALL_KEPT

if TYPE_CHECKING:
    from secftp.server.requests.context import RequestContext
    from secftp.storage.base import Kept


@handles(Remove)
def remove(desk: RequestContext, request: Remove) -> Outcome:
    """Take away a file or an empty folder."""
    desk.log.line(f"Client requested to remove: {name_of(request.path)}")
    desk.require("delete")
    if desk.repeats.knows(request.token):
        return _done(desk, request.id, "Removed before.")
    try:
        desk.store.remove(request.path, kind=request.kind)
    except Forbidden:
        if not request.tree or len(request.path) < 2 or not desk.filling.begin(request.path[:-1]):  # noqa: PLR2004
            raise
        desk.store.remove(request.path, kind=request.kind)
    desk.repeats.note(request.token)
    desk.filling.end(request.path)
    return _done(desk, request.id, "Removed.")


@handles(Rename)
def rename(desk: RequestContext, request: Rename) -> Outcome:
    """Give another name; the old one is gone and the new one there, so it takes the rights for both."""
    desk.log.line(f"Client requested to rename: {name_of(request.path)} to: {name_of(request.to)}")
    desk.require("write", "delete")
    if desk.repeats.knows(request.token):
        return _done(desk, request.id, "Renamed before.")
    with desk.replacing(wanted=request.overwrite) as overwrite:
        desk.store.rename(request.path, request.to, overwrite=overwrite)
    desk.repeats.note(request.token)
    return _done(desk, request.id, "Renamed.")


@handles(MakeDirectory)
def make_folder(desk: RequestContext, request: MakeDirectory) -> Outcome:
    """Make a folder."""
    desk.log.line(f"Client requested to make folder: {name_of(request.path)}")
    desk.require("write")
    if desk.repeats.knows(request.token):
        return _done(desk, request.id, "Folder made before.")
    if desk.store.make_folder(request.path, parents=request.parents, mode=request.mode):
        desk.made(request.path, is_directory=True)
    if request.fill and desk.rights.overwrite:
        desk.filling.begin(request.path)
    desk.repeats.note(request.token)
    return _done(desk, request.id, "Folder made.")


@handles(SetAttributes)
def set_attributes(desk: RequestContext, request: SetAttributes) -> Outcome:
    """Set permissions and time of what is there, which is to replace a part of it, unless this session has made it.

    What is so already may be asked for once more: a tree is sent again, or an answer was lost. Only a client that may
    look at it is told so.
    """
    desk.log.line(f"Client requested to set attributes: {name_of(request.path)}")
    desk.require("write")
    own = None
    if not desk.rights.overwrite:
        own = desk.written.find(request.path)
        if own is None:
            _require_so(desk, request)
            return _done(desk, request.id, "Attributes are set already.")
    kept = desk.store.set_attributes(request.path, mode=request.mode, mtime_ns=request.mtime_ns, only=own)
    if request.mode is not None:
        desk.filling.end(request.path)
    return _done(desk, request.id, "Attributes set.", kept)


def _require_so(desk: RequestContext, request: SetAttributes) -> None:
    """Raise `Refused` unless a client that may look at it asks for the attributes that are set."""
    may_look = desk.rights.read or desk.rights.list
    if not may_look or not desk.store.has_attributes(request.path, mode=request.mode, mtime_ns=request.mtime_ns):
        desk.require("overwrite")


def _done(desk: RequestContext, request: int, line: str, kept: Kept = ALL_KEPT) -> Outcome:
    desk.channel.send(Ok(id=request, time_changed=not kept.time, mode_changed=not kept.mode))
    desk.log.line(line)
    return Outcome()
