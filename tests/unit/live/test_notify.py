"""What people are told, against a webhook on loopback."""

from __future__ import annotations

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from decot.errors import ConfigError
from decot.live.kill import pull, release
from decot.live.notify import Herald, Notifier, NotifyConfig, addresses_of
from decot.live.snapshot import Publisher, Snapshot

pytest.importorskip("apprise", reason="the extra is not installed: pip install 'decot[notify]'")
SECRET = "s3cr3t-canary-9f2c"


@pytest.fixture
def webhook():
    """(address, messages, gate): a server that keeps what it is sent, as fast as `gate` lets it."""
    heard, gate = [], threading.Event()
    gate.set()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            gate.wait(10)
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://user:{SECRET}@127.0.0.1:{server.server_port}/", heard, gate
    gate.set()
    server.shutdown()


def shot(**more) -> Snapshot:
    plain = {"time_ms": 86_400_000, "session": "s", "symbol": "BTC-USD", "mode": "paper", "bid": 1.0, "ask": 1.0,
             "position": 0, "quantity": 0.0, "equity_usdt": 19.0, "day_pnl_usdt": 0.1, "drawdown_bps": 0.0}  # fmt: skip
    return Snapshot(**{**plain, **more})


def test_a_message_arrives(webhook):
    """Title, body and kind reach the webhook."""
    address, heard, _ = webhook
    notifier = Notifier([address])
    assert notifier.tell("title", "body", "warning")
    told = notifier.close()
    assert (told.sent, told.failed, told.dropped) == (1, 0, 0)
    assert (heard[0]["title"], heard[0]["message"], heard[0]["type"]) == ("title", "body", "warning")


def test_nobody_waits_for_a_slow_webhook(webhook):
    """With the receiver hanging a thousand messages are taken or dropped at once, and what is dropped is counted."""
    address, _, gate = webhook
    gate.clear()
    notifier = Notifier([address], NotifyConfig(queue=10))
    begun = time.monotonic()
    taken = sum(notifier.tell("t", str(k)) for k in range(1_000))
    assert time.monotonic() - begun < 0.5
    assert taken <= 12
    assert notifier.told.dropped == 1_000 - taken
    gate.set()
    notifier.close()


def test_small_talk_is_limited_and_alarms_are_not(webhook):
    """Six fills a minute get through, the rest are summed up with the next alarm, which always gets through."""
    address, heard, _ = webhook
    notifier = Notifier([address], NotifyConfig(per_minute=6))
    for k in range(20):
        notifier.tell("fill", str(k), "success")
    notifier.tell("halted", "why", "failure")
    told = notifier.close()
    assert (told.sent, told.dropped) == (7, 14)
    assert "14 lesser messages were left out" in heard[-1]["message"]


def test_a_secret_in_an_address_is_never_shown(tmp_path, caplog, capfd):
    """An address that is wrong or cannot be reached appears in no log, no error, no output and no repr."""
    caplog.set_level(logging.DEBUG)
    notifier = Notifier([f"json://user:{SECRET}@127.0.0.1:9/"])
    notifier.tell("t", "b", "failure")
    assert notifier.close().failed == 1
    with pytest.raises(ConfigError) as refused:
        Notifier([f"nonsense://{SECRET}/", f"{SECRET}"])
    file = tmp_path / "addresses"
    file.write_text(f"# ours\njson://user:{SECRET}@127.0.0.1:9/\n")
    with pytest.raises(ConfigError) as readable:
        addresses_of({"DECOT_NOTIFY": f"@{file}"})
    file.chmod(0o600)
    assert len(addresses_of({"DECOT_NOTIFY": f"@{file}"})) == 1
    said = [str(refused.value), str(readable.value), repr(notifier), caplog.text, *capfd.readouterr()]
    assert not any(SECRET in text for text in said)


def test_a_herald_tells_what_matters_once(tmp_path):
    """Fills, halts, the switch and the day's end are told once each; what was there before it came is not."""
    told = []
    herald = Herald(tmp_path, lambda title, body, kind: told.append((title, body, kind)))
    publisher = Publisher(tmp_path, "s")
    fill = {"t_ms": 1, "client_id": "c", "side": "buy", "qty": 0.1, "price": 93_000.0, "fee_usdt": 0.01}
    publisher.note("fills", fill)
    publisher.show(shot())
    assert herald.look() == 0
    publisher.note("fills", fill | {"side": -1})
    assert herald.look() == 1
    assert told[-1][1].startswith("sold 0.1 at 93,000.0")
    publisher.show(shot(state="halted", why="daily loss"))
    assert herald.look() == 1
    assert told[-1] == ("DECoT paper BTC-USD: halted", "daily loss", "failure")
    pull(tmp_path, who="a person", why="enough")
    assert herald.look() == 1
    assert "enough (a person" in told[-1][1]
    assert herald.look() == 0
    release(tmp_path)
    assert herald.look() == 1
    publisher.show(shot(state="halted", time_ms=2 * 86_400_000))
    assert herald.look() == 1
    assert "equity 19.0000 USDT, day +0.1000" in told[-1][1]
    assert len(told) == 5
