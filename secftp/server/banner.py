"""The sentence of the log that says who gets in. No key is in it, only where it is to be found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secftp.server.access import Access
    from secftp.server.options import ServerOptions


def who_gets_in(options: ServerOptions, access: Access, *, is_shown: bool) -> str:
    """Return the sentence. `is_shown`: the default key was generated, and is in a line before this one."""
    may_write = not options.read_only
    has_default, named = access.keys
    keys = [] if not has_default else [f"the key ({'shown above' if is_shown else 'hidden'})"]
    if named:
        keys.append("the named key" if named == 1 else f"one of {named} named keys")
    who = " or ".join(keys)
    if not options.anonymous and not options.anonymous_write:
        return f"Clients need {who}.{_bounds(options)}"
    if options.anonymous_write and may_write:
        return f"ANYONE may read and write.{_bounds(options)}"
    if not keys or not may_write:
        return "ANYONE may read."
    return f"ANYONE may read. To write, clients need {who}.{_bounds(options)}"


def _bounds(options: ServerOptions) -> str:
    if options.read_only:
        return " They may only read."
    return " They may not replace or remove anything." if options.no_overwrite else ""
