"""What a sync refuses before it changes anything: deletions that are likely to be a mistake.

An empty source is what a disk that is not mounted looks like, and a wrong target has nothing of the source. Invariant:
all deletions are counted before the first, and either all of them are allowed or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import ExitCode, SecftpError
from secftp.text import count_files

if TYPE_CHECKING:
    from secftp.sync.plan import Plan

# Without --max-delete, more deletions than this are refused, if they are also more than this share of the target.
MOST_DELETIONS: Final = 100
MOST_PERCENT: Final = 25


class TooManyDeletions(SecftpError):
    """A sync would delete more files than it may, or has an empty source. Nothing was changed."""

    exit_code = ExitCode.TOO_MANY_DELETIONS


class MaxDelete(NamedTuple):
    """How many files may be deleted: a number, or a share of the target's files in percent."""

    number: int
    is_percent: bool = False

    def allows(self, deletions: int, target_files: int) -> bool:
        """Return whether so many of the target's files may be deleted."""
        return deletions * 100 <= self.number * target_files if self.is_percent else deletions <= self.number

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.is_percent else ''}"


def check(plan: Plan, limit: MaxDelete | None, *, is_filtered: bool, is_part: bool = False) -> None:
    """Raise `TooManyDeletions` for an empty source, or for more deletions than `limit` or, without one, the default.

    Only for a sync that deletes. `is_filtered`: there are patterns, so the source may have files all the same.
    `is_part`: the plan is about a part of the source, which may be empty.
    """
    if not plan.source_files and not is_part:
        what = "has no files that the patterns select" if is_filtered else "has no files"
        raise TooManyDeletions(
            f"The source {what}, so --delete would empty the target; nothing was changed.",
            hint="Check that it is the right one, and that its disk is mounted. To empty a directory, use rm -r.",
        )
    deletions, files = plan.deletions, plan.target_files
    if limit is None:
        if deletions <= MOST_DELETIONS or deletions * 100 <= MOST_PERCENT * files:
            return
        bound = f"more than {MOST_DELETIONS} and more than {MOST_PERCENT} % of its files"
    elif limit.allows(deletions, files):
        return
    else:
        bound = f"--max-delete allows {limit}"
    raise TooManyDeletions(
        f"{count_files(deletions)} of {files} at the target would be deleted ({bound}); nothing was changed.",
        hint=f"Look at the plan with --dry-run. If it is right, use --max-delete {deletions}.",
    )
