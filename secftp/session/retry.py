"""Recovery after a lost connection: retries, idempotent changes, confirmation of writes.

Retries have exponential backoff with jitter, which keeps many clients from coming back at one moment to the server that
all of them lost.

Invariant: a wrong key or a refusal is never retried, which would only annoy or alarm the server.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from secftp.errors import (
    ConnectionLost,
    FileError,
    Forbidden,
    SecftpError,
    ServerBusy,
    ServerUnreachable,
    TransferTimeout,
)
from secftp.protocol import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from secftp.session.replies import Transferred, Unconfirmed
    from secftp.session.session import Session
    from secftp.storage import Path

FIRST_PAUSE: Final = 1.0  # seconds
LONGEST_PAUSE: Final = 60.0
_T = TypeVar("_T")

# Gets why an attempt failed, the pause in seconds, and the number of the next retry and of all that are allowed.
OnRetry: TypeAlias = "Callable[[SecftpError, float, int, int], None]"


# --- retries ----------------------------------------------------------------------------------------------------------


class Retries:
    """At most `attempts` retries, as long as that is `possible`.

    `progress` returns how much has been done; after an attempt that made it grow, pauses begin anew. `on_retry` is
    called before each pause, which `sleep` makes.
    """

    def __init__(
        self,
        attempts: int,
        *,
        progress: Callable[[], int],
        on_retry: OnRetry | None = None,
        possible: Callable[[], bool] = lambda: True,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._attempts = attempts
        self._progress = progress
        self._on_retry = on_retry
        self._possible = possible
        self._sleep = sleep
        self._chance = chance

    def run(self, attempt: Callable[[], _T]) -> _T:
        """Return what `attempt` returns, which connects anew each time it is called. Raises its last failure."""
        retries = fruitless = 0
        while True:
            before = self._progress()
            try:
                return attempt()
            except (ConnectionLost, ServerBusy, ServerUnreachable, TransferTimeout) as problem:
                retries += 1
                if retries > self._attempts or not self._possible():
                    raise
                fruitless = 1 if self._progress() > before else fruitless + 1
                pause = self._pause(fruitless)
                if self._on_retry is not None:
                    self._on_retry(problem, pause, retries, self._attempts)
                self._sleep(pause)

    def _pause(self, fruitless: int) -> float:
        """Twice as long for each attempt in a row without progress, and of that a random share of at least half."""
        if self._chance is None:
            from random import random  # a few milliseconds that are only spent once something failed

            self._chance = random
        longest = min(FIRST_PAUSE * 2.0 ** min(fruitless - 1, 10), LONGEST_PAUSE)
        return longest * (0.5 + 0.5 * self._chance())


# --- changes ----------------------------------------------------------------------------------------------------------


def change_once(
    sessions: Callable[[], AbstractContextManager[Session]],
    step: Callable[[Session, bool], _T],
    *,
    possible: Callable[[], bool] = lambda: True,
) -> _T:
    """Return what a change comes to: `step` is repeated over a new session if the connection is lost before its answer.

    The step has to be idempotent (`secftp.session.new_token`), and is told whether it is repeated. If no answer comes
    then either, the first loss is raised: whether the change was made is not known.
    """
    lost: ConnectionLost | None = None
    while True:
        asked = False
        try:
            with sessions() as session:
                asked = True
                return step(session, lost is not None)
        except FileError:
            raise
        except SecftpError as problem:
            if lost is not None:
                raise lost from None
            if not (asked and isinstance(problem, ConnectionLost) and possible()):
                raise
            lost = problem


# --- writes -----------------------------------------------------------------------------------------------------------


def confirm(run: Callable[[Callable[[Session], bool]], bool], path: Path, lost: Unconfirmed) -> Transferred:
    """Return what was sent, if the file is there. Raises the loss if it is not, or if that can't be found out.

    `run` calls a function with a new session, as often as it likes, and returns what that returns.
    """
    try:
        if run(lambda session: has_arrived(session, path, lost)):
            return lost.sent
    except SecftpError:
        pass
    raise lost


def has_arrived(session: Session, path: Path, lost: Unconfirmed) -> bool:
    """Whether the file `path` is what was sent over the connection that was lost.

    With the request's token, a server says so to a client that may only write, too. Without it, an empty file
    proves nothing: all are alike. Returns False also if this client may not ask. Raises what ends the session.
    """
    try:
        if not _has_size(session, path, lost.sent.size):
            return False
        found, is_own = session.own_checksum(path, lost.algorithm, lost.token)
    except FileError:
        return False
    if not is_own and not lost.sent.size:
        return False
    return hmac.compare_digest(found.digest, lost.sent.digest)


def _has_size(session: Session, path: Path, size: int) -> bool:
    """Whether it may be a file of that size, as far as that can be seen: else the server need not read it."""
    try:
        info = session.stat(path)
    except Forbidden:
        return True
    return info.kind is Kind.FILE and info.size == size
