"""The RFCs' own examples for Poly1305, HKDF and scrypt, from the files of the `cryptography-vectors` wheel.

RFC 8439 repeats RFC 7539's vectors under the same numbers, and the wheel's file is named after the older one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.nist import read_wheel


@dataclass(frozen=True)
class Poly1305Case:
    name: str
    key: bytes
    message: bytes
    tag: bytes


@dataclass(frozen=True)
class HkdfCase:
    name: str
    ikm: bytes
    salt: bytes
    info: bytes
    prk: bytes
    okm: bytes


@dataclass(frozen=True)
class ScryptCase:
    name: str
    password: bytes
    salt: bytes
    n: int
    r: int
    p: int
    derived: bytes


def poly1305_cases() -> list[Poly1305Case]:
    """RFC 8439: section 2.5.2, then appendix A.3, vectors 1 to 11."""
    example = Poly1305Case(
        name="RFC 8439 2.5.2",
        key=bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
        message=b"Cryptographic Forum Research Group",
        tag=bytes.fromhex("a8061dc1305136c6c22b8baf0c0127a9"),
    )
    return [example] + [
        Poly1305Case(
            name=f"RFC 8439 A.3 #{number}",
            key=bytes.fromhex(case["KEY"]),
            message=bytes.fromhex(case["MSG"]),
            tag=bytes.fromhex(case["TAG"]),
        )
        for number, case in enumerate(_cases("poly1305/rfc7539.txt"), 1)
    ]


def hkdf_cases() -> list[HkdfCase]:
    """RFC 5869, appendix A.1 to A.3: the ones with SHA-256."""
    return [
        HkdfCase(
            name=f"RFC 5869 A.{number}",
            ikm=bytes.fromhex(case["IKM"]),
            salt=bytes.fromhex(case["SALT"]),
            info=bytes.fromhex(case["INFO"]),
            prk=bytes.fromhex(case["PRK"]),
            okm=bytes.fromhex(case["OKM"]),
        )
        for number, case in enumerate(_cases("KDF/rfc-5869-HKDF-SHA256.txt"), 1)
    ]


def scrypt_cases() -> list[ScryptCase]:
    """RFC 7914, section 12. The last of the four takes 1 GiB of memory."""
    return [
        ScryptCase(
            name=f"RFC 7914 #{number}",
            password=case["PASSWORD"].encode(),
            salt=case["SALT"].encode(),
            n=int(case["N"]),
            r=int(case["R"]),
            p=int(case["P"]),
            derived=bytes.fromhex(case["DERIVED_KEY"]),
        )
        for number, case in enumerate(_cases("KDF/scrypt.txt"), 1)
    ]


def _cases(path: str) -> list[dict[str, str]]:
    """One dict per COUNT, names in upper case."""
    cases: list[dict[str, str]] = []
    for line in read_wheel(path).splitlines():
        name, equals, value = line.partition("=")
        if line.startswith("#") or not equals:
            continue
        if name.strip() == "COUNT":
            cases.append({})
        else:
            cases[-1][name.strip().upper()] = value.strip()
    return cases
