"""The dashboard's server: one page, one stream, metrics, and the kill switch. Knows a Watcher; trades nothing, reads no key.

    GET  /              the page; without the token 401 and a form that asks for it
    GET  /api/now       everything of this moment, JSON
    GET  /api/history   price, equity and position so far, JSON
    GET  /api/stream    the same moments as server-sent events, as they come
    POST /api/kill      pulls the kill switch; {"why": "…"}
    GET  /metrics       Prometheus text; open when the server was told so
    GET  /healthz       200 while the session shows itself, 503 when it has gone silent; says nothing else

Everything but /healthz (and /metrics, when open) asks for the token.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from decot.errors import ConfigError
from decot.live.kill import is_pulled, pull
from decot.live.metrics import CONTENT_TYPE, exposition
from decot.report.dashboard.door import HEADERS, Door, is_holder
from decot.report.dashboard.watcher import Watcher

LOOK_S = 0.2
SILENT_S = 30.0
"""a session that has not shown itself for so long is not healthy"""
_MOST_BYTES = 4_096


def build_app(home: Path, token: str, *, session: str = "", has_open_metrics: bool = False) -> Starlette:
    """The application; `app.state.watcher` is what it shows."""
    watcher = Watcher(home, session)
    watcher.look()

    def refused(request: Request, *, in_address: bool = False) -> Response | None:
        if is_holder(request, token, in_address=in_address):
            return None
        challenge = {**HEADERS, "WWW-Authenticate": 'Bearer realm="decot"'}
        return PlainTextResponse("a token is needed: Authorization: Bearer …\n", 401, challenge)

    async def page(request: Request) -> Response:
        is_in = refused(request, in_address=True) is None
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        text = _page("page" if is_in else "door", nonce)
        return HTMLResponse(text, 200 if is_in else 401, {**HEADERS, "Content-Security-Policy": policy})

    async def now(request: Request) -> Response:
        watcher.look()
        return refused(request) or _json(watcher.now())

    async def history(request: Request) -> Response:
        return refused(request) or _json(watcher.history())

    async def stream(request: Request) -> Response:
        told = {**HEADERS, "X-Accel-Buffering": "no"}
        return refused(request) or StreamingResponse(
            _events(request, watcher), media_type="text/event-stream", headers=told
        )

    async def kill(request: Request) -> Response:
        no = refused(request)
        if no is not None:
            return no
        why = await _reason(request)
        if why is None:
            return _json({"error": f'send JSON like {{"why": "…"}}, at most {_MOST_BYTES} bytes'}, 400)
        said = pull(home, who="dashboard", why=why or "no reason was given")
        return _json({"when": said.when, "who": said.who, "why": said.why})

    async def metrics(request: Request) -> Response:
        no = None if has_open_metrics else refused(request)
        watcher.look()
        text = exposition(watcher.snapshot, age_s=watcher.age_s(), is_killed=is_pulled(home))
        return no or Response(text, headers={**HEADERS, "Content-Type": CONTENT_TYPE})

    async def health(request: Request) -> Response:
        watcher.look()
        is_well = watcher.age_s() < SILENT_S
        return PlainTextResponse("ok\n" if is_well else "silent\n", 200 if is_well else 503, HEADERS)

    routes = [
        Route("/", page),
        Route("/api/now", now),
        Route("/api/history", history),
        Route("/api/stream", stream),
        Route("/api/kill", kill, methods=["POST"]),
        Route("/metrics", metrics),
        Route("/healthz", health),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Door)])
    app.state.watcher, app.state.is_over = watcher, lambda: False
    return app


def serve(app: Starlette, port: int, *, command: str = "decot dashboard") -> None:
    """Serve on 127.0.0.1 until interrupted. No access log: an address may hold the token.

    Raises:
        ConfigError: the port is taken, or not ours to have; `command` is the one to repeat with another.
    """
    import uvicorn

    _knock(port, command)

    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "log_level": "warning",
        "access_log": False,
    }
    server = uvicorn.Server(uvicorn.Config(app, **settings, server_header=False, timeout_graceful_shutdown=2))
    app.state.is_over = lambda: server.should_exit
    server.run()


def _knock(port: int, command: str) -> None:
    """Whether the port can be had; asked before the server, which would only end."""
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind(("127.0.0.1", port))
        except OSError as taken:
            raise ConfigError(
                [
                    f"port {port} of 127.0.0.1: {(taken.strerror or str(taken)).lower()}; give another: {command} --port N"
                ]
            ) from taken


async def _events(request: Request, watcher: Watcher) -> AsyncIterator[str]:
    """A moment whenever something changed, at least one every two seconds so that ages stay true."""
    last, waited = "", 0.0
    while not (request.app.state.is_over() or await request.is_disconnected()):
        watcher.look()
        moment = watcher.now()
        age = moment.pop("age_s")
        said = json.dumps(moment)
        if said != last or waited >= 2.0:
            yield f"data: {json.dumps({**moment, 'age_s': age})}\n\n"
            last, waited = said, 0.0
        await asyncio.sleep(LOOK_S)
        waited += LOOK_S


async def _reason(request: Request) -> str | None:
    """Why, from the body; None when it is not what we ask for."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            return None
    try:
        said = json.loads(body)
        why = said["why"]
    except (ValueError, KeyError, TypeError):
        return None
    return " ".join(why.split())[:300] if isinstance(why, str) else None


def _json(value: Any, status: int = 200) -> Response:
    return JSONResponse(value, status, HEADERS)


def _page(name: str, nonce: str) -> str:
    """A page with its style and script inside, so that it fetches nothing."""
    folder = resources.files("decot.report.dashboard")
    read = {
        kind: (folder / kind).read_text(encoding="utf-8")
        for kind in (f"{name}.html", f"{name}.js", "page.css")
    }
    return (
        read[f"{name}.html"]
        .replace("{{style}}", f'<style nonce="{nonce}">{read["page.css"]}</style>')
        .replace("{{script}}", f'<script nonce="{nonce}">{read[f"{name}.js"]}</script>')
    )
