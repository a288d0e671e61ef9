"""Binding to the C core: loads `secftp._core`, which nothing else imports, and turns its codes into exceptions.

It fails closed: without the built module, or with a libcrypto that is too old or fails the self-test, importing this
module raises `InstallationError`.
"""

from __future__ import annotations

from secftp.errors import AuthenticationError, CoreError, InstallationError

TYPE_CHECKING = False  # as of typing: a client stretches its key before it imports that
if TYPE_CHECKING:
    from typing import Any, NoReturn

try:
    from secftp import _core  # type: ignore[attr-defined, unused-ignore]
except ImportError as problem:
    _BUILT = "No module named" not in str(problem) and "cannot import name" not in str(problem)
    raise InstallationError(
        "The built core of secftp can't be loaded with the installed libraries."
        if _BUILT
        else "The core of secftp is not built in this directory.",
        hint="Install libcrypto 3.0 or newer (libssl3), or rebuild with: pip install --force-reinstall secftp"
        if _BUILT
        else "In a checkout run: pip install -e .   (a plain `pip install .` does not build it here)",
    ) from problem

ffi: Any = _core.ffi
lib: Any = _core.lib

OLDEST_LIBCRYPTO = 0x30000000
_TEST_FAILURES = {
    lib.SECFTP_NO_ALGORITHM: "This libcrypto's providers lack an algorithm that secftp needs "
    "(AES-CBC, AES-ECB, Poly1305, HKDF, SHA-256, P-256).",
    lib.SECFTP_WRONG_ANSWER: "The self-test of the core failed: a result differs from the standard's.",
    lib.SECFTP_NO_MEMORY: "Out of memory in the self-test of the core.",
}


def load_check(library: Any) -> None:
    """Raise `InstallationError` unless this build and its libcrypto pass the self-test, which takes about 1 ms."""
    if library.secftp_libcrypto_number() < OLDEST_LIBCRYPTO:
        raise InstallationError(
            f"secftp needs OpenSSL 3.0 or newer, and this is {libcrypto_version()}.",
            hint="Install a newer libssl and rebuild secftp.",
        )
    status = library.secftp_self_test()
    if status != lib.SECFTP_OK:
        raise InstallationError(
            _TEST_FAILURES.get(status, "The self-test of the core failed inside libcrypto."),
            hint=f"Check the installation of {libcrypto_version()} and its provider settings (openssl.cnf).",
        )


def libcrypto_version() -> str:
    """Return the name and version of the loaded library, such as `OpenSSL 3.0.19 27 Jan 2026`."""
    return str(ffi.string(lib.secftp_libcrypto_text()).decode("ascii", "replace"))


def fail(status: int) -> NoReturn:
    """Raise the exception for a code of the core. It never tells why a peer's bytes were refused."""
    if status == lib.SECFTP_REFUSED:
        raise AuthenticationError("The peer's bytes do not verify.")
    if status == lib.SECFTP_NO_MEMORY:
        raise CoreError("Out of memory in the core.")
    if status == lib.SECFTP_EXHAUSTED:
        raise CoreError("The 2^48 frames of this session are used up.", hint="Connect again.")
    if status == lib.SECFTP_MISUSE:
        raise CoreError("A cipher state was used after it had failed, was used up, or was copied by fork.")
    raise CoreError("libcrypto failed inside the core.", hint=f"Check the installation of {libcrypto_version()}.")


def check(status: int) -> None:
    """Raise the exception for a code of the core other than SECFTP_OK."""
    if status != 0:
        fail(status)


load_check(lib)
