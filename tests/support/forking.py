"""Use of a parent's objects in a forked process."""

from __future__ import annotations

import os
import signal
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_a_fork(call: Callable[[], object]) -> str:
    """Run `call` in a forked process: the text of its result, or the name of the exception's class and its message."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads and forks: what else could be tested here
        child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)  # one that waits for what a thread of the parent holds would wait for ever
        try:
            said = str(call())
        except BaseException as problem:  # noqa: BLE001 - the parent's test must not go on in here
            said = f"{type(problem).__name__}: {problem}"
        os.write(writing, said.encode()[:4096])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return said
