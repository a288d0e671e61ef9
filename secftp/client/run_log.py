"""The log of `--log FILE`: a line with the result of each run, for cron jobs.

A line has the time of the end (ISO 8601, with the offset from UTC), the command, the URL (`-` if there is none), and
then key=value: exit, what was counted, seconds, and the sentence of a failure in quotes. Line breaks and controls are
escaped, and in quotes the quote itself.

Invariants: a line is appended in one write, so that runs at the same time don't mix theirs; a file that can't be
written is an error before the command begins; no word of the command line is written, since it may be a key, only what
was parsed: the name of a command, and URLs. The file is opened anew at the end: it may have been rotated meanwhile.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any, Final

from secftp.errors import FileError, Forbidden, InputOutputError, IsADirectory, NoSpace, NotFound, Side, UsageError
from secftp.text import escape, shorten, show_local
from secftp.url import Endpoint, Url, format_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from secftp.json_lines import Value

MODE: Final = 0o600  # names of files are private
LONGEST_SENTENCE: Final = 1000
# O_NONBLOCK: a pipe without a reader must not block.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS: Final = {
    errno.EACCES: Forbidden,
    errno.EPERM: Forbidden,
    errno.EROFS: Forbidden,
    errno.ENOENT: NotFound,
    errno.EISDIR: IsADirectory,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
}


class RunLog:
    """The log of one run, of a `command` (empty: unknown). Raises `FileError` or `UsageError` if it can't be opened."""

    def __init__(self, path: str, command: str) -> None:
        if not path or path == "-":
            raise UsageError("--log requires the name of a file.", hint="For example --log backup.log.")
        self._path = path
        self._command = command or "-"
        self._where = "-"
        self._urls = 0
        self._began = time.monotonic()
        os.close(self._open())

    def names(self, options: Any) -> None:
        """Note which files at a server the parsed options name: the URL of the target, or else the first one."""
        found = list(_urls(options)) if isinstance(options, tuple) else []
        target = getattr(options, "target", None)
        if not found:
            found = list(_positional(options))
        if found:
            self._where = escape(format_url(target if isinstance(target, Url) else found[0]))
            self._urls = len(found)

    def write(self, code: int, counts: Mapping[str, Value], sentence: str) -> None:
        """Append the line. `counts` as in `Terminal.counts`; `sentence`: of a failure, escaped. Raises `FileError`."""
        data = self._line(code, counts, sentence).encode("utf-8", "backslashreplace")
        descriptor = self._open()
        try:
            written = os.write(descriptor, data)
        except OSError as error:
            raise self._failure(error) from None
        finally:
            os.close(descriptor)
        if written != len(data):
            raise self._failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _line(self, code: int, counts: Mapping[str, Value], sentence: str) -> str:
        zone = time.strftime("%z")
        words = [f"{time.strftime('%Y-%m-%dT%H:%M:%S')}{zone[:3]}:{zone[3:]}", self._command, self._where]
        words.append(f"exit={int(code)}")
        if self._urls > 1:
            words.append(f"urls={self._urls}")
        words += _words(counts)
        words.append(f"seconds={time.monotonic() - self._began:.1f}")
        if sentence:
            quoted = shorten(sentence, LONGEST_SENTENCE).replace('"', r"\"")
            words.append(f'error="{quoted}"')
        return " ".join(words) + "\n"

    def _open(self) -> int:
        try:
            return os.open(self._path, _FLAGS, MODE)
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> FileError:
        kind = _KINDS.get(error.errno or 0, InputOutputError)
        reason = (error.strerror or type(error).__name__).lower()
        sentence = f"The log {show_local(self._path)} can't be written: {reason}."
        return kind(sentence, filename=self._path, side=Side.LOCAL)


def _urls(value: Any) -> Iterator[Url]:
    """Yield the URLs in the parsed options of a command, and nothing else of them."""
    if isinstance(value, Url):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _urls(each)


def _positional(options: Any) -> Iterator[Url]:
    """Yield the URL that stands for the arguments of `read` and `write`."""
    name, endpoint = getattr(options, "filename", None), getattr(getattr(options, "connection", None), "endpoint", None)
    if isinstance(name, str) and isinstance(endpoint, Endpoint):
        yield Url(endpoint.host, endpoint.port, endpoint.name, tuple(os.fsencode(name).split(b"/")), False)


def _words(counts: Mapping[str, Value]) -> Iterator[str]:
    """Yield key=value for what is known."""
    for key, value in counts.items():
        if key == "checksum" and value is not None:
            yield f"checksum={counts.get('algorithm')}:{value}"
        elif key != "algorithm" and value is not None:
            yield f"{key}={escape(str(value))}"
