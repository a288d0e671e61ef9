"""What `secftp share` and `secftp receive` show: what the other person types, the key, and who transfers what.

What the other person types goes to standard output. The key goes to standard error, once, and only to a terminal: no
file, pipe or JSON ever has it. Invariant: whatever a client sends is escaped.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol

from secftp.client.progress_bar import CopyBar, CopyCounts
from secftp.client.terminal import STANDARD_ERROR
from secftp.errors import InstallationError, TransferTimeout, UsageError
from secftp.text import count_files, escape, format_duration, format_size, show_path
from secftp.url import Url, format_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.client.handover_options import HandoverSettings
    from secftp.client.terminal import Terminal
    from secftp.json_lines import Value

_REFUSED_SECONDS: Final = 10.0  # between two lines about wrong keys
_NAMES: Final = 5  # of what was received, in a line
_LINES_BESIDE: Final = 3  # of the terminal, that stay visible above and below a QR code: the command, the key, the end
_USUAL_LINES: Final = 24


class Event(Protocol):
    """What the server tells, see `secftp.sharing.tracking.Event`."""

    @property
    def kind(self) -> str:
        """Return what has happened."""

    @property
    def host(self) -> str:
        """Return the address of the client."""

    @property
    def path(self) -> Sequence[bytes]:
        """Return the path of a file."""

    @property
    def files(self) -> int:
        """Return the number of files."""

    @property
    def nbytes(self) -> int:
        """Return their bytes."""


def require_terminal(settings: HandoverSettings, terminal: Terminal) -> None:
    """Set up the terminal. Raises `UsageError` if a new key could not be shown."""
    terminal.quiet = settings.quiet
    if settings.key_file is None and (terminal.json or not os.isatty(STANDARD_ERROR)):
        raise UsageError(
            "There is no terminal that could show a new key.", hint="Give a key of your own: --key-file FILE."
        )


class HandoverView:
    """Shows the events of a handover. `takes`: files come; `words`: the new key, None for one of the user's own."""

    def __init__(self, terminal: Terminal, settings: HandoverSettings, *, takes: bool, words: str | None) -> None:
        self._terminal = terminal
        self._settings = settings
        self._takes = takes
        self._words = words
        self._bar: CopyBar | None = None
        self._seen: set[str] = set()  # clients that were named
        self._names: list[bytes] = []
        self._refused = 0
        self._refused_shown = float("-inf")
        self._moved = 0
        self._files = self._bytes = 0  # of complete deliveries

    @property
    def needs_every_file(self) -> bool:
        """Return whether each file is shown."""
        return self._terminal.json

    # --- the beginning ------------------------------------------------------------------------------------------------

    def announce(self, what: str, addresses: Sequence[str], port: int, draw: Callable[..., str | None]) -> None:
        """Show what the other person types, and the key. `what` is a sentence, `draw` makes QR codes."""
        terminal = self._terminal
        command = self._command(addresses[0], port)
        if terminal.json:
            terminal.event({"event": "listening", "command": command, "addresses": " ".join(addresses), "port": port})
        terminal.say(what)
        terminal.say(f"{self._end_of_waiting()} Ctrl-C ends it.")
        if len(addresses) > 1:
            terminal.say(f"Other addresses of this machine: {', '.join(addresses[1:])}")
        if self._words is None:
            terminal.say("The other person types this line, and needs the key (hidden):")
            terminal.print(command)
        else:
            terminal.say("The other person types this line, and then the key below it, in lower case:")
            terminal.print(command)
            terminal.draw(f"{self._words}\n")
        if self._settings.draws and not terminal.json:
            self._show_picture("\n".join([command, *([] if self._words is None else [self._words])]), draw)

    def _command(self, address: str, port: int) -> str:
        url = format_url(Url(address, port, "", (), trailing_slash=True))
        return f"secftp put FILE... {url}" if self._takes else f"secftp get {url} ."

    def _end_of_waiting(self) -> str:
        settings = self._settings
        what = "delivery" if self._takes else "complete download"
        times = {0: f"every {what}", 1: f"one {what}"}.get(settings.times, f"{settings.times} {what}s")
        within = "" if settings.seconds is None else f", at most for {format_duration(settings.seconds)}"
        return f"Waiting for {times}{within}."

    def _show_picture(self, text: str, draw: Callable[..., str | None]) -> None:
        if self._terminal.quiet or not os.isatty(STANDARD_ERROR) or os.environ.get("TERM", "dumb") == "dumb":
            return
        if not _is_unicode(getattr(sys.stderr, "encoding", None)):
            return
        columns, lines = _terminal_size()
        try:
            picture = draw(text, columns=columns, lines=lines - _LINES_BESIDE, colours=not os.environ.get("NO_COLOR"))
        except InstallationError as problem:
            self._terminal.hint(problem.hint)
            return
        if picture is not None:
            self._terminal.draw(picture)

    # --- meanwhile ----------------------------------------------------------------------------------------------------

    def show(self, event: Event) -> None:
        """Show an event."""
        if event.kind == "complete":
            self._files += event.files
            self._bytes += event.nbytes
        if self._terminal.json:
            self._show_json(event)
            return
        if event.kind == "connected":
            if event.host not in self._seen:
                self._seen = {*self._seen, event.host} if len(self._seen) < 1000 else {event.host}  # noqa: PLR2004
                self._terminal.say(f"{escape(event.host)} has connected.")
        elif event.kind == "refused":
            self._show_refused(event.host)
        elif event.kind == "file":
            if len(self._names) <= _NAMES and event.path[0] not in self._names:
                self._names.append(event.path[0])
        else:
            self._show_end(event)

    def _show_end(self, event: Event) -> None:
        amount = f"{count_files(event.files)}, {format_size(event.nbytes)}"
        host, is_complete = escape(event.host), event.kind == "complete"
        if not is_complete:
            missing = "not everything has arrived" if self._takes else "has not everything"
            self._terminal.say(f"{host} has ended, and {missing} ({amount}).")
            return
        if self._takes:
            self._terminal.say(f"Received from {host}: {self._listed()} ({amount}).")
        else:
            self._terminal.say(f"{host} has everything ({amount}).")
        self._names.clear()

    def _listed(self) -> str:
        names = ", ".join(map(show_path, self._names[:_NAMES]))
        return f"{names} and others" if len(self._names) > _NAMES else names

    def _show_refused(self, host: str) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._refused_shown < _REFUSED_SECONDS:
            return
        count, self._refused, self._refused_shown = self._refused, 0, now
        more = f" (and {count - 1} more)" if count > 1 else ""
        self._terminal.say(f"{escape(host)} has tried a wrong key{more}.")

    def _show_json(self, event: Event) -> None:
        from secftp.json_lines import name_fields

        fields: dict[str, Value] = {"event": event.kind, "peer": event.host}
        if event.kind == "refused":
            fields["event"] = "wrong_key"
        elif event.kind == "file":
            fields |= {**name_fields("name", b"/".join(event.path)), "bytes": event.nbytes}
        elif event.kind != "connected":
            fields |= {"files": event.files, "bytes": event.nbytes}
        self._terminal.event(fields)

    def tick(self, counts: CopyCounts) -> None:
        """Draw the bar while something is transferred."""
        if not self._terminal.shows_bars:
            return
        if counts.moved_bytes != self._moved:
            if self._bar is None:
                self._bar = self._terminal.bar = CopyBar(self._terminal.draw, counts)
            self._moved = counts.moved_bytes
            self._bar.update()
        elif self._bar is not None and not counts.done_bytes:  # a delivery is complete
            self._bar.clear()

    # --- the end ------------------------------------------------------------------------------------------------------

    def status(self, delivered: int) -> None:
        """Note what an interruption and a log are to say."""
        self._terminal.counts = {"complete": delivered, "files": self._files, "bytes": self._bytes}
        what = "delivery is complete" if delivered == 1 else "deliveries are complete"
        self._terminal.status = f"{delivered} {what}." if delivered else "No delivery is complete."

    def conclude(self, delivered: int) -> None:
        """Show the end. Raises `TransferTimeout` if the time was over before enough deliveries were complete."""
        self._terminal.clear()
        wanted = max(1, self._settings.times)
        if delivered < wanted:
            of = f" ({delivered} of {wanted})" if wanted > 1 else ""
            missing = "nothing was delivered" if self._takes else "not everything was fetched"
            raise TransferTimeout(f"The time is over, and {missing}{of}.", hint="Start again, with a longer --for.")


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").startswith("utf")


def _terminal_size() -> tuple[int, int]:
    try:
        size = os.get_terminal_size(STANDARD_ERROR)
    except OSError:
        return 0, 0
    return size.columns, size.lines or _USUAL_LINES
