"""libcrypto's own ciphers and the bare lanes, to be timed: a small extension that is never shipped.

`native()` builds it when it is missing or older than its sources. What the product itself does is timed through the
product's own core; nothing of that is here.
"""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOP = HERE.parent.parent


def _stale() -> bool:
    sources = [*(TOP / "csrc").iterdir(), *HERE.glob("*.[ch]"), HERE / "build.py", TOP / "build_ffi.py"]
    built = [path.stat().st_mtime for path in HERE.glob("_native*.so")]
    return not built or min(built) < max(path.stat().st_mtime for path in sources)


@functools.cache
def native() -> Any:
    """The extension module, with `ffi` and `lib`."""
    if _stale():
        command = [sys.executable, "-m", "bench.native.build"]
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"The benchmarks' extension does not build:\n{done.stdout}\n{done.stderr}")
    return importlib.import_module("bench.native._native")


class Cipher:
    """A keyed context of libcrypto's, by the cipher's name; `call` runs one of the extension's functions on it."""

    def __init__(self, name: str, *, encrypting: bool = True) -> None:
        module = native()
        pointer = module.lib.native_cipher_new(name.encode(), encrypting)
        if pointer == module.ffi.NULL:
            raise RuntimeError(f"This libcrypto has no {name}.")
        self.pointer = module.ffi.gc(pointer, module.lib.native_cipher_free)


class Frames:
    """`count` frames of `bytes` each in one buffer, `stride` apart, and what can be done to all of them at once."""

    def __init__(self, count: int, size: int, *, stride: int, first: int = 0) -> None:
        module = native()
        self._lib = module.lib
        self._buffer = bytearray(count * stride)
        self._memory = module.ffi.from_buffer("uint8_t[]", self._buffer)
        self._shape = (self._memory + first, size, stride, count)

    def ecb(self, ecb: Cipher) -> None:
        """ECB over as many bytes in one run."""
        data, size, _, count = self._shape
        _check(self._lib.native_ecb(ecb.pointer, data, size * count))

    def cbc(self, cbc: Cipher) -> None:
        """CBC as libcrypto does it, frame by frame."""
        _check(self._lib.native_cbc(cbc.pointer, *self._shape))

    def lanes(self, ecb: Cipher, cbc: Cipher) -> None:
        """CBC in the lanes of csrc/lanes.c."""
        _check(self._lib.native_lanes(ecb.pointer, cbc.pointer, *self._shape))

    def poly1305(self) -> None:
        """A tag for each."""
        _check(self._lib.native_poly1305(*self._shape))

    def gcm_seal(self, gcm: Cipher) -> None:
        """GCM, a tag for each."""
        _check(self._lib.native_gcm_seal(gcm.pointer, *self._shape))

    def gcm_open(self, gcm: Cipher) -> None:
        """What `gcm_seal` has sealed, verified and opened."""
        _check(self._lib.native_gcm_open(gcm.pointer, *self._shape))


def _check(good: int) -> None:
    if not good:
        raise RuntimeError("libcrypto failed, or a tag does not verify.")
