"""A time-boxed line to one MCP server. Knows the protocol's official client; knows nothing of bars or models.

The server is talked to on a thread of its own, over one connection that is kept. A server that is not up yet gets
`connect_s` to start, once; after that whoever asks waits at most `time_box_s`. An answer that comes later is kept for
the next one who asks, stamped with its own arrival. A server that hangs is dropped after `give_up_s` and left alone for
`retry_s`. Nothing here raises into the pipeline.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TextIO

from decot import clock
from decot.context.mcp_readings import N_CONTEXT, McpConfig, Reading, number_in

_LOG = logging.getLogger("decot.context.mcp")


def _now_ms() -> int:
    return clock.now_us() // 1_000


class McpFeed:
    """Readings of one configured server; `read` always answers within the time box."""

    def __init__(self, cfg: McpConfig, *, now_ms: Callable[[], int] = _now_ms) -> None:
        self._cfg, self._now_ms = cfg, now_ms
        self._last = Reading(now_ms(), why="not asked yet")
        self._asked: Future[None] | None = None
        self._left_alone_until_ms = 0
        self._failed = ""
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._line: asyncio.Task[None] | None = None
        self._up: Future[None] = Future()
        self._inbox: asyncio.Queue[asyncio.Future[list[Any]]] = asyncio.Queue()
        self._thread = threading.Thread(target=self._loop.run_forever, name="decot-mcp", daemon=True)
        self._thread.start()

    def read(self) -> Reading:
        """The latest known reading if it is fresh, else a new one; masked, with the reason, when there is none.

        Never raises, and never waits longer than `time_box_s`, or `connect_s` more when the server must be started
        first; while an answer is overdue nobody waits at all.
        """
        now = self._now_ms()
        if self._last.known and now - self._last.available_ms <= self._cfg.fresh_s * 1e3:
            return self._last
        self._settle()
        if now < self._left_alone_until_ms:
            return self._remember(self._masked(f"left alone after: {self._failed}"))
        if self._asked is not None:
            return self._remember(self._masked("an answer is overdue"))
        if self._line is None or self._line.done():
            self._up = Future()
        self._asked = asyncio.run_coroutine_threadsafe(self._ask(self._up), self._loop)
        wait({self._asked, self._up}, timeout=self._cfg.connect_s, return_when=FIRST_COMPLETED)
        if not (self._asked.done() or self._up.done()):
            return self._remember(self._masked(f"not up within {self._cfg.connect_s:g} s"))
        wait([self._asked], timeout=self._cfg.time_box_s)
        if not self._asked.done():
            return self._remember(self._masked(f"no answer within {self._cfg.time_box_s:g} s"))
        self._settle()
        return self._last

    def _settle(self) -> None:
        """Take note of a finished question; a failure or rubbish starts the time of leaving alone."""
        if self._asked is None or not self._asked.done():
            return
        failure, self._asked = self._asked.exception(), None
        if failure is not None:
            self._remember(self._masked(_reason(failure)))
        if not self._last.known:
            self._failed = self._last.why
            self._left_alone_until_ms = self._now_ms() + round(self._cfg.retry_s * 1e3)

    def close(self) -> None:
        """Hang up and stop the server that was started; waits a moment, never for ever."""
        if self._loop.is_closed():
            return
        wait([asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop)], timeout=8.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=2.0)
        if not self._thread.is_alive():
            self._loop.close()

    def _masked(self, why: str) -> Reading:
        return Reading(self._now_ms(), why=why)

    def _remember(self, reading: Reading) -> Reading:
        with self._lock:
            if reading.why and reading.why != self._last.why:
                _LOG.warning("context masked: %s", reading.why)
            self._last = reading
        return reading

    async def _ask(self, up: Future[None]) -> None:
        """One round of questions over the kept line; raises what went wrong on it."""
        if self._line is None or self._line.done():
            self._inbox = asyncio.Queue()
            self._line = asyncio.create_task(self._hold_line(up))
        answer: asyncio.Future[list[Any]] = self._loop.create_future()
        self._inbox.put_nowait(answer)
        first: set[asyncio.Future[Any]] = {asyncio.wrap_future(up), self._line}
        longest_s = max(self._cfg.connect_s, self._cfg.give_up_s)
        await asyncio.wait(first, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
        if not up.done() and not self._line.done():
            self._line.cancel()
            raise TimeoutError(f"not up in {longest_s:g} s; the line was dropped")
        either: set[asyncio.Future[Any]] = {answer, self._line}
        done, _ = await asyncio.wait(either, timeout=self._cfg.give_up_s, return_when=asyncio.FIRST_COMPLETED)
        if answer in done:
            # stamped on arrival: whoever asked may have left long ago
            self._remember(self._reading(answer.result()))
        elif self._line in done:
            failure = self._line.exception()
            raise ConnectionError(f"the line broke: {_reason(failure)}") from failure
        else:
            self._line.cancel()
            raise TimeoutError(f"hung for {self._cfg.give_up_s:g} s; the line was dropped")

    async def _hold_line(self, up: Future[None]) -> None:
        """Connect and say so, then answer whoever puts a future in the inbox; any failure ends the line."""
        from mcp import Client

        # a server that babbles is told of once, by us; the client's own log would print every line of it
        logging.getLogger("mcp.client").setLevel(logging.CRITICAL)
        with open(os.devnull, "w") as nowhere:
            async with Client(self._target(nowhere)) as client:
                if not up.done():
                    up.set_result(None)
                while True:
                    answer = await self._inbox.get()
                    replies = []
                    for column in self._cfg.columns:
                        reply = await client.call_tool(column.tool, dict(column.arguments or {}))
                        replies.append(_content(reply))
                    if not answer.done():
                        answer.set_result(replies)

    def _target(self, errors: TextIO) -> Any:
        if self._cfg.url:
            return self._cfg.url
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        program, *arguments = self._cfg.command
        return stdio_client(StdioServerParameters(command=program, args=arguments), errlog=errors)

    def _reading(self, replies: list[Any]) -> Reading:
        values = [0.0] * N_CONTEXT
        try:
            for column, reply in zip(self._cfg.columns, replies, strict=True):
                values[column.column] = number_in(reply, column)
        except ValueError as rubbish:
            return self._masked(str(rubbish))
        return Reading(self._now_ms(), tuple(values), known=True)

    async def _hang_up(self) -> None:
        if self._line is not None and not self._line.done():
            self._line.cancel()
            await asyncio.wait({self._line}, timeout=7.0)


def _content(reply: Any) -> Any:
    """What the tool said: its structured content, else its first text read as JSON, else that text."""
    texts = [block.text for block in reply.content if hasattr(block, "text")]
    if reply.is_error:
        return f"error: {texts[0][:120] if texts else 'no words'}"
    if reply.structured_content is not None:
        said = reply.structured_content
        return said["result"] if set(said) == {"result"} else said
    if not texts:
        return None
    try:
        return json.loads(texts[0])
    except json.JSONDecodeError:
        return texts[0]


def _reason(failure: BaseException | None) -> str:
    """The innermost cause in a few words."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return "closed" if failure is None else f"{type(failure).__name__}: {str(failure)[:160]}"
