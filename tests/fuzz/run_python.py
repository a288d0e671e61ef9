"""A Python target under atheris: `python -m tests.fuzz.run_python TARGET [libFuzzer options and directories]`."""

from __future__ import annotations

import os
import sys
import traceback

import atheris

# Before the product is imported: what is not instrumented tells the fuzzer nothing.
with atheris.instrument_imports(include=["secftp"], enable_loader_override=False):
    from tests.fuzz import peers, targets

TARGETS = {
    "py-hello": lambda: targets.hello,
    "py-reply": lambda: targets.reply,
    "py-proxy": lambda: targets.proxy,
    "py-message": lambda: targets.message,
    "py-compressed": lambda: targets.compressed,
    "py-conversation": lambda: targets.conversation,
    "py-path": lambda: targets.path,
    "py-url": lambda: targets.url,
    "py-remote": lambda: targets.remote,
    "py-hosts": lambda: targets.hosts,
    "py-keyfile": lambda: targets.keyfile,
    "py-keytext": lambda: targets.keytext,
    "py-map": lambda: targets.part_map,
    "py-shown": lambda: targets.shown,
    "py-server": peers.ServerTarget,
    "py-client": peers.ClientTarget,
    "py-planted": lambda: planted,
}


def planted(data: bytes) -> None:
    """The control: the fuzzer must find the word, and the exception must stop it."""
    if data[:4] == b"FUZZ":
        raise RuntimeError("planted")


def at_once(target):
    """`target`, whose exceptions end the process there and then: a server's threads would keep it."""

    def run(data: bytes) -> None:
        try:
            target(data)
        except BaseException:  # noqa: BLE001 - the fuzzer takes it from here
            traceback.print_exc()
            os.abort()

    return run


def main() -> None:
    name = sys.argv.pop(1)
    target = at_once(TARGETS[name]())
    if name == "py-planted":
        target = at_once(atheris.instrument_func(planted))
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
