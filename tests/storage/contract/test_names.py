"""Names: every entrance of every store refuses the same ones, whatever is there."""

from __future__ import annotations

import pytest

from secftp.errors import NameRefused
from secftp.storage import WriteOptions
from tests.storage.contract.test_sink import put
from tests.storage.test_names import ENTRANCES, REFUSED, ROOT_IS_AN_ANSWER

NOT_OF_EVERY_STORE = [b"\xff\xfe", b"\xed\xa0\x80", b"new\nline", b"\x01", b"\x7f", b"tab\t"]
LOCAL_ONLY = {"create_sink kept", "resume_sink", "stat partial"}


@pytest.mark.parametrize("call", sorted(ENTRANCES.keys() - LOCAL_ONLY))
def test_every_entrance_refuses_a_hostile_name(backing, store, call):
    for path in REFUSED:
        if path or call not in ROOT_IS_AN_ANSWER:
            with pytest.raises(NameRefused):
                ENTRANCES[call](store, path)
    assert backing.files() == {}


@pytest.mark.parametrize("name", NOT_OF_EVERY_STORE)
def test_names_that_only_some_stores_take(backing, store, name):
    if backing.traits.any_bytes:
        put(store, b"x", (name,))
        assert backing.files() == {(name,): b"x"}
        return
    backing.write((b"taken",))
    for call in ENTRANCES.keys() - LOCAL_ONLY:
        for path in ((name,), (b"sub", name), (name, b"x")):
            with pytest.raises(NameRefused):
                ENTRANCES[call](store, path)
    with store.small_files() as files:
        (result,) = files.write_each([((name,), memoryview(b"x"), WriteOptions())])
        (found,) = files.read_each([(name,)], 10)
    assert isinstance(result, NameRefused)
    assert isinstance(found, NameRefused)
    assert backing.files() == {(b"taken",): b"x"}
