"""Who is let in, and what they are told."""

from __future__ import annotations

import http.client
import json
import stat

import pytest

from decot.errors import ConfigError
from decot.live.kill import pulled, switch
from decot.report.dashboard.door import VARIABLE, token_of


def asked(server, path="/", method="GET", body=None, **headers) -> tuple[int, dict, bytes]:
    """Status, headers, body."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        line.putheader(name.replace("_", "-"), value)
    if body is not None:
        line.putheader("Content-Length", str(len(body)))
    line.endheaders(body)
    answer = line.getresponse()
    told = answer.status, dict(answer.getheaders()), answer.read()
    line.close()
    return told


def bearer(server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


CLOSED = ("/", "/api/now", "/api/history", "/api/stream", "/metrics")


@pytest.mark.parametrize("path", CLOSED)
def test_no_token_no_answer(served, path):
    """Without the token, with a wrong one, or with it in the wrong place: 401, and not a word of the session."""
    server, _ = served
    tries = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {server.token}"},
        {"Cookie": server.token},
    ]
    for headers in tries:
        status, _, body = asked(server, path, **headers)
        assert status == 401
        assert b"BTC-USD" not in body
    if path != "/":
        assert (
            asked(server, f"{path}?token={server.token}")[0] == 401
        )  # an address is logged and kept by browsers


def test_the_holder_is_told_everything(served):
    """With the token the moment, the history and the metrics are there; the page forbids every foreign source."""
    server, app = served
    for shot in server.moments[:50]:
        app.state.watcher.add(shot)
    status, headers, body = asked(server, f"/?token={server.token}")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert server.token.encode() not in body
    for foreign in (b"http://", b"https://", b"//cdn", b"@import", b"{{"):
        assert foreign not in body
    now = json.loads(asked(server, "/api/now", **bearer(server))[2])
    assert now["snapshot"]["symbol"] == "BTC-USD"
    assert len(now["decisions"]) > 3
    past = json.loads(asked(server, "/api/history", **bearer(server))[2])
    assert len(past["t_ms"]) == len(past["mid"]) == 50
    assert b"decot_equity_usdt{" in asked(server, "/metrics", **bearer(server))[2]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8798", "127.0.0.1.evil.example", "0.0.0.0", ""]
)
def test_a_rebound_name_is_refused(served, host):
    """A Host that is not loopback is turned away, even with the token; so DNS rebinding gets nowhere."""
    server, _ = served
    for path in (*CLOSED, "/healthz"):
        assert asked(server, path, Host=host, **bearer(server))[0] in (400, 421)
    assert asked(server, "/api/now", Host=f"localhost:{server.port}", **bearer(server))[0] == 200


def test_only_the_holder_pulls_the_switch(home, served):
    """POST with the token pulls it; without, by GET, from another origin, or with nonsense nothing happens."""
    server, _ = served
    body = json.dumps({"why": "the\nmarket is odd"}).encode()
    assert asked(server, "/api/kill", "POST", body)[0] == 401
    assert asked(server, f"/api/kill?token={server.token}", "POST", body)[0] == 401
    assert asked(server, "/api/kill", "GET", **bearer(server))[0] == 405
    assert asked(server, "/api/kill", "POST", body, Origin="http://evil.example", **bearer(server))[0] == 403
    for nonsense in (b"", b"[]", b'{"why": 3}', b'{"why": "' + b"x" * 5_000 + b'"}'):
        assert asked(server, "/api/kill", "POST", nonsense, **bearer(server))[0] == 400
    assert not switch(home).exists()
    status, _, said = asked(server, "/api/kill", "POST", body, Origin=server.url, **bearer(server))
    assert (status, json.loads(said)["who"]) == (200, "dashboard")
    assert pulled(home).why == "the market is odd"
    again = json.loads(asked(server, "/api/kill", "POST", b'{"why": "later"}', **bearer(server))[2])
    assert again["why"] == "the market is odd"  # the first reason stays


def test_the_stream_brings_what_is_new(home, served):
    """A snapshot written while somebody listens arrives within two seconds."""
    from decot.live.snapshot import Publisher

    server, _ = served
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.request("GET", "/api/stream", headers=bearer(server))
    answer = line.getresponse()
    first = json.loads(answer.readline().removeprefix(b"data: "))
    shot = server.moments[77]
    Publisher(home, shot.session).show(shot)
    answer.readline()
    then = json.loads(answer.readline().removeprefix(b"data: "))
    line.close()
    assert first["snapshot"]["time_ms"] < then["snapshot"]["time_ms"] == shot.time_ms


def test_health_tells_silence_from_life(tmp_path, served):
    """A session that shows itself is well; a home without one is not."""
    from decot.report.dashboard.server import build_app

    server, _ = served
    assert asked(server, "/healthz")[0] == 200
    from starlette.testclient import TestClient

    with TestClient(build_app(tmp_path / "empty", server.token), base_url="http://127.0.0.1") as client:
        assert client.get("/healthz").status_code == 503
        assert client.get("/metrics").status_code == 401
    app = build_app(tmp_path / "empty", server.token, has_open_metrics=True)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert "decot_up 0.0" in client.get("/metrics").text


def test_the_token_is_made_once_and_kept_from_others(tmp_path, monkeypatch):
    """A made token is long, private and stays; a short one or one that others can read is refused."""
    monkeypatch.delenv(VARIABLE, raising=False)
    token = token_of(tmp_path)
    file = tmp_path / "live" / "dashboard.token"
    assert len(token) >= 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token_of(tmp_path) == token
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="read by others"):
        token_of(tmp_path)
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ConfigError, match="at least 16"):
        token_of(tmp_path)
