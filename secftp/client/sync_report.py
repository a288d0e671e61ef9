"""The reports of a sync: its plan on standard output, its events as text or as JSON, and its last line.

A plan is the output of a dry run and of --json; a run does what it says. With --json each step of it is an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.client.failures import PartialFailure
from secftp.client.report import UNMATCHED
from secftp.client.report_json import JsonReport
from secftp.client.report_text import BarReport, TextReport
from secftp.client.terminal import print_output
from secftp.json_lines import line, name_fields
from secftp.sync.plan import Act
from secftp.sync.progress import SyncListener, SyncSummary, name_of
from secftp.sync.tree import EntryKind
from secftp.text import count_files, format_duration, format_rate, format_size, path_text, show_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.client.report import CopyReport
    from secftp.client.terminal import Terminal
    from secftp.json_lines import Value
    from secftp.sync.plan import Action, Plan
    from secftp.transfer import CopyOptions
    from secftp.transfer.filters import Filters

_BLOCK: Final = 500  # lines of a plan that are printed at once
_NOTABLE_SECONDS: Final = 0.1  # the rate of a shorter copy means nothing
_WIDTH: Final = 12  # of the word that begins a line of the plan
EMPTY: Final = "empty"  # of the plan: a directory of the trash that is removed


class PlanOutput:
    """The plan of a sync on standard output. `as_json`: one object a line."""

    def __init__(self, terminal: Terminal, *, as_json: bool) -> None:
        self._terminal = terminal
        self._show = _as_json if as_json else _as_text

    def print(self, plan: Plan) -> None:
        """Print all steps, in the order of the run."""
        self._terminal.clear()
        block: list[str] = []
        for text in self._lines(plan):
            block.append(text)
            if len(block) >= _BLOCK:
                print_output("".join(block))
                block.clear()
        print_output("".join(block))

    def _lines(self, plan: Plan) -> Iterator[str]:
        skipped = []
        for action in plan.actions:
            if action.act is Act.SKIP:
                skipped.append(action)
            else:
                yield self._show(str(action.act), action, action.path)
        for path in plan.expired:
            yield self._show(EMPTY, None, path)
        for action in skipped:
            yield self._show(str(action.act), action, action.path)


def _as_text(word: str, action: Action | None, path: tuple[bytes, ...]) -> str:
    name = show_path(path)
    if action is None or action.entry.kind is EntryKind.DIRECTORY:
        name += "/"
    if action is None:
        pass
    elif action.act in (Act.COPY, Act.REPLACE):
        name += f" ({format_size(action.entry.size)})"
    elif action.act is Act.RENAME:
        name = f"{show_path(action.origin or ())} -> {name}"
    elif action.reason is not None:
        name += f": {action.reason.clause}"
    return f"{word:<{_WIDTH}}{name}\n"


def _as_json(word: str, action: Action | None, path: tuple[bytes, ...]) -> str:
    fields: dict[str, Value] = {"action": word, **name_fields("path", name_of(path), show_path)}
    if action is not None:
        if action.act in (Act.COPY, Act.REPLACE, Act.DELETE):
            fields |= {"size": action.entry.size, "mtime_ns": action.entry.mtime_ns}
        if action.origin is not None:
            fields |= name_fields("from", name_of(action.origin), show_path)
        if action.reason is not None:
            fields |= {"reason": str(action.reason), "text": action.reason.clause}
    return line(fields)


# --- what both reports have in common ---------------------------------------------------------------------------------


def results(done: SyncSummary) -> dict[str, Value]:
    """Return the results as fields, for JSON and for a log."""
    return {
        "files": done.files,
        "bytes": done.bytes,
        "same": done.same,
        "skipped": done.skipped,
        "renamed": done.renamed,
        "deleted": done.deleted,
        "trash": done.trash.decode("ascii") or None,
        "directories_made": done.made_directories,
        "directories_removed": done.removed_directories,
        "attributes": done.attributes,
        "only_at_target": done.only_there,
        "left_out": done.left_out,
        "conflicts": done.conflicts,
        "changed": done.changed,
        "failed": done.failed,
    }


def raise_failures(done: SyncSummary) -> None:
    """Raise `PartialFailure` if the target is not what the source is."""
    words = [
        f"{number} {word if number == 1 else words}"
        for number, word, words in (
            (done.failed, "failure", "failures"),
            (done.conflicts, "conflict", "conflicts"),
            (done.changed, "name that changed meanwhile", "names that changed meanwhile"),
        )
        if number
    ]
    if words:
        hint = "Another sync does the rest." if not done.conflicts and not done.failed else "Everything else was done."
        raise PartialFailure(f"{' and '.join(words)}, reported above.".capitalize(), hint=hint)


class TextSync(TextReport, SyncListener):
    """A report as text. `output`: prints the plan, None if that was not asked for.

    `for_later`: the names that have changed meanwhile, if another pass will deal with them; None: there is none.
    """

    output: PlanOutput | None = None
    as_json = False
    for_later: set[bytes] | None = None
    filters: Filters | None = None

    def made(self, plan: Plan, /) -> None:
        """Print the plan, and tell of conflicts."""
        if self.output is not None:
            self.output.print(plan)
        for action in plan.of(Act.SKIP):
            assert action.reason is not None
            if action.reason.is_conflict:
                self._terminal.note(f"{show_path(action.path)}: {action.reason.clause}; left alone.")

    def note(self, name: bytes, text: str, /) -> None:
        """Write the note: a sync tells of symlinks and special files with a count already."""
        self._terminal.note(f"{show_path(name)}: {text}.")

    def changed(self, name: bytes, text: str, /) -> None:
        """Write what was left alone, or keep it for another pass."""
        if self.for_later is None:
            self._terminal.note(f"{show_path(name)}: {text}.")
        else:
            self.for_later.add(name)

    def not_deleted(self, number: int, /) -> None:
        """Write that nothing is deleted."""
        self._terminal.note(f"Nothing was deleted because of the failures; {count_files(number)} would have been.")

    def counts(self, options: CopyOptions) -> dict[str, Value]:
        """Return what the log says."""
        return _counts(self, options) or super().counts(options)

    def conclude(self) -> None:
        """Write the summary, and raise if the target is not what the source is."""
        done = self.summary
        assert isinstance(done, SyncSummary)
        self._terminal.counts = self.counts(self._options)
        self._failures.report_first()
        self._terminal.say(self.conclusion())
        _note_unmatched(done, self.filters)
        for sentence in (*self.unmatched_patterns(), *self.not_preserved()):
            self._terminal.note(sentence)
        if self.as_json:
            print_output(line({"action": "summary", **results(done), "seconds": round(done.seconds, 3)}))
        raise_failures(done)

    def conclusion(self) -> str:
        """Return the summary as a line."""
        done, dry = self.summary, self._options.dry_run
        assert isinstance(done, SyncSummary)
        words = [_copied("Would copy" if dry else "Copied", done.files, done.bytes)]
        if done.files and done.seconds >= _NOTABLE_SECONDS and not dry:
            words[0] += f" in {format_duration(done.seconds)} ({format_rate(done.bytes / done.seconds)})"
        place = f" to {show_path(done.trash)}/" if done.trash else ""
        for verb, number in ((f"{'move' if place else 'delete'}", done.deleted), ("rename", done.renamed)):
            if number:
                words.append(f"{f'would {verb}' if dry else f'{verb}d'} {count_files(number)}")
                words[-1] += place if verb == "move" else ""
        words.append(f"{done.same} the same")
        for number, text in (
            (done.skipped, "newer at the target"),
            (done.only_there, "only at the target"),
            (done.left_out, "left out"),
            (done.conflicts, f"{'conflict' if done.conflicts == 1 else 'conflicts'}"),
            (done.changed, "changed meanwhile"),
            (done.failed, "failed"),
        ):
            if number:
                words.append(f"{number} {text}")
        return f"{'; '.join(words)}."


def _note_unmatched(done: SyncSummary, filters: Filters | None) -> None:
    if filters is not None and not done.failed:
        done.unmatched = tuple(map(path_text, filters.unmatched))


def _copied(verb: str, files: int, nbytes: int) -> str:
    return f"{verb} {count_files(files)}, {format_size(nbytes)}" if files else f"{verb} nothing"


def _counts(report: CopyReport, options: CopyOptions) -> dict[str, Value]:
    done = report.summary
    if not isinstance(done, SyncSummary):
        return {}
    return {**results(done), "dry_run": "yes" if options.dry_run else None}


class BarSync(TextSync, BarReport):
    """A text report with a progress bar."""


class JsonSync(JsonReport, SyncListener):
    """A report as JSON Lines on standard error."""

    output: PlanOutput | None = None
    as_json = False
    for_later: set[bytes] | None = None
    filters: Filters | None = None

    def made(self, plan: Plan, /) -> None:
        """Print the plan."""
        if self.output is not None:
            self.output.print(plan)

    def deleted(self, name: bytes, trash: bytes, /) -> None:
        """Write the event."""
        self._write("deleted", name, trash=trash.decode("ascii") or None)

    def renamed(self, name: bytes, origin: bytes, /) -> None:
        """Write the event."""
        self._terminal.event({"event": "renamed", **name_fields("name", name), **name_fields("from", origin)})

    def changed(self, name: bytes, text: str, /) -> None:
        """Write the event."""
        self._write("changed", name, text=text)
        if self.for_later is not None:
            self.for_later.add(name)

    def not_deleted(self, number: int, /) -> None:
        """Write the event."""
        self._write("not_deleted", files=number)

    def counts(self, options: CopyOptions) -> dict[str, Value]:
        """Return what the log says."""
        return _counts(self, options) or super().counts(options)

    def conclude(self) -> None:
        """Write the summary, and raise if the target is not what the source is."""
        done = self.summary
        assert isinstance(done, SyncSummary)
        self._terminal.counts = self.counts(self._options)
        _note_unmatched(done, self.filters)
        for pattern in done.unmatched:
            self.note(pattern.encode("utf-8", "surrogateescape"), UNMATCHED)
        self._terminal.ended(**results(done), seconds=round(done.seconds, 3), **self._connections())
        if self.as_json:
            print_output(line({"action": "summary", **results(done), "seconds": round(done.seconds, 3)}))
        raise_failures(done)
