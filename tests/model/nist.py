"""NIST's known answers for AES-CBC (CAVP), read from the files that the `cryptography-vectors` wheel carries.

The AESAVS suites GFSbox, KeySbox, VarKey, VarTxt (one block each) and MMT (1 to 10 blocks), for the two key sizes
that secftp has, in both directions. A missing wheel is an error and never a skip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cryptography_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITES = ("GFSbox", "KeySbox", "VarKey", "VarTxt", "MMT")
KEY_BITS = (128, 256)
FIELDS = {"KEY", "IV", "PLAINTEXT", "CIPHERTEXT"}

Operation = Literal["encrypt", "decrypt"]


@dataclass(frozen=True)
class CbcCase:
    """`name` is the file, the section and the count, such as `CBCMMT128-encrypt-3`. Nothing is padded."""

    name: str
    operation: Operation
    key: bytes
    iv: bytes
    plaintext: bytes
    ciphertext: bytes


def read_wheel(path: str) -> str:
    """The text of one of the wheel's files."""
    with cryptography_vectors.open_vector_file(path, "r") as file:
        return str(file.read())


def cbc_cases() -> Iterator[CbcCase]:
    """Every case of every file, in the files' order."""
    for suite in SUITES:
        for bits in KEY_BITS:
            stem = f"CBC{suite}{bits}"
            yield from parse_cbc(stem, read_wheel(f"ciphers/AES/CBC/{stem}.rsp"))


def parse_cbc(stem: str, text: str) -> Iterator[CbcCase]:
    """The cases of one .rsp file. A line or a case that it does not understand is a ValueError."""
    operation: Operation | None = None
    count, values = "", dict[str, bytes]()
    for line in filter(None, (raw.strip() for raw in text.splitlines())):
        name, equals, value = (part.strip() for part in line.partition("="))
        if line.startswith("#"):
            continue
        if line in ("[ENCRYPT]", "[DECRYPT]"):
            operation = "encrypt" if line == "[ENCRYPT]" else "decrypt"
        elif equals and name == "COUNT" and not values:
            count = value
        elif equals and name in FIELDS - set(values):
            values[name] = bytes.fromhex(value)
        else:
            raise ValueError(f"{stem}: not understood: {line}")
        if set(values) == FIELDS:
            if operation is None:
                raise ValueError(f"{stem}: a case before any section")
            case = {key.lower(): data for key, data in values.items()}
            yield CbcCase(name=f"{stem}-{operation}-{count}", operation=operation, **case)
            values = {}
    if values:
        raise ValueError(f"{stem}: ends in the middle of a case")
