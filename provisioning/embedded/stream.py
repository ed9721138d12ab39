"""Bytes to and from one connection: whole checked packets in, nothing that blocks out.

amqtt reads without a size limit, never times a body out, and does not enforce the keep-alive; its writer
waits without end for a peer that is gone. Its handlers take a reader and a writer: these mend all that.
"""

import asyncio
import socket
import ssl

from amqtt.adapters import ReaderAdapter, WriterAdapter

from provisioning.embedded import packets
from provisioning.embedded.limits import Limits
from provisioning.embedded.packets import Connect, Malformed

_GONE = (asyncio.IncompleteReadError, OSError, TimeoutError, Malformed)


class PacketWriter(WriterAdapter):
    """Writes without waiting; who writes too much is held by `backlog` and by the reader's `drain`."""

    def __init__(self, stream: asyncio.StreamWriter, limits: Limits) -> None:
        self._stream = stream
        self._transport = stream.transport
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._unsent_size = 0
        peer: socket.socket = stream.get_extra_info("socket")
        # asyncio sets TCP_NODELAY itself; with keep-alive 0 only the kernel finds out that a peer is gone.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def closed(self) -> bool:
        return self._transport.is_closing()

    @property
    def backlog(self) -> int:
        """Bytes that the kernel did not take yet."""
        return self._transport.get_write_buffer_size() + self._unsent_size

    def write(self, data: bytes) -> None:
        # One system call for all that a turn of the loop brings: each lets go of the interpreter lock, and
        # the gateway in the same process takes its time to give it back.
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(data)
        self._unsent_size += len(data)

    def _flush(self) -> None:
        data = b"".join(self._unsent)
        self._unsent.clear()
        self._unsent_size = 0
        if data and not self.closed:
            self._transport.write(data)

    async def drain(self) -> None:
        await self._stream.drain()

    def get_peer_info(self) -> tuple[str, int]:
        host, port = (self._stream.get_extra_info("peername") or ("unknown", 0))[:2]
        return host, port

    def get_ssl_info(self) -> ssl.SSLObject | None:
        return None

    async def close(self) -> None:
        """End the connection; what is written still goes out if the peer takes it soon."""
        if self.closed:
            return
        self._flush()
        if self.backlog:
            self._loop.call_later(self._limits.linger_seconds, self._transport.abort)
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()


class PacketReader(ReaderAdapter):
    """Hands amqtt the bytes of one whole, checked packet after the other; the first bad one is the end.

    `ended_by` tells why it ended, for the log.
    """

    def __init__(self, stream: asyncio.StreamReader, writer: PacketWriter, limits: Limits) -> None:
        self._stream = stream
        self._writer = writer
        self._limits = limits
        self._idle_seconds: float | None = None
        self._packet = b""
        self._at = 0
        self._ended = False
        self.ended_by = "the client left"

    def hung_up(self) -> bool:
        """Whether the client left, as far as one can tell without reading on."""
        return self._stream.at_eof() or self._writer.closed

    async def connect(self) -> Connect:
        """The first packet.

        Raises Malformed or UnsupportedVersion for what came, IncompleteReadError, OSError or TimeoutError for
        what did not.
        """
        async with asyncio.timeout(self._limits.connect_seconds):
            first = await self._stream.readexactly(1)
            if first[0] != packets.CONNECT:
                raise Malformed("the first packet is not a CONNECT")
            _, body = await self._rest(self._limits.connect_packet)
        connect = packets.read_connect(first[0], body)
        # MQTT 3.1.1 section 3.1.2.10: one and a half times the keep-alive; 0 turns it off.
        self._idle_seconds = connect.keep_alive * 1.5 or None
        return connect

    async def read(self, n: int = -1) -> bytes:
        """The next `n` bytes of the packet at hand, or nothing once the connection has ended."""
        if self._at == len(self._packet) and not self._ended:
            await self._next()
        chunk = self._packet[self._at : self._at + n]
        self._at += len(chunk)
        return chunk

    def feed_eof(self) -> None:
        self._ended = True

    async def _next(self) -> None:
        self._packet, self._at = b"", 0
        # amqtt answers each packet in a task of its own and cancels those that have not begun when the
        # connection ends; this lets them begin. It also keeps a busy client from starving the others.
        await asyncio.sleep(0)
        try:
            self._packet = await self._fetch()
        except _GONE as error:
            self._ended = True
            self.ended_by = str(error) or "nothing came for too long"

    async def _fetch(self) -> bytes:
        if self._writer.backlog:
            # Who does not read his answers is not read either.
            async with asyncio.timeout(self._limits.packet_seconds):
                await self._writer.drain()
        async with asyncio.timeout(self._idle_seconds):
            first = await self._stream.readexactly(1)
        async with asyncio.timeout(self._limits.packet_seconds):
            length, body = await self._rest(self._limits.packet)
        packets.check(first[0], body)
        # Nothing may follow a DISCONNECT (MQTT 3.1.1 section 3.14.4).
        self._ended = first[0] == packets.DISCONNECT
        return first + length + body

    async def _rest(self, limit: int) -> tuple[bytes, bytes]:
        """The encoded remaining length and the body of a packet whose first byte was read."""
        encoded, length = b"", 0
        while not encoded or encoded[-1] & 0x80:
            if len(encoded) == 4:
                raise Malformed("a remaining length of more than four bytes")
            encoded += await self._stream.readexactly(1)
            length |= (encoded[-1] & 0x7F) << 7 * (len(encoded) - 1)
        if length > limit:
            raise Malformed(f"a packet of {length} bytes; {limit} are allowed")
        return encoded, await self._stream.readexactly(length)
