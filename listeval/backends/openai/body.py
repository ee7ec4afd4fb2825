"""The body of an HTTP answer, read within bounds: of its size, packed and unpacked, and of the memory of all together.

The decoders of the HTTP client unpack a whole piece at once, and as many layers as the server names: a megabyte may
become gigabytes. Here an answer is unpacked piece by piece, from gzip or deflate alone and from one layer, and dropped
as soon as it is longer than any answer can be. Bodies of ordinary size are read side by side; larger ones take turns,
and are unpacked on a thread, so that other answers go on meanwhile.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

LIMIT = 2 << 20
"""Bytes that an answer may have, beside what its token budget accounts for."""
LIST_LIMIT = 4 << 20
"""Bytes that a list of models may have."""
_ORDINARY = 256 << 10
_PIECE = 64 << 10
_GZIP = b"\x1f\x8b"
_AT_ONCE = 2
"""Larger bodies that are read at the same time."""

ENCODINGS = "gzip, deflate"
"""What is offered to the server; what it sends in another encoding is not unpacked."""


class UnreadableBody(Exception):
    """A body that is not read: longer than an answer can be, or packed in a way that was not offered."""


def limit_of(max_tokens: int) -> int:
    """Bytes that an answer of `max_tokens` tokens may have: its text, its reasoning twice, its ids, all escaped."""
    return LIMIT + 64 * max_tokens


class BodyReader:
    """Reads bodies on one event loop; large ones wait for each other."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def read(self, response: httpx.Response, limit: int) -> bytes:
        """The unpacked body. Raises UnreadableBody, and what the client raises of the network.

        An error's body is only read as far as its words may reach.
        """
        unpacker = _Unpacker(response.headers.get("Content-Encoding", ""), limit)
        stream = response.aiter_raw(_PIECE)
        async for piece in stream:
            unpacker.feed(piece, _ORDINARY)
            if unpacker.size >= _ORDINARY:
                break
        else:
            return unpacker.body()
        if not response.is_success:
            return unpacker.body(whole=False)
        async with self._turns:
            await asyncio.to_thread(unpacker.feed, b"", limit)
            async for piece in stream:
                await asyncio.to_thread(unpacker.feed, piece, limit)
            return unpacker.body()


class _Unpacker:
    """Bytes of one body as they come, unpacked as far as is asked for and kept."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise UnreadableBody(f"it is packed as {self._encoding[:40]!r}, which was not offered")
        self._limit, self._raw, self._body = limit, 0, bytearray()
        self._left = b""
        self._inflate = None if self._encoding in ("", "identity") else zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._started = False

    @property
    def size(self) -> int:
        """Unpacked bytes so far, and packed ones that wait."""
        return len(self._body) + len(self._left)

    def feed(self, piece: bytes, upto: int) -> None:
        """Take `piece`; unpack until `upto` bytes are there.

        Raises UnreadableBody beyond the limit and for bad packing.
        """
        self._raw += len(piece)
        if self._raw > self._limit:
            raise UnreadableBody(f"it is longer than {self._limit:,} bytes")
        if self._inflate is None:
            self._body += piece
            return
        self._left += piece
        try:
            while self._left and len(self._body) <= upto:
                self._unpack()
        except zlib.error as error:
            raise UnreadableBody(f"it does not unpack as {self._encoding}: {error}") from None

    def _unpack(self) -> None:
        assert self._inflate is not None, "only packed bodies come here"
        if self._inflate.eof:
            # Another member of the same gzip file.
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            self._body += self._inflate.decompress(self._left, _PIECE)
        except zlib.error:
            if self._started or self._encoding != "deflate":
                raise
            # Some servers send deflate without the frame that the standard asks for.
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            self._body += self._inflate.decompress(self._left, _PIECE)
        self._started = True
        self._left = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        if self._inflate.eof and not self._left.startswith(_GZIP):
            self._left = b""  # Padding, which is nothing.
        if len(self._body) > self._limit:
            raise UnreadableBody(f"unpacked it is longer than {self._limit:,} bytes")

    def body(self, *, whole: bool = True) -> bytes:
        """What was unpacked. Raises UnreadableBody where it should be the whole and the packing breaks off."""
        if whole and self._inflate is not None and self._started and not self._inflate.eof:
            raise UnreadableBody(f"its {self._encoding} breaks off")
        return bytes(self._body)
