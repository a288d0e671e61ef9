"""A stand-in for `secftp.crypto` that records what a key would have stretched, so that key tests need no scrypt."""

from __future__ import annotations

import sys
import types

import pytest


class Password:
    """Remembers how it was made; `made` holds one entry for each object, over the whole test."""

    made: list[tuple[str, bytes]]

    def __init__(self, kind: str, material: bytes) -> None:
        self.kind = kind
        self.material = material
        self.made.append((kind, material))

    @classmethod
    def from_key(cls, text: bytes) -> Password:
        return cls("text", text)

    @classmethod
    def from_secret(cls, secret: bytes) -> Password:
        return cls("secret", secret)

    @classmethod
    def random(cls) -> Password:
        return cls("random", bytes(range(100, 132)))

    def secret(self) -> bytes:
        return self.material


@pytest.fixture
def recorded(monkeypatch):
    """Puts the stand-in in `secftp.crypto`'s place; its value is the list of what was made."""
    module = types.ModuleType("secftp.crypto")
    module.Password = Password
    monkeypatch.setitem(sys.modules, "secftp.crypto", module)
    monkeypatch.setattr(Password, "made", [], raising=False)
    return Password.made


def material(key) -> tuple[str, bytes]:
    """How `key` stretches and what."""
    password = key.password()
    return password.kind, password.material
