"""What the server has already of a file, asked some way ahead of the sending, so that nobody waits for each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.copy.options import KEEP_BYTES
from secftp.copy.tally import SAME
from secftp.copy.times import same_time
from secftp.errors import FileError, Reason
from secftp.messages import Error, ErrorCode, Info, Kind, Stat, exception_for
from secftp.session.replies import SingleReply
from secftp.storage.tree import EntryKind

if TYPE_CHECKING:
    from secftp.copy.options import CopyOptions
    from secftp.copy.steps import Step
    from secftp.messages import Message
    from secftp.session.pipeline import Pipeline

# What STAT says of a name that may be free; and to one who may write without looking.
_FREE: Final = frozenset({ErrorCode.NOT_FOUND})
_MAY_NOT_LOOK: Final = frozenset({None, Reason.MAY_NOT_LIST, Reason.MAY_NOT_READ})


class Asking:
    """The questions that one session's server is asked; none if the options need none."""

    def __init__(
        self,
        pipeline: Pipeline,
        options: CopyOptions,
        *,
        can_resume: bool,
        can_look: bool = True,
        may_overwrite: bool = True,
    ) -> None:
        self._pipeline = pipeline
        self._about_files = options.update or (options.dry_run and can_look)
        self._about_folders = (options.dry_run and can_look) or (not options.overwrite and not options.dry_run)
        self._about_partials = can_resume and not options.dry_run
        self._options = options
        self._may_overwrite = may_overwrite
        self.needed = self._about_files or self._about_folders or (self._about_partials and options.resume)

    def ask(self, step: Step) -> None:
        """Ask what has to be known before the step is taken."""
        step.there = step.partial = None
        if step.what is EntryKind.DIRECTORY and self._about_folders and step.sender is None:
            step.there = self._stat(step, partial=False)
        if step.what is not EntryKind.FILE:
            return
        if self._about_files and not step.may_be_there:
            step.there = self._stat(step, partial=False)
        is_worth_it = step.info is not None and (step.info.size or 0) >= KEEP_BYTES
        is_wanted = self._options.resume if step.resume is None else step.resume
        if self._about_partials and is_worth_it and is_wanted:
            step.partial = self._stat(step, partial=True)

    def _stat(self, step: Step, *, partial: bool) -> SingleReply | None:
        answer = SingleReply()
        try:
            request = Stat(id=self._pipeline.next_id(), path=step.remote, partial=partial)
        except FileError:
            return None  # a name that is none; the sending will say so
        self._pipeline.submit(request, answer)
        return answer

    def obstacle(self, step: Step) -> FileError | None:
        """What would keep a file or a directory from being put there, as far as the server tells; None for nothing.

        It is asked in a dry run only.
        """
        if not self._options.dry_run:
            return None
        there, is_file = self._answer(step), step.what is EntryKind.FILE
        if isinstance(there, Info) and is_file == (there.kind is Kind.DIRECTORY):
            code, reason = (ErrorCode.IS_DIRECTORY, None) if is_file else (ErrorCode.EXISTS, Reason.FILE)
            return exception_for(code, step.name, reason)
        if isinstance(there, Error) and there.code not in _FREE and there.reason not in _MAY_NOT_LOOK:
            return exception_for(there.code, step.name, there.reason)
        return None

    def may_not_replace(self, step: Step) -> FileError | None:
        """In a dry run: the failure of a file that is there and that the session may not overwrite; None for none."""
        if self._may_overwrite or not isinstance(self._answer(step), Info):
            return None
        return exception_for(ErrorCode.EXISTS, step.name, Reason.MAY_NOT_OVERWRITE)

    def is_taken(self, step: Step) -> bool:
        """Whether a folder is there already and is to be left as it is.

        That is decided once: over a later connection it may be there because it was made over the one before.
        """
        if step.sender is not None:
            return step.is_taken
        there = self._answer(step)
        return self._about_folders and isinstance(there, Info) and there.kind is Kind.DIRECTORY

    def _answer(self, step: Step) -> Message | None:
        if step.there is None:
            return None
        while not step.there.complete:
            self._pipeline.step()
        return step.there.message

    def reason_to_skip(self, step: Step) -> str:
        """Why a file is left as it is at the server; empty if it is not."""
        there, info = self._answer(step), step.info
        if not isinstance(there, Info):
            return ""
        if not self._options.overwrite:
            return "it exists already"
        if (
            self._options.update
            and info is not None
            and there.kind is Kind.FILE
            and there.size == info.size
            and same_time(there.mtime_ns, info.mtime_ns)
            and (info.size or _is_empty(step))
        ):
            return SAME
        return ""

    def has_other_mode(self, step: Step) -> bool:
        """Whether a file that is the same at the server has other permissions than are to be kept."""
        there, info = self._answer(step), step.info
        if not self._options.preserve or info is None or not isinstance(there, Info):
            return False
        return bool((there.mode ^ info.mode) & 0o777)


def _is_empty(step: Step) -> bool:
    """Whether a file whose size is told as 0 has nothing in it; what can't be read is told of when it is sent."""
    try:
        with step.origin.files.open_source(step.path) as source:
            return source.info.size == 0
    except FileError:
        return False
