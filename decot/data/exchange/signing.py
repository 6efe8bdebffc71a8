"""Who is asking, and is it really them: HMAC-SHA256 over the request, inside a time window. Keeps one key pair."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from decot.data.exchange.orders import Reject


def check(
    payload: str,
    signature: str | None,
    params: Mapping[str, Any],
    key: str | None,
    keys: Mapping[str, str],
    now_ms: int,
) -> None:
    """Let a signed request pass.

    Args:
        payload: what was signed, without the signature itself.
        keys: API key → secret of everyone with an account.
        now_ms: the venue's clock.
    Raises:
        Reject: −2014/−2015 unknown key, −1022 wrong signature, −1102 no timestamp, −1021 outside the window.
    """
    if not key:
        raise Reject(-2014, "API-key format invalid.", 401)
    if key not in keys:
        raise Reject(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    wanted = hmac.new(keys[key].encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, signature or ""):
        raise Reject(-1022, "Signature for this request is not valid.")
    try:
        stamp, window = int(params["timestamp"]), int(float(params.get("recvWindow", 5000)))
    except (KeyError, TypeError, ValueError):
        raise Reject(
            -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."
        ) from None
    if window > 60_000:
        raise Reject(-1131, "recvWindow must be less than 60000.")
    if stamp > now_ms + 1000 or now_ms - stamp > window:
        raise Reject(-1021, "Timestamp for this request is outside of the recvWindow.")


def websocket_payload(params: Mapping[str, Any]) -> str:
    """What a WebSocket API client signs: its parameters, sorted by name, without the signature."""

    def plain(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return "&".join(f"{name}={plain(params[name])}" for name in sorted(params) if name != "signature")
