"""Extension module for benchmarks: libcrypto's ciphers and the bare lanes. It is never shipped.

`native()` builds it if it is missing or older than its sources. The product is timed through its own core, not here.
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
    """Return the extension module, with `ffi` and `lib`."""
    if _stale():
        command = [sys.executable, "-m", "bench.native.build"]
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"The extension for benchmarks failed to build:\n{done.stdout}\n{done.stderr}")
    return importlib.import_module("bench.native._native")


class Cipher:
    """A keyed cipher context of libcrypto."""

    def __init__(self, name: str, *, encrypting: bool = True) -> None:
        module = native()
        pointer = module.lib.native_cipher_new(name.encode(), encrypting)
        if pointer == module.ffi.NULL:
            raise RuntimeError(f"This libcrypto has no {name}.")
        self.pointer = module.ffi.gc(pointer, module.lib.native_cipher_free)


class Frames:
    """`count` frames of `size` bytes each in one buffer, `stride` apart, and operations on all of them."""

    def __init__(self, count: int, size: int, *, stride: int, first: int = 0) -> None:
        module = native()
        self._lib = module.lib
        self._buffer = bytearray(count * stride)
        self._memory = module.ffi.from_buffer("uint8_t[]", self._buffer)
        self._shape = (self._memory + first, size, stride, count)

    def ecb(self, ecb: Cipher) -> None:
        """Encrypt as many bytes with ECB in one call."""
        data, size, _, count = self._shape
        _check(self._lib.native_ecb(ecb.pointer, data, size * count))

    def cbc(self, cbc: Cipher) -> None:
        """Encrypt each frame with libcrypto's CBC."""
        _check(self._lib.native_cbc(cbc.pointer, *self._shape))

    def lanes(self, ecb: Cipher, cbc: Cipher) -> None:
        """Encrypt all frames with CBC in lanes (csrc/lanes.c)."""
        _check(self._lib.native_lanes(ecb.pointer, cbc.pointer, *self._shape))

    def poly1305(self) -> None:
        """Compute a tag for each frame."""
        _check(self._lib.native_poly1305(*self._shape))

    def gcm_seal(self, gcm: Cipher) -> None:
        """Encrypt each frame with GCM and compute its tag."""
        _check(self._lib.native_gcm_seal(gcm.pointer, *self._shape))

    def gcm_open(self, gcm: Cipher) -> None:
        """Verify and decrypt the frames sealed by `gcm_seal`."""
        _check(self._lib.native_gcm_open(gcm.pointer, *self._shape))


def _check(good: int) -> None:
    if not good:
        raise RuntimeError("libcrypto failed, or a tag does not verify.")
