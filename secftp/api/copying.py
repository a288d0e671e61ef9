"""Options, callbacks and failures of `Client.put` and `Client.get`.

A copy continues when one of its files fails. Invariant: it never looks complete then; the failures are raised at its
end, unless the program has given a callback for them.
"""

from __future__ import annotations

import inspect
import os
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias, TypedDict, TypeVar

from secftp.api.arguments import algorithm_for, local_path
from secftp.api.naming import name_error
from secftp.api.values import require_bool, require_callable, require_int, require_number
from secftp.errors import ConnectionLost, ExitCode, FileError, Side, TransferTimeout
from secftp.session.retry import Retries
from secftp.text import path_text
from secftp.transfer import CopyOptions, ProgressListener
from secftp.transfer.options import (
    COMMAND_LINE,
    MAX_LEVEL,
    MAX_STREAMS,
    Shard,
    check_backup,
    check_results,
    check_shard,
)
from secftp.transport.compression import require as require_compression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from secftp.api.arguments import LocalPath
    from secftp.api.naming import Place
    from secftp.api.pool import Pool
    from secftp.transfer import Download, Summary, Upload
    from secftp.transfer.progress import Places as Paths
    from secftp.transfer.remote_copy import RemoteCopy

    OnProgress: TypeAlias = Callable[["CopyProgress"], object]
    OnError: TypeAlias = Callable[[str, FileError], object]
    OnSkip: TypeAlias = Callable[[str, str], object]
    Pattern: TypeAlias = str | bytes

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_OPTIONS: Final = "**options:"  # in a docstring: replaced by the options
_TYPE_NAMES: Final = {
    "Iterable[Pattern]": "iterable of str or bytes",
    "LocalPath | None": "str, bytes or os.PathLike or None",
}
MAX_FAILURES: Final = 1000  # that are kept one by one: a tree has any number of files


# --- options ----------------------------------------------------------------------------------------------------------


# Defaults, meaning and existence of an option are declared in `CopyOptions`; a type checker needs its type, too.
class DownloadOptions(TypedDict, total=False):
    """Types of the options of `get`."""

    include: Iterable[Pattern]
    exclude: Iterable[Pattern]
    overwrite: bool
    update: bool
    force: bool
    resume: bool
    preserve: bool
    dry_run: bool
    limit_rate: int | None
    checksum: str
    backup: str | None
    sparse: bool
    streams: int | None
    compress: bool
    compress_level: int | None
    shard: tuple[int, int] | None
    results: LocalPath | None


class UploadOptions(DownloadOptions, total=False):
    """Types of the options of `put`."""

    follow_symlinks: bool


def copy_options(given: UploadOptions | DownloadOptions, kind: type) -> CopyOptions:
    """Check and convert options.

    Raises `UsageError`, TypeError for an option that this `kind` of copy does not have, and `InstallationError` for
    compression without its library.
    """
    values: dict[str, Any] = {**given}
    for name in values.keys() - kind.__annotations__.keys():
        raise TypeError(f"unexpected keyword argument {name!r}")
    for name in ("include", "exclude"):
        if name in values:
            values[name] = _patterns(name, values[name])
    for name, value in values.items():
        if isinstance(CopyOptions._field_defaults[name], bool):
            require_bool(name, value)
    if (rate := values.get("limit_rate")) is not None:
        require_number("limit_rate", rate, unit="bytes a second")
    for name, most in (("streams", MAX_STREAMS), ("compress_level", MAX_LEVEL)):
        if (number := values.get(name)) is not None:
            values[name] = require_int(name, number, 1, most, shown=f"from 1 to {most}, or None")
    values |= {name: convert(values[name]) for name, convert in _CONVERTED.items() if values.get(name) is not None}
    options = CopyOptions(**values)
    algorithm_for(options.checksum)
    if options.level is not None:
        require_compression()
    return options


def _backup(suffix: object) -> str:
    if not isinstance(suffix, str):
        raise TypeError("backup must be a str, or None")
    return check_backup(suffix)


def _shard(given: object) -> Shard:
    if not isinstance(given, tuple) or len(given) != 2:  # noqa: PLR2004
        raise TypeError("shard must be a tuple of two int, as in (1, 8), or None")
    return check_shard(*(require_int("shard", number, 0) for number in given))


def _results(given: LocalPath) -> str:
    return check_results(local_path(given))


_CONVERTED: Final[dict[str, Callable[[Any], object]]] = {
    "backup": _backup,
    "shard": _shard,
    "results": _results,
}


def shows_options(kind: type) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Return a decorator that has help() show the options in place of `**options`: defaults, types, what they do."""

    def decorate(method: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        signature = inspect.signature(method)
        named = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        options = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=kind.__annotations__[name].__forward_arg__,
            )
            for name, default in CopyOptions()._asdict().items()
            if name in kind.__annotations__
        ]
        method.__signature__ = signature.replace(parameters=[*named, *options])  # type: ignore[attr-defined]
        if method.__doc__ is not None:  # it is with -OO
            method.__doc__ = _with_options(method.__doc__, options)
        return method

    return decorate


def _with_options(text: str, options: list[inspect.Parameter]) -> str:
    """Return a docstring with a description of each option in place of that of `**options`."""
    before, marker, after = text.partition(_OPTIONS)
    _, newline, after = after.partition("\n")
    indent = before.rpartition("\n")[2]
    items = (
        textwrap.fill(_description(option), 120, initial_indent=indent, subsequent_indent=f"{indent}    ")
        for option in options
    )
    return before.removesuffix(indent) + "\n".join(items) + newline + after if marker else text


def _description(option: inspect.Parameter) -> str:
    """Return what `--help` says of an option, of the form of an item of the docstrings."""
    kind = _TYPE_NAMES.get(option.annotation) or option.annotation.replace(" | ", " or ")
    meaning = COMMAND_LINE[option.name].meaning
    meaning = f"If false, {meaning}" if option.default is True else meaning[0].upper() + meaning[1:]
    return f"{option.name} ({kind}, default {option.default!r}): {meaning}."


def _patterns(name: str, patterns: Iterable[Pattern]) -> tuple[bytes, ...]:
    if isinstance(patterns, str | bytes) or not hasattr(patterns, "__iter__"):
        raise TypeError(f"{name} must be a list of patterns")
    return tuple(map(os.fsencode, patterns))


# --- progress and failures --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """The progress of a copy. The totals grow while directories are listed; skipped and failed files are subtracted.

    Attributes:
        path (str): The file that this is about, beginning with the name of the source, decoded as by `os.fsdecode`.
        bytes (int): The bytes copied so far, with those that a resumed file had before.
        total_bytes (int): The bytes to copy.
        files (int): The files that are complete so far.
        total_files (int): The files to copy.

    Example:
        >>> reports = []
        >>> summary = client.put(directory / "photos", "backup", on_progress=reports.append)
        >>> reports[-1].bytes, reports[-1].total_bytes, reports[-1].files
        (2048, 2048, 2)
    """

    path: str
    bytes: int
    total_bytes: int
    files: int
    total_files: int


class CopyIncomplete(FileError):
    """Files of a copy failed, and others were copied.

    Attributes:
        failures (tuple): Pairs of a name and its `FileError`, at most 1000.
        summary (Summary): What was copied; it counts all failures.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, failures: tuple[tuple[str, FileError], ...], summary: Summary) -> None:
        _, first = failures[0]
        super().__init__(f"{summary.failed} could not be copied, {summary.files} were: {first}")
        self._hint = first.hint  # without a note: a traceback shows the first failure, too, with the hint
        self.is_named = True  # it is about several files
        self.args = failures, summary  # for pickle
        self.failures = failures
        self.summary = summary


class CallbackListener(ProgressListener):
    """A listener that calls the callbacks of a program, and keeps the failures if there is no callback for them.

    `places`: the paths at the server that the program gave; `target`: the path on this machine of a download.
    """

    def __init__(
        self,
        on_progress: OnProgress | None,
        on_error: OnError | None,
        on_skip: OnSkip | None,
        places: Sequence[Place] = (),
        target: str | None = None,
    ) -> None:
        self.failures: list[tuple[str, FileError]] = []
        self.done = 0  # grows with each byte that is moved and each file that is complete
        for name, callback in (("on_progress", on_progress), ("on_error", on_error), ("on_skip", on_skip)):
            require_callable(name, callback)
        self._on_progress = on_progress
        self._on_error = on_error
        self._on_skip = on_skip
        self._places = places
        self._target = target
        self._path = b""
        self._bytes = self._total_bytes = self._files = self._total_files = 0

    def planned(self, files: int, nbytes: int, /) -> None:
        """Add to the totals."""
        self._total_files += files
        self._total_bytes += nbytes

    def started(self, name: bytes, _size: int, /) -> None:
        """Keep the name for the progress."""
        self._path = name

    def moved(self, nbytes: int, /) -> None:
        """Report bytes."""
        self.done += max(nbytes, 0)  # bytes of a file that failed are taken back
        self._bytes += nbytes
        self._report()

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """Report bytes that a resumed file had before."""
        self._path = name
        self._bytes += nbytes
        self._report()

    def finished(self, name: bytes, _size: int, _digest: bytes | None, /) -> None:
        """Report a file that is complete."""
        self.done += 1
        self._path = name
        self._files += 1
        self._report()

    def skipped(self, name: bytes, reason: str, /) -> None:
        """Report a name that is skipped."""
        if self._on_skip is not None:
            self._on_skip(os.fsdecode(name), reason)

    def note(self, name: bytes, text: str, /) -> None:
        """Report a symlink, a special file, or a file that is started again."""
        self.skipped(name, text)

    def located(self, error: FileError, places: Paths, /) -> None:
        """Set the file name of a failure to the path at the server, or on this machine."""
        if error.of_target:
            return  # of a copy within the server: it has the path of the copy already
        if error.side is not Side.LOCAL:
            error.filename = path_text(places.remote)
        elif (top := self._target if places.local is None else places.local) is not None:
            error.filename = os.path.join(top, *map(os.fsdecode, places.below)) if places.below else top

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Report a failure, or keep it."""
        name_error(error, self._places)
        if self._on_error is not None:
            self._on_error(os.fsdecode(name), error)
        elif len(self.failures) < MAX_FAILURES:
            self.failures.append((os.fsdecode(name), error))

    def _report(self) -> None:
        if self._on_progress is not None:
            path = os.fsdecode(self._path)
            self._on_progress(CopyProgress(path, self._bytes, self._total_bytes, self._files, self._total_files))


# --- running ----------------------------------------------------------------------------------------------------------


def run(pool: Pool, copy: Upload | Download | RemoteCopy, listener: CallbackListener, retries: int) -> Summary:
    """Run a copy to its end, with so many retries after a lost connection.

    Raises what ends the whole copy, the failure of a copy of one file, and else `CopyIncomplete`.
    """
    retries = require_int("retries", retries, 0)
    copy.open_stream = pool.stream if pool.has_streams else None
    persistence = Retries(retries, progress=lambda: listener.done, possible=lambda: not pool.closed, sleep=pool.pause)
    summary = persistence.run(lambda: _run_once(pool, copy, listener))
    if listener.failures:
        if summary.failed == 1 and not summary.files and not summary.skipped:
            raise listener.failures[0][1]
        raise CopyIncomplete(tuple(listener.failures), summary) from listener.failures[0][1]
    return summary


def _run_once(pool: Pool, copy: Upload | Download | RemoteCopy, listener: CallbackListener) -> Summary:
    """Run a copy over one connection, and over another if that had been lost before."""
    return pool.ask(
        lambda used: copy.run(used.session),
        long=True,
        losses=(ConnectionLost, TransferTimeout),
        repeatable=lambda: not listener.done,
    )
