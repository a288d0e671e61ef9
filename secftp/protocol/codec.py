"""Codec between messages and the type, flags and payload of a frame.

A payload is bounded before it is parsed, parsed directly into its typed structure, and then examined once more: for a
field given twice, which would let two readers of one message see two different things, and for nesting in what no
structure describes. A message to be sent passes the same decoder, so this side never sends what the peer has to refuse.

Invariant: every fault of a peer is a `ProtocolError` with a sentence of our own, in which neither a byte of the peer's
nor msgspec's description of it occurs.

The transfer of a file bypasses this module for DATA: it compares the type, calls `Receiver.accept_data` and uses the
payload in place. `encode` and `decode` handle DATA all the same, so that there is no gap in the table of types.

Source: the MessagePack specification, section "Formats"; docs/PROTOCOL.md, section 8.
"""

from __future__ import annotations

from typing import Final

import msgspec

from secftp.errors import ProtocolError, UsageError
from secftp.protocol.limits import MAX_CLEAR, MAX_DATA, MAX_NESTING, MAX_RATIO
from secftp.protocol.message import (
    MESSAGE_TYPES,
    Buffer,
    CompressedData,
    Data,
    Direction,
    LazyDecoder,
    Message,
    MessageType,
    Ping,
)

_PING: Final = Ping()
_ENCODER: Final = msgspec.msgpack.Encoder()
_FIELDS: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_FIXMAP: Final = 0x80
_FIXMAP_COUNT: Final = 0x0F
_MAP_16: Final = 0xDE
_CLEAR_SIZE_BYTES: Final = 4  # at the beginning of a ZDATA

# What decoding untrusted bytes can raise: msgspec's errors and bad UTF-8 are ValueErrors. RecursionError comes at a
# depth that depends on the interpreter, far beyond the limit of the protocol.
_MALFORMED: Final = (ValueError, RecursionError)


def encode(message: Message) -> tuple[int, int, Buffer]:
    """Return the type, flags and payload of `message`; the payload of a `Data` is passed on as it is.

    Raises `UsageError` if a field is outside the limits of the protocol.
    """
    form = message.TYPE
    decoder = form.decoder
    if decoder is None:
        return form.number, form.flags, _encode_bare(message)
    try:
        payload = _ENCODER.encode(message)
        if payload[0] == _MAP_16 and payload[1] == 0 and payload[2] <= _FIXMAP_COUNT:
            # msgspec chooses the head of a map by how many fields a structure has, not by how many it encodes.
            payload = bytes((_FIXMAP | payload[2],)) + payload[3:]
        decoder.decode(payload)
    except (TypeError, OverflowError, *_MALFORMED) as error:
        raise UsageError(f"A field of {form.name} is outside the bounds of the protocol.") from error
    if len(payload) > form.longest:
        raise UsageError(f"{form.name} would be longer than {form.longest} bytes.")
    return form.number, form.flags, payload


def decode(number: int, flags: int, payload: Buffer, direction: Direction) -> Message:
    """Return the message in a verified frame of type `number`.

    The message keeps no reference to `payload`, except a `Data` or `CompressedData`, whose payload it is. Raises
    `ProtocolError` for an unknown type, a wrong direction, wrong flags, and a payload that is not exactly one valid
    message.
    """
    form = MESSAGE_TYPES.get(number)
    if form is None:
        raise ProtocolError("A message of an unknown type arrived.")
    if direction not in form.directions:
        raise ProtocolError(f"{form.name} does not travel from {direction.value}.")
    if flags != form.flags:
        raise ProtocolError(f"{form.name} arrived with the wrong flags.")
    if form.decoder is None:
        return _decode_bare(form, payload)
    if len(payload) > form.longest:
        raise ProtocolError(f"{form.name} is longer than {form.longest} bytes.")
    return _decode_map(form, form.decoder, payload)


def _encode_bare(message: Message) -> Buffer:
    """Return the payload of one of the three types that carry no map."""
    payload: Buffer = b""
    if isinstance(message, Data):
        payload = message.payload
        if not 1 <= len(payload) <= MAX_DATA:
            raise UsageError(f"A DATA message holds 1 to {MAX_DATA} bytes.")
    elif isinstance(message, CompressedData):
        if not _is_compressed(message.clear_size, len(message.frame)):
            raise UsageError("A ZDATA message holds too much, or too little.")
        payload = b"".join((message.clear_size.to_bytes(_CLEAR_SIZE_BYTES), message.frame))
    return payload


def _is_compressed(clear_size: int, nbytes: int) -> bool:
    """Tell whether so many bytes of a file may come as a frame of `nbytes`: what is allocated for them is bounded."""
    return 1 <= clear_size <= min(MAX_CLEAR, MAX_RATIO * nbytes) and nbytes <= MAX_DATA - _CLEAR_SIZE_BYTES


def _decode_bare(form: MessageType, payload: Buffer) -> Message:
    """Decode the three types whose payload is not a map."""
    if form.struct is Ping:
        if len(payload):
            raise ProtocolError("PING arrived with a payload.")
        return _PING
    if form.struct is CompressedData:
        view = memoryview(payload)
        clear_size, frame = int.from_bytes(view[:_CLEAR_SIZE_BYTES]), view[_CLEAR_SIZE_BYTES:]
        if not _is_compressed(clear_size, len(frame)):
            raise ProtocolError("ZDATA is empty, too long, or compressed by more than is allowed.")
        return CompressedData(clear_size, frame)
    if not 1 <= len(payload) <= MAX_DATA:
        raise ProtocolError(f"DATA holds 1 to {MAX_DATA} bytes.")
    return Data(payload)


def _decode_map(form: MessageType, decoder: LazyDecoder, payload: Buffer) -> Message:
    """Decode one MessagePack map into its structure, and check what the decoder does not."""
    try:
        message: Message = decoder.decode(payload)
        fields = _FIELDS.decode(payload)
        unique = len(fields) == _announced(payload)
        for name in form.maps:
            inner = fields[name]
            unique = unique and len(_FIELDS.decode(inner)) == _announced(memoryview(inner))
        too_deep = _is_too_deep(form, fields)
    except _MALFORMED:
        # `from None`: the cause quotes the peer, and a traceback is a log line, too.
        raise ProtocolError(f"{form.name} is malformed or outside the bounds of the protocol.") from None
    if not unique:
        raise ProtocolError(f"{form.name} names a field twice.")
    if too_deep:
        raise ProtocolError(f"{form.name} is nested deeper than {MAX_NESTING} levels.")
    return message


def _announced(map_: bytes | bytearray | memoryview) -> int:
    """Return how many pairs a MessagePack map announces (fixmap, map 16 or map 32); it has been decoded before."""
    first = map_[0]
    if first < 0x90:  # noqa: PLR2004 - fixmap is 0x80 to 0x8f
        return first & 0x0F
    width = 2 if first == 0xDE else 4  # noqa: PLR2004 - map 16
    return int.from_bytes(map_[1 : 1 + width])


# --- nesting --------------------------------------------------------------------------------------------------------

# A value of a known field is as deep as its type. What the type does not describe (unknown fields, and elements beyond
# those that an array's structure has) is ignored, but bounded. Levels are counted here, and not left to the
# interpreter's recursion limit, which differs between versions of Python: the result depends on the payload alone.


def _is_too_deep(form: MessageType, fields: dict[str, msgspec.Raw]) -> bool:
    """Tell whether a value in a decoded message is nested deeper than `MAX_NESTING` levels.

    `fields` are the fields of the same message as they arrived, the unknown ones included.
    """
    if fields.keys() <= form.fields and not form.parts:
        return False
    return any(
        nested_deeper_than(MAX_NESTING, memoryview(raw))
        for name, raw in fields.items()
        if name not in form.fields or (name in form.parts and not _is_outlined(form.parts[name], raw))
    )


def _is_outlined(outline: LazyDecoder, raw: msgspec.Raw) -> bool:
    """Tell whether a field's value holds only what its structures know."""
    try:
        outline.decode(raw)
    except msgspec.ValidationError:
        return False
    return True


def _scalar_sizes() -> bytes:
    """Return the number of bytes of a value by its first byte; 0 where that byte alone does not tell."""
    sizes = bytearray(256)
    for first in (*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC1, 0xC2, 0xC3):  # fixint, nil, false, true
        sizes[first] = 1
    for first in range(0xA0, 0xC0):  # fixstr
        sizes[first] = 1 + (first & 0x1F)
    for first, size in enumerate((5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18), start=0xCA):  # float to fixext 16
        sizes[first] = size
    return bytes(sizes)


_SCALARS: Final = _scalar_sizes()
# First byte to (width of the length, bytes between it and the content).
_SIZED: Final = {
    0xC4: (1, 0),  # bin
    0xC5: (2, 0),
    0xC6: (4, 0),
    0xC7: (1, 1),  # ext: its type byte
    0xC8: (2, 1),
    0xC9: (4, 1),
    0xD9: (1, 0),  # str
    0xDA: (2, 0),
    0xDB: (4, 0),
}
# First byte to (width of the count, values for each counted element): arrays, and maps with a key and a value each.
_COUNTED: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
_FIXARRAY: Final = 0x90


def nested_deeper_than(levels: int, value: memoryview) -> bool:
    """Tell whether a well-formed MessagePack value is nested deeper than `levels`; a scalar has none, `[]` has one."""
    position, remaining = 0, 1
    enclosing: list[int] = []  # how many values still follow in each enclosing container
    while True:
        while not remaining:
            if not enclosing:
                return False
            remaining = enclosing.pop()
        remaining -= 1
        first = value[position]
        if size := _SCALARS[first]:
            position += size
            continue
        if sized := _SIZED.get(first):
            width, extra = sized
            position += 1 + width + extra + int.from_bytes(value[position + 1 : position + 1 + width])
            continue
        if len(enclosing) == levels:
            return True
        enclosing.append(remaining)
        if counted := _COUNTED.get(first):
            width, each = counted
            remaining = int.from_bytes(value[position + 1 : position + 1 + width]) * each
            position += 1 + width
        else:
            remaining = (first & _FIXMAP_COUNT) * (1 if first >= _FIXARRAY else 2)
            position += 1
