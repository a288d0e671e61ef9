"""Fails each allocation of libcrypto once, in a complete session; prints the results as JSON.

A separate process, `python -m tests.seamed.out_of_memory`: libcrypto allows replacing its allocator only before the
first allocation, so nothing that uses libcrypto (hashlib, the product's core) may be imported before.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.seamed import core

W = bytes(31) + b"\x05"
DRAWS = (bytes(16), bytes(31) + b"\x07", bytes(16), bytes(31) + b"\x0b", b"\xff" * 16)
FRAMES = ((5, 0, 3, 0), (0, 0, 4, 1))  # payload and padding bytes, type, flags


class Failed(Exception):
    """A call of the core, by name, with its status."""


class Session:
    """One session of both sides in one process. Whatever it made is freed by `close`."""

    def __init__(self, module: Any) -> None:
        self.lib, self.ffi = module.lib, module.ffi
        self.made: list[tuple[Any, Any]] = []

    def new(self, kind: str, call: Any, *arguments: Any) -> Any:
        """One object that the core hands out through the last argument."""
        out = self.ffi.new(f"secftp_{kind} **")
        self.check(call, *arguments, out)
        self.keep(kind, out)
        return out[0]

    def keep(self, kind: str, out: Any) -> None:
        self.made.append((getattr(self.lib, f"secftp_{kind}_free"), out[0]))

    def check(self, call: Any, *arguments: Any) -> None:
        status = call(*arguments)
        if status != self.lib.SECFTP_OK:
            raise Failed(status)

    def finish(self, call: Any, *arguments: Any) -> tuple[Any, Any]:
        sealer, opener = self.ffi.new("secftp_sealer **"), self.ffi.new("secftp_opener **")
        self.check(call, *arguments, sealer, opener)
        self.keep("sealer", sealer)
        self.keep("opener", opener)
        return sealer[0], opener[0]

    def run(self) -> list[bytes]:
        """Every byte that it would send."""
        lib, ffi = self.lib, self.ffi
        hello, reply, finish = (ffi.new("uint8_t[]", size) for size in (125, 141, 48))
        for draw in DRAWS:
            lib.seam_random_push(draw, len(draw))
        password = self.new("password", lib.secftp_password_from_secret, W)
        suite, mode = lib.SECFTP_SUITE_AES128, lib.SECFTP_MODE_KEYED
        client = self.new("client", lib.secftp_client_start, password, suite, mode, bytes(32), hello)
        server = self.new("server", lib.secftp_server_respond, password, hello, reply)
        sealer, _ = self.finish(lib.secftp_client_finish, client, reply, finish)
        _, opener = self.finish(lib.secftp_server_finish, server, finish)
        return [bytes(ffi.buffer(flight)) for flight in (hello, reply, finish)] + [self.send(sealer, opener)]

    def send(self, sealer: Any, opener: Any) -> bytes:
        lib, ffi = self.lib, self.ffi
        frames, opened = ffi.new("secftp_frame[]", FRAMES), ffi.new("secftp_opened[]", len(FRAMES))
        wire, sizes = ffi.new("uint8_t[]", 200), ffi.new("size_t[2]")
        self.check(lib.secftp_seal, sealer, wire, len(wire), frames, len(FRAMES), sizes)
        sent = bytes(ffi.buffer(wire, sizes[0]))
        self.check(lib.secftp_open, opener, wire, len(sent), opened, len(FRAMES), sizes, sizes + 1)
        assert (sizes[0], sizes[1]) == (len(FRAMES), len(sent))
        return sent

    def close(self) -> None:
        for free, thing in reversed(self.made):
            free(thing)
        self.lib.seam_random_clear()


def attempt(module: Any) -> list[bytes] | int:
    session = Session(module)
    try:
        return session.run()
    except Failed as failure:
        return int(failure.args[0])
    finally:
        session.close()


def main() -> None:
    module = core()
    lib = module.lib
    assert lib.seam_libcrypto_take_over() == 1, "libcrypto has allocated something already"
    # A share that can't be decoded for lack of memory looks like one that can't be decoded: refused, which is safe.
    clean = {lib.SECFTP_NO_MEMORY, lib.SECFTP_LIBCRYPTO, lib.SECFTP_NO_ALGORITHM, lib.SECFTP_REFUSED}
    good = attempt(module)
    assert isinstance(good, list)
    found: dict[str, Any] = {"failed": 0, "survived": 0, "wrong": [], "leaks": []}
    for nth in itertools.count(1):
        lib.seam_libcrypto_arm(nth)
        outcome = attempt(module)
        if lib.seam_libcrypto_disarm():
            break  # there are not so many
        if lib.seam_allocated() or lib.seam_error_clear():
            found["leaks"].append(nth)
        if outcome == good:
            found["survived"] += 1
        elif outcome in clean:
            found["failed"] += 1
        else:
            found["wrong"].append(nth)
    found["points"] = nth - 1
    print(json.dumps(found))


if __name__ == "__main__":
    main()
