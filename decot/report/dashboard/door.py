"""Who may come in: loopback names, and the holder of the token. Knows requests; knows nothing of what they ask for.

The token travels in the Authorization header (`Bearer …`), or once in the address of the page itself; there is no cookie, so
that no other page in the browser can act in its holder's name. A Host that is not loopback is refused: a name that was
rebound to 127.0.0.1 never gets as far as the token.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from decot.errors import ConfigError

VARIABLE = "DECOT_DASHBOARD_TOKEN"
_LEAST = 16
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def token_of(home: Path) -> str:
    """The token: from DECOT_DASHBOARD_TOKEN, else from HOME/live/dashboard.token (0600), made when it is absent.

    Raises:
        ConfigError: a token too short to keep anybody out, or a file others can read.
    """
    given = os.environ.get(VARIABLE, "")
    if given:
        if len(given) < _LEAST:
            raise ConfigError([f"{VARIABLE} has {len(given)} characters; at least {_LEAST} are needed"])
        return given
    file = home / "live" / "dashboard.token"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _kept(file)
    with os.fdopen(handle, "w") as stream:
        token = secrets.token_urlsafe(32)
        stream.write(token + "\n")
    return token


def _kept(file: Path) -> str:
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigError(
            [f"{file.name} can be read by others (mode {mode:o}); chmod 600 it, or delete it for a new one"]
        )
    token = file.read_text().strip()
    if len(token) < _LEAST:
        raise ConfigError([f"{file.name} holds {len(token)} characters; delete it and a new token is made"])
    return token


def is_holder(request: Request, token: str, *, in_address: bool = False) -> bool:
    """Whether the request brings the token; compared in constant time."""
    said = request.headers.get("authorization", "")
    given = said[7:] if said[:7].lower() == "bearer " else ""
    if not given and in_address:
        given = request.query_params.get("token", "")
    return hmac.compare_digest(given.encode(), token.encode())


def host_name(host: str) -> str:
    """The name in a Host header, without its port; empty when it is not one."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


class Door:
    """Refuses every request for another host or from another origin, and dresses every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks for it; what is not HTTP is not let in."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refused = _refusal(Request(scope))
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _refusal(request: Request) -> Response | None:
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or host_name(hosts[0]) not in _LOOPBACK:
        return PlainTextResponse("this server answers to 127.0.0.1 and localhost only\n", 421, HEADERS)
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != hosts[0]:
        return PlainTextResponse("requests from other pages are refused\n", 403, HEADERS)
    return None
