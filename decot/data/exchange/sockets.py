"""One open market connection, and how a line goes out on it. Knows no stream."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

SEND_S = 5.0


@dataclass(eq=False)
class Socket:
    """One open market connection."""

    ws: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    combined: bool
    streams: set[str] = field(default_factory=set)
    silent_until: float = 0.0
    held: list[tuple[int, str]] = field(default_factory=list)
    """frames held back: (how many frames of theirs still go first, frame)"""

    def cut(self) -> None:
        """As if the cable were pulled: no close frame."""
        self.streams.clear()
        if self.transport is not None and hasattr(self.transport, "abort"):
            self.transport.abort()


async def send(socket: Socket, line: str | bytes) -> None:
    """Send a line; a client that is gone or does not read is not waited for longer than `SEND_S`."""
    if socket.ws.closed:
        return
    with suppress(ConnectionError, asyncio.TimeoutError, RuntimeError):
        sending = socket.ws.send_bytes(line) if isinstance(line, bytes) else socket.ws.send_str(line)
        await asyncio.wait_for(sending, SEND_S) if _is_full(socket) else await sending


def _is_full(socket: Socket) -> bool:
    transport = socket.transport
    size = getattr(transport, "get_write_buffer_size", None)
    return bool(size and size() > 1 << 16)
