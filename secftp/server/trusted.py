"""The one rule for every file that an operator names: clients can't reach it in the directory that is served.

A configuration decides what is served and to whom, keys let clients in, a log tells what they did. A client that may
write could replace such a file, one that may read could fetch it. What must never happen: that an option which names a
file, on the command line, in the configuration or in the file of keys, is left out here.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from secftp.errors import KeyFormatError, UsageError
from secftp.keys import refuse_beneath
from secftp.server.parser import file_options

if TYPE_CHECKING:
    from secftp.server.options import ServerOptions

_WHAT: Final = {"config": "configuration", "keys": "file of keys", "key_file": "key file", "log_file": "log file"}
_KEYS: Final = frozenset({"keys", "key_file"})
_DESCRIPTOR: Final = "/proc/self/fd/{}"


def refuse_trusted(options: ServerOptions) -> None:
    """Raise if an option names a file that clients can reach: KeyFormatError for keys, UsageError for what else."""
    for name in file_options():
        if (path := getattr(options, name)) is not None:
            refuse_file(path, options.root, _WHAT.get(name, name), is_key=name in _KEYS)


def refuse_file(path: str, root: str, what: str, *, is_key: bool = True) -> None:
    """The same for one file; `what` it is."""
    try:
        refuse_beneath(path, root, what)
    except KeyFormatError as problem:
        if is_key:
            raise
        raise UsageError(problem.message, hint=problem.hint) from None


def refuse_descriptor(descriptor: int, root: str) -> None:
    """The same for a key file that was opened for this process. Only before the descriptor is read and closed."""
    if (path := _path_of(descriptor)) is not None:
        refuse_file(path, root, _WHAT["key_file"])


def _path_of(descriptor: int) -> str | None:
    """The name of the regular file that is open there; None for a pipe, or where the system does not tell."""
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.readlink(_DESCRIPTOR.format(descriptor))
    except OSError:
        pass  # one that is not open is an error when the key is read
    return None
