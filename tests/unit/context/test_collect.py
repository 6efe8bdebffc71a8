"""Headlines collected from a feed over HTTP keep the moment they were first fetched."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from decot.cli.context import app
from decot.context.collect import collect, fetch
from decot.context.headlines import read_headlines
from decot.errors import FeedStalled, TapeRefused

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>wire</title>
<entry><title>Bitcoin &amp; ether rise</title><published>2026-01-05T00:05:00Z</published></entry>{more}</feed>"""
MORE = (
    "<entry><title>Exchange halts withdrawals</title><updated>2026-01-05T01:00:00+01:00</updated></entry>"
    "<entry><title>BITCOIN &amp; Ether rise!</title><updated>2026-01-05T00:06:00Z</updated></entry>"
)


@pytest.fixture
def feed():
    """A feed on loopback; what it says and how can be changed."""
    said = {"body": ATOM.format(more="").encode(), "code": 200, "wait_s": 0.0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(said["wait_s"])
            self.send_response(said["code"])
            self.end_headers()
            self.wfile.write(said["body"])

        def log_message(self, *_):
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/feed.atom", said
    server.shutdown()
    server.server_close()


def test_a_feed_is_collected_and_keeps_its_first_stamp(feed, tmp_path):
    """Published long ago, available when fetched; the second look adds what is new, drops repeats, re-dates nothing."""
    url, said = feed
    to = tmp_path / "news.jsonl"
    before = int(time.time() * 1_000)
    first = collect(url, to)
    assert (first.n_new, first.n_total) == (1, 1)
    kept = json.loads(to.read_text())
    assert (kept["published_ms"], kept["source"], kept["text"]) == (
        1_767_571_500_000,
        "wire",
        "Bitcoin & ether rise",
    )
    assert before <= kept["available_ms"] <= int(time.time() * 1_000)
    said["body"] = ATOM.format(more=MORE).encode()
    second = collect(url, to)
    assert (second.n_new, second.n_total, second.n_repeats) == (1, 2, 2)
    rows = read_headlines(to).frame.to_dicts()
    assert rows[0] == kept
    assert rows[1]["available_ms"] == second.fetched_ms
    assert collect(url, to).n_new == 0


def test_a_feed_that_fails_leaves_the_file_as_it_was(feed, tmp_path):
    """An error of the server, rubbish, silence: said with a way out, and what was collected stays."""
    url, said = feed
    to = tmp_path / "news.jsonl"
    collect(url, to)
    whole = to.read_bytes()
    said.update(code=503)
    with pytest.raises(FeedStalled, match="503"):
        collect(url, to)
    said.update(code=200, body=b"<html><body>sorry")
    with pytest.raises(TapeRefused, match="XML"):
        collect(url, to)
    said.update(body=b'<!DOCTYPE x [<!ENTITY a "b">]><rss/>')
    with pytest.raises(TapeRefused, match="never expanded"):
        collect(url, to)
    said.update(wait_s=3.0)
    begun = time.monotonic()
    with pytest.raises(FeedStalled, match="nobody answered"):
        fetch(url, time_box_s=0.5)
    assert time.monotonic() - begun < 1.5
    assert to.read_bytes() == whole


def test_the_command_collects_and_says_so(feed, tmp_path):
    """`decot headlines URL --to FILE --json`; an address nobody answers on is exit code 1 with the way out."""
    url, _ = feed
    to = tmp_path / "news.jsonl"
    done = CliRunner().invoke(app, ["headlines", url, "--to", str(to), "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output.splitlines()[-1])
    assert (said["n_new"], said["rounds"], said["failed"]) == (1, 1, 0)
    away = CliRunner().invoke(app, ["headlines", "http://127.0.0.1:9/rss", "--to", str(to), "--quiet"])
    assert away.exit_code == 1
    assert "check the address" in away.output


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_files_are_collected_with_their_own_stamps(tmp_path, kind):
    """CSV, Parquet and JSONL say when they were available; joining them keeps it."""
    import polars as pl

    frame = pl.DataFrame(
        {"published_at": ["2026-01-05T00:00:00Z"], "available_at": ["2026-01-05T00:01:00Z"], "title": ["x"]}
    )
    path = tmp_path / f"n.{kind}"
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[kind](path)
    assert collect(str(path), tmp_path / "to.jsonl").n_new == 1
    row = read_headlines(tmp_path / "to.jsonl").frame.to_dicts()[0]
    assert (row["published_ms"], row["available_ms"]) == (1_767_571_200_000, 1_767_571_260_000)
