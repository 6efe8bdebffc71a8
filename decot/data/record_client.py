"""A ccxt client that waits when told to wait, and lets us read its frames. The only door to ccxt in this room.

ccxt ignores Retry-After, raises nothing on a silent socket, and a frame its handlers cannot digest ends its receive
loop without a word. So every REST call passes one gate, and every frame passes us first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from decot import clock
from decot.errors import ConfigError, VenueUnavailable

Answer = TypeVar("Answer")
Tap = Callable[[str, str | bytes], bool]
"""sees (address of the socket, frame) first; False keeps the frame from ccxt"""

MAX_WAIT_S = 120.0
FIRST_PAUSE_S = 0.05
BINANCE_FAMILY = ("binance", "binanceusdm", "binancecoinm", "binanceus")


def open_client(exchange: str, settings: dict[str, Any] | None = None) -> Any:
    """A ccxt.pro client by name.

    Raises:
        ConfigError: ccxt.pro has no such exchange.
    """
    import ccxt.pro

    if exchange not in ccxt.pro.exchanges:
        near = [name for name in ccxt.pro.exchanges if name[:3] == exchange[:3]]
        raise ConfigError(
            [f"exchange {exchange!r} is unknown to ccxt.pro; near it: {', '.join(near) or 'none'}"]
        )
    return getattr(ccxt.pro, exchange)({"enableRateLimit": True, **(settings or {})})


class Gate:
    """One REST request at a time, and none inside a Retry-After window.

    Holds for requests ccxt makes by itself too (depth snapshots), because it stands in `client.fetch`.
    """

    def __init__(self, client: Any, *, say: Callable[[str], None] | None = None) -> None:
        self.client, self.say = client, say or (lambda text: None)
        self.closed_until = 0.0
        self.requests = self.refused = 0
        self.waited_s = 0.0
        self._one = asyncio.Lock()
        self._fetch = client.fetch
        client.fetch = self.fetch

    async def fetch(self, *args: Any, **kwargs: Any) -> Any:
        """What `client.fetch` does, after waiting for the gate."""
        import ccxt

        async with self._one:
            wait = self.closed_until - clock.stopwatch()
            if wait > 0:
                self.waited_s += wait
                await asyncio.sleep(wait)
            self.requests += 1
            self.client.last_response_headers = None
            try:
                return await self._fetch(*args, **kwargs)
            except (ccxt.DDoSProtection, ccxt.RateLimitExceeded):
                self.refused += 1
                pause = self._retry_after()
                self.closed_until = clock.stopwatch() + pause
                self.say(f"the venue asks for {pause:.1f} s of silence")
                raise

    def _retry_after(self) -> float:
        headers = {str(k).lower(): v for k, v in (self.client.last_response_headers or {}).items()}
        with suppress(ValueError, TypeError):
            return (
                min(max(float(headers["retry-after"]), 0.0) + 0.02, MAX_WAIT_S)
                if headers.get("retry-after")
                else 1.0
            )
        return 1.0

    async def patiently(
        self, call: Callable[[], Awaitable[Answer]], what: str, *, attempts: int = 12
    ) -> Answer:
        """The answer of `call`, tried again while the venue is busy or away.

        Raises:
            VenueUnavailable: after `attempts` failures, with the last of them.
        """
        import ccxt

        for attempt in range(attempts):
            try:
                return await call()
            except ccxt.OperationFailed as error:
                if attempt + 1 == attempts:
                    raise VenueUnavailable(
                        f"{what}: {attempts} attempts failed, the last with {type(error).__name__}: {error!s:.160}; "
                        "try again later, what was fetched so far is kept"
                    ) from error
                self.say(f"{what}: {type(error).__name__}, trying again")
                await asyncio.sleep(min(FIRST_PAUSE_S * 2**attempt, 10.0))
            except ccxt.BaseError as error:
                raise VenueUnavailable(f"{what}: {type(error).__name__}: {error!s:.160}") from error
        raise VenueUnavailable(f"{what}: no attempt was allowed")


def listen(client: Any, tap: Tap, trouble: Callable[[str], None]) -> None:
    """Show every frame of every socket of a ccxt.pro client to `tap` first.

    A frame that ccxt's own handlers cannot digest is reported to `trouble` and the socket lives on.
    """
    import ccxt

    make = client.client

    def tapped(url: str) -> Any:
        socket = make(url)
        if not getattr(socket, "is_tapped", False):
            socket.is_tapped = True
            digest = socket.handle_text_or_binary_message

            def receive(data: str | bytes) -> None:
                if not tap(url, data):
                    return
                try:
                    digest(data)
                except (
                    ccxt.BaseError,
                    LookupError,
                    ValueError,
                    TypeError,
                    AttributeError,
                    ArithmeticError,
                ) as error:
                    trouble(f"ccxt could not digest a frame: {type(error).__name__}: {error!s:.120}")

            socket.handle_text_or_binary_message = receive
        return socket

    client.client = tapped


def leave(client: Any, url: str, reason: Exception) -> Any | None:
    """Give a socket up: whoever waits on it is told, the next watch call opens a new one. The old one is handed back."""
    import ccxt

    socket = client.clients.pop(url, None)
    if socket is None:
        return None
    socket.error = ccxt.NetworkError(str(reason))  # or its farewell would remove the socket that follows it
    socket.reject(socket.error)
    return socket


async def hang_up(socket: Any) -> None:
    """Close a socket that was left; a dead peer is not waited for."""
    with suppress(asyncio.TimeoutError, ConnectionError, RuntimeError):
        await asyncio.wait_for(socket.aiohttp_close(), 1.0)
