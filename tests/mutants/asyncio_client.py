"""Mutants of the client for asyncio: who has a connection, cancellation, files that are given up, loops and forks."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CLIENT = "tests/aio/test_client.py"
DRIVER = "tests/aio/test_driver.py"
FILES = "tests/aio/test_files.py"
GATHERING = "tests/aio/test_gathering.py"

MUTANTS: list[Mutant] = [
    # --- who has a connection
    mutant("aio-connection-with-an-outstanding-answer-used-again", "secftp/aio/pool.py", "            if reusable and not self.closed and len(self._free)", "            if not self.closed and len(self._free)", CLIENT),
    mutant("aio-connections-without-a-bound", "secftp/aio/pool.py", "        if not held and not any(used.owner is owner for used in self._used):\n            turn", "        if held:\n            turn", CLIENT),
    mutant("aio-call-waits-for-itself", "secftp/aio/pool.py", "        if not held and not any(used.owner is owner for used in self._used):\n", "        if not held:\n", CLIENT),
    mutant("aio-open-files-count", "secftp/aio/pool.py", "        if not held and not any(used.owner is owner", "        if not any(used.owner is owner", FILES),
    mutant("aio-turn-kept", "secftp/aio/pool.py", "        finally:\n            if turn is not None:\n                turn.release()\n", "        finally:\n            pass\n", CLIENT),
    mutant("aio-turn-of-a-failed-connection-kept", "secftp/aio/pool.py", "        except BaseException:\n            if turn is not None:\n                turn.release()\n", "        except BaseException:\n", CLIENT),
    mutant("aio-close-leaves-requests-alone", "secftp/aio/pool.py", "            used.close(politely=False)  # its user finds it lost\n", "            pass\n", CLIENT),
    mutant("aio-forgotten-client-keeps-its-connections", "secftp/aio/pool.py", "        for connection in left:\n            connection.close(politely=False)\n", "", CLIENT),
    mutant("aio-another-loop-goes-unnoticed", "secftp/aio/pool.py", "        if asyncio.get_running_loop() is not self.loop:\n", "        if asyncio.get_running_loop() is None:\n", CLIENT),
    mutant("aio-fork-goes-unnoticed", "secftp/aio/pool.py", "        if self._process != os.getpid():\n            raise", "        if self._process == 0:\n            raise", CLIENT),
    mutant("aio-fork-ends-what-its-parent-watches", "secftp/aio/stream.py", "        if not self._is_closed and self.belongs_here():\n", "        if not self._is_closed:\n", CLIENT),
    # --- waits
    mutant("aio-silence-without-an-end", "secftp/aio/stream.py", "            waiter.set_exception(TimeoutError())\n", "            pass\n", CLIENT),
    mutant("aio-no-keepalive", "secftp/aio/stream.py", "                channel.ping()\n", "                pass\n", FILES),
    mutant("aio-nothing-yet-looks-like-the-end", "secftp/aio/stream.py", "        return source.is_ready  # for nothing else: what is read then would look like the end\n", "        return True\n", FILES),
    mutant("aio-peer-unheard-while-the-program-pauses", "secftp/aio/stream.py", "    def _wait_beside(self, source: LoopSource) -> bool:\n        self._read()\n", "    def _wait_beside(self, source: LoopSource) -> bool:\n", FILES),
    mutant("aio-loop-waits-for-a-greenlet", "secftp/aio/driver.py", "    if resumed is not None and time.monotonic() - resumed > PACE_SECONDS:\n", "    if resumed is None:\n", DRIVER),
    # --- cancellation
    mutant("aio-second-cancellation-skips-clean-up", "secftp/aio/driver.py", "                step = await _clean_up(driven, step)\n", "                pass\n", DRIVER),
    mutant("aio-closed-coroutine-leaves-its-greenlet", "secftp/aio/driver.py", "                _unwind(driven, step)\n                raise\n            if", "                raise\n            if", DRIVER),
    mutant("aio-cancelled-write-goes-on", "secftp/aio/writer.py", "        except asyncio.CancelledError:\n            await self.abort()\n", "        except asyncio.CancelledError:\n", FILES),
    mutant("aio-cancelled-close-leaves-its-task", "secftp/aio/upload.py", "        except BaseException:\n            await self.break_off()\n            raise\n", "        except BaseException:\n            raise\n", FILES),
    # --- files that are given up
    mutant("aio-failed-block-writes", "secftp/aio/writer.py", "        if kind is not None:\n            await self.abort()\n", "        if kind is None:\n            await self.abort()\n", FILES),
    mutant("aio-close-in-an-exception-writes", "secftp/aio/writer.py", "        if sys.exc_info()[1] not in (None, self._opened_during):\n", "        if sys.exc_info()[1] is self:\n", FILES),
    mutant("aio-given-up-looks-whole", "secftp/aio/source.py", "        if self._given_up:\n            raise", "        if self._given_up and self._queue is None:\n            raise", FILES),
    mutant("aio-forgotten-writer-goes-on", "secftp/aio/writer.py", "            upload.forget()\n", "            pass\n", FILES),
    mutant("aio-connection-of-a-task-that-never-ran", "secftp/aio/upload.py", "        self._task.add_done_callback(lambda _: keep.close())", "        self._task.add_done_callback(lambda _: None)", FILES),
    # --- requests that share messages
    mutant("aio-questions-lost-with-a-connection", "secftp/aio/gathering.py", "        if not taken:\n            taken += self._take()\n", "        taken[:] = self._take()\n", GATHERING),
    mutant("aio-failure-of-one-is-that-of-all", "secftp/aio/gathering.py", "found[number] if number < len(found) else None", "found[0] if found else None", GATHERING),
    mutant("aio-those-who-wait-are-forgotten", "secftp/aio/gathering.py", "                _answer(self._waiting, ())\n", "", GATHERING),
]  # fmt: skip
