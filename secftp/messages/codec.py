"""Between a message and a frame's (type, flags, payload).

Strategy: a payload is bounded before it is parsed, parsed straight into its typed structure, and then looked at once
more for a field given twice, which would let two readers of one message see two different things. A message is put
through the same decoder before it leaves, so this side never says what the peer has to refuse. Every fault of a peer
is a `ProtocolError` with a sentence of our own: neither a peer's bytes nor msgspec's words about them must ever stand
in it.

DATA does not belong here: whoever moves files compares the type, calls `Receiver.accept_data` and uses the payload
where it lies. `encode` and `decode` know DATA all the same, so that the table has no hole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from secftp.errors import ProtocolError, UsageError
from secftp.messages.bounds import MAX_DATA, MAX_NESTING
from secftp.messages.nesting import is_too_deep
from secftp.messages.schema import REGISTRY, Buffer, Data, Direction, Message, MessageType, Ping, Welcome

_PING = Ping()


class _Format(NamedTuple):
    """How one type is read: exact flags, longest payload, and the decoder; DATA and PING carry no map and have none."""

    flags: int
    longest: int
    decoder: msgspec.msgpack.Decoder[Any] | None


_FORMATS: dict[int, _Format] = {
    entry.number: _Format(
        entry.flags,
        entry.longest,
        None if entry.struct in (Data, Ping) else msgspec.msgpack.Decoder(entry.struct),
    )
    for entry in REGISTRY
}
_HEADS: dict[type[Message], tuple[MessageType, int]] = {entry.struct: (entry.number, entry.flags) for entry in REGISTRY}
_ALLOWED: dict[Direction, frozenset[int]] = {
    direction: frozenset(int(entry.number) for entry in REGISTRY if direction in entry.directions)
    for direction in Direction
}
_ENCODER = msgspec.msgpack.Encoder()
_FIELDS = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])

# What decoding untrusted bytes can raise: msgspec's errors and bad UTF-8 are ValueErrors. RecursionError comes at a
# depth that depends on the interpreter, far beyond the bound of the protocol.
_MALFORMED = (ValueError, RecursionError)


def encode(message: Message) -> tuple[int, int, Buffer]:
    """Return (type, flags, payload) of `message`; a `Data`'s payload is handed on as it is.

    Raises `UsageError` if a field is not within the bounds of the protocol.
    """
    number, flags = _HEADS[type(message)]
    form = _FORMATS[number]
    decoder = form.decoder
    if decoder is None:
        payload: Buffer = message.payload if isinstance(message, Data) else b""
        if isinstance(message, Data) and not 1 <= len(payload) <= MAX_DATA:
            raise UsageError(f"A DATA message holds 1 to {MAX_DATA} bytes.")
        return number, flags, payload
    try:
        payload = _ENCODER.encode(message)
        decoder.decode(payload)
    except (TypeError, OverflowError, *_MALFORMED) as error:
        raise UsageError(f"A field of {number.name} is outside the bounds of the protocol.") from error
    if len(payload) > form.longest:
        raise UsageError(f"{number.name} would be longer than {form.longest} bytes.")
    return number, flags, payload


def decode(number: int, flags: int, payload: Buffer, direction: Direction) -> Message:
    """Return the message that a verified frame of type `number` carries.

    Nothing of `payload` is kept, except by a `Data`, which refers to it. Raises `ProtocolError` for an unknown type, a
    wrong direction, wrong flags, and a payload that is not exactly one valid message.
    """
    form = _FORMATS.get(number)
    if form is None:
        raise ProtocolError("A message of an unknown type arrived.")
    if number not in _ALLOWED[direction]:
        raise ProtocolError(f"{MessageType(number).name} does not travel from {direction.value}.")
    if flags != form.flags:
        raise ProtocolError(f"{MessageType(number).name} arrived with the wrong flags.")
    if form.decoder is None:
        return _decode_bare(number, payload)
    if len(payload) > form.longest:
        raise ProtocolError(f"{MessageType(number).name} is longer than {form.longest} bytes.")
    return _decode_map(number, form.decoder, payload)


def _decode_bare(number: int, payload: Buffer) -> Message:
    """Read the two types whose payload is not a map."""
    if number == MessageType.PING:
        if len(payload):
            raise ProtocolError("PING arrived with a payload.")
        return _PING
    if not 1 <= len(payload) <= MAX_DATA:
        raise ProtocolError(f"DATA holds 1 to {MAX_DATA} bytes.")
    return Data(payload)


def _decode_map(number: int, decoder: msgspec.msgpack.Decoder[Any], payload: Buffer) -> Message:
    """Read one MessagePack map into its structure, and see that no field was given twice."""
    try:
        message: Message = decoder.decode(payload)
        fields = _FIELDS.decode(payload)
        unique = len(fields) == _announced(payload)
        if unique and isinstance(message, Welcome):
            # The one structure inside another.
            limits = fields["limits"]
            unique = len(_FIELDS.decode(limits)) == _announced(memoryview(limits))
        too_deep = is_too_deep(message, fields)
    except _MALFORMED:
        # `from None`: the cause quotes the peer, and a traceback is a log line too.
        raise ProtocolError(f"{MessageType(number).name} is malformed or outside the bounds of the protocol.") from None
    if not unique:
        raise ProtocolError(f"{MessageType(number).name} names a field twice.")
    if too_deep:
        raise ProtocolError(f"{MessageType(number).name} is nested deeper than {MAX_NESTING} levels.")
    return message


def _announced(map_: bytes | bytearray | memoryview) -> int:
    """Return how many pairs a MessagePack map says it has (fixmap, map 16 or map 32); it has been decoded before."""
    first = map_[0]
    if first < 0x90:  # noqa: PLR2004 - fixmap is 0x80 to 0x8f
        return first & 0x0F
    width = 2 if first == 0xDE else 4  # noqa: PLR2004 - map 16
    return int.from_bytes(map_[1 : 1 + width])
