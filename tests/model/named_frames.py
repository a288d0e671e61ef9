"""Named vectors of frames: valid ones, and whole frames that are misplaced, truncated or protected the wrong way.

An invalid stream has a good frame before the bad one and, where the bad one has an end, a good one after it. So a
receiver that skips a bad frame, or that was dead already, doesn't pass. What is wrong inside a frame whose tag is
right stands in named_plain.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model import aes, frames, schedule
from tests.model.failure import Failure
from tests.model.frames import END, REKEY_BITS, Direction, Frame, Material
from tests.model.hkdf import sha256
from tests.model.poly1305 import PRIME, TAG, poly1305
from tests.model.schedule import Suite
from tests.model.vectors import FrameCase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECRET = sha256(b"secftp/1 named vectors: c2s")
SECRET_BACK = sha256(b"secftp/1 named vectors: s2c")
SECRET_OTHER = sha256(b"secftp/1 named vectors: another session")

BEFORE = Frame(0x03, payload=b"the frame before")
MIDDLE = Frame(0x03, payload=b"the frame in the middle of three")
AFTER = Frame(0x04, END, b"the frame after")
STORY = (BEFORE, MIDDLE, AFTER)


def way(suite: Suite, secret: bytes = SECRET, rekey_bits: int = REKEY_BITS) -> Direction:
    return Direction(suite, secret, rekey_bits)


def valid(name: str, about: str, to: Direction, opened: Sequence[Frame]) -> FrameCase:
    wire = tuple(frames.seal_all(to, opened))
    return FrameCase(
        f"{to.suite.name.lower()}-{name}", about, to.suite, to.secret, to.rekey_bits, wire, tuple(opened), None, None
    )


def refused(
    name: str, about: str, to: Direction, failure: Failure, wire: Sequence[bytes], opened: Sequence[Frame] = (BEFORE,)
) -> FrameCase:
    """A stream of which `opened` opens and the frame after that does not."""
    return FrameCase(
        f"{to.suite.name.lower()}-{name}",
        about,
        to.suite,
        to.secret,
        to.rekey_bits,
        tuple(wire),
        tuple(opened),
        failure,
        len(opened),
    )


def second(name: str, about: str, suite: Suite, failure: Failure, bad: bytes) -> FrameCase:
    """`bad` in the place of the second of three frames."""
    first, _, last = frames.seal_all(way(suite), STORY)
    return refused(name, about, way(suite), failure, (first, bad, last))


def cases() -> Iterator[FrameCase]:
    for suite in Suite:
        yield from _valid(suite)
    for suite in Suite:
        yield from _lengths(suite)
        yield from _tags(suite)
        yield from _order(suite)
        yield from _cut(suite)
        yield from _epochs(suite)
    yield from _suites()
    yield from _wrong_tags()
    yield from _tag_bytes()


def _valid(suite: Suite) -> Iterator[FrameCase]:
    to = way(suite)
    yield valid("empty", "A frame without payload.", to, [Frame(0x02)])
    for size in (7, 8, 9):
        about = f"A payload of {size} bytes: with its header one byte short of a block, a block, one byte more."
        yield valid(f"payload-{size}", about, to, [Frame(0x03, payload=bytes(range(size)))])
    yield valid("end", "The END flag.", to, [Frame(0x06, END)])
    yield valid("types", "Frames don't judge their type.", to, [Frame(kind) for kind in (0x00, 0x7F, 0x80, 0xFF)])
    yield valid("zero-bytes", "Zero bytes and nothing else.", to, [Frame(0x02, padding=20)])
    ambiguous = [Frame(0x03, payload=bytes(3), padding=3), Frame(0x03, payload=bytes([16]) * 24)]
    yield valid("ambiguous", "Payloads that look like zero bytes and like PKCS #7.", to, ambiguous)
    growing = [Frame(0x03, payload=bytes([size]) * size) for size in range(20)]
    yield valid("numbers", "Twenty frames with payloads of 0 to 19 bytes, numbered 0 to 19.", to, growing)
    rekeyed = [Frame(0x03, payload=bytes([size]) * size) for size in range(9)]
    yield valid("rekey", "Nine frames in epochs of four.", way(suite, rekey_bits=2), rekeyed)


def _lengths(suite: Suite) -> Iterator[FrameCase]:
    to = way(suite)
    first = frames.seal(to, 0, BEFORE)
    limits = {Suite.NONE: (0, 1, 7, 65545, 65552), Suite.AES256: (0, 15, 17, 65553, 65568)}
    many = (0, 1, 8, 15, 17, 24, 31, 33, 65551, 65553, 65560, 65568, 2**24, 0x10000000, 0x7FFFFFF0, 0x80000010)
    for length in (*limits.get(suite, many), 2**32 - 16, 2**32 - 1):
        about = f"ctlen {length}, and no byte after it: the length alone must be enough to refuse."
        yield refused(f"length-{length}", about, to, Failure.LENGTH, (first, length.to_bytes(4, "big")))
    for length in (0, 7) if suite is Suite.NONE else (0, 8, 15, 17, 24):
        bad = frames.authenticate(frames.material(to, 1), bytes(length))
        about = f"ctlen {length} with all of its bytes and a valid tag."
        yield second(f"length-{length}-authentic", about, suite, Failure.LENGTH, bad)


def _flip(data: bytes, position: int, bits: int = 1) -> bytes:
    changed = bytearray(data)
    changed[position] ^= bits
    return bytes(changed)


def _tags(suite: Suite) -> Iterator[FrameCase]:
    """Bytes changed on the way, and tags that belong to something else."""
    first, good, _ = frames.seal_all(way(suite), STORY)
    for place, position in (("first", 4), ("middle", len(good) // 2), ("last", -TAG - 1)):
        about = f"One bit of the {place} byte of C is flipped."
        yield second(f"ciphertext-{place}", about, suite, Failure.TAG, _flip(good, position))
    for place, position in (("first", -TAG), ("last", -1)):
        about = f"The highest bit of the tag's {place} byte is flipped."
        yield second(f"tag-{place}", about, suite, Failure.TAG, _flip(good, position, 0x80))
    for name, tag in (("zero", bytes(TAG)), ("ones", b"\xff" * TAG), ("previous", first[-TAG:])):
        about = f"The tag is {'the one of the frame before' if name == 'previous' else 'constant'}."
        yield second(f"tag-{name}", about, suite, Failure.TAG, good[:-TAG] + tag)
    ciphertext = good[frames.LENGTH : -TAG]
    cut = (len(ciphertext) - 16).to_bytes(4, "big") + ciphertext[:-16] + good[-TAG:]
    yield second("block-dropped", "The last 16 bytes of C are gone and ctlen says so.", suite, Failure.TAG, cut)
    swapped = good[:4] + good[20:36] + good[4:20] + good[36:]
    yield second("blocks-swapped", "The first two blocks of C changed places.", suite, Failure.TAG, swapped)
    for name, change in (("grown", 16), ("shrunk", -16)):
        bad = (len(ciphertext) + change).to_bytes(4, "big") + good[frames.LENGTH :]
        yield second(f"length-{name}", f"ctlen is {abs(change)} bytes off, the rest is whole.", suite, Failure.TAG, bad)


def _order(suite: Suite) -> Iterator[FrameCase]:
    to = way(suite)
    one, two, three = frames.seal_all(to, STORY)
    tag = Failure.TAG
    yield refused("order-swapped", "The second and the third frame changed places.", to, tag, (one, three, two))
    yield refused("order-repeated", "The first frame comes twice.", to, tag, (one, one, two, three))
    yield refused("order-dropped", "The second frame is missing.", to, tag, (one, three))
    yield refused("order-beheaded", "The first frame is missing.", to, tag, (two, three), ())
    yield refused("order-replayed", "The whole stream comes again.", to, tag, (one, two, three, one, two, three), STORY)
    back = frames.seal_all(way(suite, SECRET_BACK), STORY)
    yield refused("direction-reflected", "The other direction's frames.", to, tag, back, ())
    yield refused("direction-one", "One frame of the other direction, with its number.", to, tag, (one, back[1], three))
    other = frames.seal_all(way(suite, SECRET_OTHER), STORY)
    yield refused("session-replayed", "Another session's frames.", to, tag, other, ())
    yield refused("session-spliced", "From the second frame on another session's.", to, tag, (one, *other[1:]))


def _cut(suite: Suite) -> Iterator[FrameCase]:
    to = way(suite)
    one, two, three = frames.seal_all(to, STORY)
    places = (("length", 2), ("after-length", 4), ("ciphertext", 20), ("before-tag", len(two) - TAG), ("tag", -1))
    for name, end in places:
        about = "The stream ends inside the second frame. That is never an end."
        yield refused(f"truncated-{name}", about, to, Failure.INCOMPLETE, (one, two[:end]))
    middle = len(two) // 2
    yield refused(
        "byte-lost", "One byte of C is missing.", to, Failure.TAG, (one, two[:middle] + two[middle + 1 :], three)
    )
    doubled = two[:middle] + two[middle - 1 : middle] + two[middle:]
    yield refused("byte-doubled", "One byte of C comes twice.", to, Failure.TAG, (one, doubled, three))
    about = "A zero byte between two frames: the next length is a 256th."
    yield refused("byte-inserted", about, to, Failure.LENGTH, (one, b"\0" + two, three))
    yield refused("bytes-appended", "One byte after the last frame.", to, Failure.INCOMPLETE, (one, b"\0"))


def _epochs(suite: Suite) -> Iterator[FrameCase]:
    yield refused(
        "epoch-ahead-at-0",
        "Frame 0 under the keys of epoch 1.",
        way(suite),
        Failure.TAG,
        frames.seal_all(way(suite, schedule.epoch_secret(SECRET, 1)), STORY),
        (),
    )
    to = way(suite, rekey_bits=2)
    story = [Frame(0x03, payload=bytes([number])) for number in range(6)]
    good = frames.seal_all(to, story)
    stale = frames.seal(way(suite), 4, story[4])
    about = "Epochs of four frames; frame 4 is still under epoch 0."
    yield refused("epoch-late", about, to, Failure.TAG, (*good[:4], stale, good[5]), story[:4])
    early = frames.seal(way(suite, schedule.epoch_secret(SECRET, 1)), 3, story[3])
    about = "Epochs of four frames; frame 3 is under epoch 1 already."
    yield refused("epoch-early", about, to, Failure.TAG, (*good[:3], early, *good[4:]), story[:3])
    skipped = frames.seal(way(suite, schedule.epoch_secret(SECRET, 2)), 4, story[4])
    about = "Epochs of four frames; frame 4 is under epoch 2."
    yield refused("epoch-skipped", about, to, Failure.TAG, (*good[:4], skipped, good[5]), story[:4])
    if suite is not Suite.NONE:
        fresh, old = frames.material(to, 4), schedule.cipher_key(SECRET, suite)
        mixed = Material(old, fresh.iv, fresh.tag_key)
        bad = frames.authenticate(mixed, frames.encrypt(suite, mixed, frames.plain(story[4])))
        about = "Epochs of four frames; frame 4 has its tag under epoch 1 and is encrypted under epoch 0."
        yield refused("epoch-cipher-late", about, to, Failure.PADDING, (*good[:4], bad, good[5]), story[:4])


def _suites() -> Iterator[FrameCase]:
    """Frames of another suite under the same secret. The tags are right: the tag key doesn't depend on the suite."""
    for sent, expected, failure in (
        (Suite.AES256, Suite.AES128, Failure.PADDING),
        (Suite.AES128, Suite.AES256, Failure.PADDING),
        (Suite.AES128, Suite.NONE, Failure.HEADER),
        (Suite.NONE, Suite.AES128, Failure.PADDING),
        (Suite.NONE, Suite.AES256, Failure.PADDING),
    ):
        block = Frame(0x03, payload=b"exactly 24 bytes of text")
        wire = frames.seal_all(way(sent), [block, block])
        about = f"Sealed under suite {sent.name.lower()} with the same secret."
        yield refused(f"suite-{sent.name.lower()}", about, way(expected), failure, wire, ())


def _wrong_tags() -> Iterator[FrameCase]:
    """Tags of implementations that got the construction wrong."""
    suite = Suite.AES128
    keys = frames.material(way(suite), 1)
    r, s = keys.tag_key[:16], keys.tag_key[16:]
    data = frames.plain(MIDDLE)
    body = frames.encrypt(suite, keys, data)
    length = len(body).to_bytes(4, "big")
    little = length[::-1]
    total = 0
    for i in range(0, len(length + body), 16):
        chunk = int.from_bytes((length + body)[i : i + 16] + b"\1", "little")
        total = (total + chunk) * int.from_bytes(r, "little") % PRIME
    unclamped = (total + int.from_bytes(s, "little")) % 2**128
    wrong = {
        "no-length": ("over C without ctlen", poly1305(keys.tag_key, body)),
        "plaintext": ("over ctlen and the padded P", poly1305(keys.tag_key, length + frames.pad(data))),
        "little-endian": ("over ctlen in little-endian", poly1305(keys.tag_key, little + body)),
        "swapped-key": ("under s || r", poly1305(s + r, length + body)),
        "no-s": ("without s", poly1305(r + bytes(16), length + body)),
        "unclamped": ("with r not clamped", unclamped.to_bytes(16, "little")),
        "reversed": ("in the wrong byte order", poly1305(keys.tag_key, length + body)[::-1]),
        "number": ("under the key of number 2", poly1305(frames.material(way(suite), 2).tag_key, length + body)),
        "iv": ("under IV || r", poly1305(keys.iv + r, length + body)),
    }
    for name, (about, tag) in wrong.items():
        yield second(f"mac-{name}", f"A tag {about}.", suite, Failure.TAG, length + body + tag)
    ecb = aes.ecb_encrypt(keys.cipher_key, frames.pad(data))
    variants = {
        "ecb": ("ECB instead of CBC", ecb),
        "zero-iv": ("an IV of zeros", aes.cbc_encrypt(keys.cipher_key, bytes(16), frames.pad(data))),
        "next-iv": (
            "the IV of number 2",
            aes.cbc_encrypt(keys.cipher_key, frames.material(way(suite), 2).iv, frames.pad(data)),
        ),
    }
    for name, (about, bad) in variants.items():
        wire = frames.authenticate(keys, bad)
        failure = Failure.PADDING if name == "ecb" else Failure.HEADER
        yield second(f"cipher-{name}", f"Encrypted with {about}; the tag is right.", suite, failure, wire)


def _tag_bytes() -> Iterator[FrameCase]:
    """Every byte of the tag counts."""
    good = frames.seal(way(Suite.AES128), 1, MIDDLE)
    for byte in range(TAG):
        about = f"One bit of byte {byte} of the tag is flipped."
        yield second(f"tag-byte-{byte}", about, Suite.AES128, Failure.TAG, _flip(good, len(good) - TAG + byte))
