"""Path class of universal_pathlib for files at a server: `upath.UPath("secftp://host/directory/file")` returns one.

universal_pathlib finds this module by its entry point; only it imports upath. Everything that a path does is done by
the file system of `secftp.fsspec.filesystem`.

    from upath import UPath

    data = UPath("secftp://example.org/data", key_file="/home/joe/.secftp.key")
    for path in data.glob("*.csv"):
        print(path.name, path.stat().st_size)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec
from upath import UPath

from secftp.api.arguments import encode_path
from secftp.fsspec.keys import hold_key
from secftp.url import DEFAULT_PORT, Url, format_url

if TYPE_CHECKING:
    from typing import Self

# What upath knows of a protocol before its file system was loaded is a guess, which it keeps.
fsspec.get_filesystem_class("secftp")


class SecftpPath(UPath):  # type: ignore[misc]  # upath need not be installed for checks
    """A path at a server, with the methods of `pathlib.Path`.

    Its text is the URL, so that a program that takes URLs takes it, too. The options that the URL can't name (a key
    file, for example) are in `storage_options`; a key is there without its text, and so it is in a pickle.
    """

    __slots__ = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get("key") is not None:
            options["key"] = hold_key(options["key"])  # which paths keep, compare and pickle
        super().__init__(*args, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        make, (kind, args, options) = super().__reduce__()
        if self._relative_base is None and "::" in args[0] and options.get("host"):
            args = (str(self),)  # the name would be taken for a chain of URLs
        return make, (kind, args, options)

    def __str__(self) -> str:
        options = self._chain.current.storage_options
        if self._relative_base is not None or not options.get("host"):
            return str(super().__str__())
        path = tuple(part for part in encode_path(self._chain.active_path).split(b"/") if part)
        port = int(options.get("port", DEFAULT_PORT))
        top = format_url(Url(options["host"], port, options.get("username", ""), (), trailing_slash=True))
        name = format_url(Url("host", DEFAULT_PORT, "", path, not path)).partition("host/")[2]
        return top + name.replace("::", "%3A%3A")  # which separates the URLs of a chain in fsspec

    def replace(self, target: Any) -> Self:
        """Rename this file or directory as `rename` does, which replaces a file atomically, and return the new path."""
        renamed: Self = self.rename(target)
        return renamed

    def rmdir(self, recursive: bool = True) -> None:  # noqa: FBT001, FBT002 - upath's
        """Remove this directory, by default with everything in it, as every path of universal_pathlib."""
        if recursive:
            super().rmdir()
        else:
            self.fs.rmdir(self.path)
