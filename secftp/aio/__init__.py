"""The client for asyncio: the names, exceptions and promises of `secftp.Client`, with `await`.

    import asyncio
    import secftp.aio

    async def main():
        async with secftp.aio.connect("secftp://example.org", key_file="~/.secftp.key") as client:
            await client.write_bytes("notes.txt", b"...")
            async for entry in client.scandir():
                print(entry.name)

    asyncio.run(main())

It needs the library greenlet: `pip install 'secftp[aio]'`. The public names are those of this module.
"""

from secftp.aio.client import AsyncClient, connect
from secftp.aio.interface import AsyncIteration, AsyncListing, Opening
from secftp.aio.reader import AsyncReader
from secftp.aio.text_files import AsyncTextReader, AsyncTextWriter
from secftp.aio.writer import AsyncWriter

__all__ = [
    "AsyncClient",
    "AsyncIteration",
    "AsyncListing",
    "AsyncReader",
    "AsyncTextReader",
    "AsyncTextWriter",
    "AsyncWriter",
    "Opening",
    "connect",
]
