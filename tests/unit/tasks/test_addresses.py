"""Where an artifact points: to whoever serves the home, or plainly to the file."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from tasks.common import address_of, pointing


@pytest.fixture
def served():
    """Somebody who answers on a port of this machine."""

    class Well(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *said):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Well) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.delenv("DECOT_REPORTS_URL", raising=False)
    file = tmp_path / "runs" / "a run" / "report.html"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    return file


def test_a_house_that_is_up_is_pointed_to(page, tmp_path, served):
    """`decot up` has noted where it serves this home: a link that a browser can follow."""
    (tmp_path / "up.json").write_text(json.dumps({"api": "", "reports": served}))
    assert address_of(tmp_path, page) == f"{served}/runs/a%20run/report.html"
    assert pointing(tmp_path, page, "the report") == f"[the report]({served}/runs/a%20run/report.html)"


@pytest.mark.parametrize("note", [None, "{}", "not JSON", '["a list"]', '{"reports": "http://127.0.0.1:9"}'])
def test_without_anybody_who_serves_it_the_file_is_named(page, tmp_path, note):
    """No note, a note that says nothing, one left by a house that is gone: the path, and the command that would serve it."""
    if note is not None:
        (tmp_path / "up.json").write_text(note)
    assert address_of(tmp_path, page) == ""
    said = pointing(tmp_path, page, "the report")
    assert str(page) in said
    assert f"decot reports --home {tmp_path}" in said
    assert "](" not in said


def test_an_address_that_was_set_comes_first(page, tmp_path, monkeypatch):
    """DECOT_REPORTS_URL names a proxy: it is believed; a page outside the home is never linked."""
    monkeypatch.setenv("DECOT_REPORTS_URL", "https://reports.example/decot/")
    assert address_of(tmp_path, page) == "https://reports.example/decot/runs/a%20run/report.html"
    assert address_of(tmp_path / "runs", tmp_path / "keys" / "x.html") == ""
