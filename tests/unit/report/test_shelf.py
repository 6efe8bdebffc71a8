"""What may be read of a home in a browser, and what may not."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("starlette", reason="the extra is not installed: pip install 'decot[dashboard]'")
pytest.importorskip("httpx", reason="no httpx: the server was not asked")

from starlette.testclient import TestClient

from decot.report.shelf import build_app, index, on_shelf

RUN = "20260107-120000-demo"
SITE = "data-docs/D/gx/uncommitted/data_docs/local_site"


@pytest.fixture
def home(tmp_path):
    """A home after a run, with all that must never leave it."""
    for path, text in {
        f"runs/{RUN}/report.html": "<p>the report</p>",
        f"runs/{RUN}/run.json": json.dumps(
            {"gate": {"verdict": "refused", "rules": [{"passed": True}, {"passed": False}]}, "trade": None}
        ),
        "runs/20260108-120000-<b>half/report.html": "<p>no outcome beside it</p>",
        "gate/demo-1/card.html": "<p>card</p>",
        "gate/demo-1/brief.json": "{}",
        "contexts/c1/regimes.html": "<p>regimes</p>",
        "data-docs/D/gx/uncommitted/config_variables.yml": "secret: 1",
        f"{SITE}/index.html": "<p>an empty list that wants a script from elsewhere</p>",
        f"{SITE}/validations/D--its-rows/__none__/20260107T/decot-D--its-rows.html": "<head></head><p>5 of 5 hold</p>",
        "keys/signing.key": "PRIVATE",
        "keys/page.html": "PRIVATE",
        "live/dashboard.token": "PRIVATE",
        "up.json": "{}",
    }.items():
        file = tmp_path / "home" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "outside.html").write_text("PRIVATE")
    (tmp_path / "home/runs/leak.html").symlink_to(tmp_path / "outside.html")
    (tmp_path / "home/runs/keys").symlink_to(tmp_path / "home/keys")
    return tmp_path / "home"


@pytest.fixture
def client(home):
    with TestClient(build_app(home), base_url="http://127.0.0.1:8797") as asked:
        yield asked


def test_what_runs_have_left_can_be_read(client):
    """The front names every page, newest run first, and each of its links is answered; text of a file is never markup."""
    front = client.get("/")
    assert front.status_code == 200
    assert front.text.index("half") < front.text.index(RUN)
    assert "<b>half" not in front.text
    assert "1 of 2" in front.text
    links = [part.split('"')[0] for part in front.text.split('href="')[1:]]
    assert len(links) == 5
    for link in links:
        assert client.get(link).status_code == 200, link


@pytest.mark.parametrize(
    "path",
    [
        "keys/signing.key", "keys/page.html", "runs/../keys/page.html", "runs/..%2fkeys/page.html", "runs//etc/passwd",
        "runs/leak.html", "runs/keys/page.html", "gate/demo-1/brief.json", f"runs/{RUN}/run.json", "live/dashboard.token",
        "data-docs/D/gx/uncommitted/config_variables.yml", "up.json", "runs", f"runs/{RUN}", "runs/.x.html",
        "runs/a%00b.html", "runs/../../outside.html",
    ],
)  # fmt: skip
def test_nothing_else_leaves_the_home(client, home, path):
    """Keys, settings, machine files, dot files, links that lead out, every spelling of the way up: 404, not a word."""
    for asked in (path, path.replace("..", "%2e%2e")):
        answer = client.get(f"/{asked}")
        assert answer.status_code == 404
        assert "PRIVATE" not in answer.text
    assert on_shelf(home, path) is None


def test_only_this_machine_reads_and_nobody_writes(client):
    """Another Host, another page's script, another method: refused; a page fetches nothing and sits in no frame."""
    page = f"/runs/{RUN}/report.html"
    assert client.get(page, headers={"host": "rebound.example"}).status_code == 421
    assert client.get(page, headers={"origin": "http://elsewhere.example"}).status_code == 403
    assert client.post(page).status_code == client.delete("/").status_code == 405
    policy = client.get(page).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "frame-ancestors 'none'" in policy


def test_checks_of_a_day_are_listed_and_dressed_by_us(client):
    """Great Expectations' own list needs a script that may not be fetched: ours leads to each result, in plain clothes."""
    listed = client.get(f"/{SITE}/index.html").text
    link = listed.split('<a href="')[1].split('"')[0]
    assert "D, its-rows" in listed
    page = client.get(link).text
    assert "5 of 5 hold" in page
    assert page.index("<style>") < page.index("</head>")


def test_an_empty_home_says_how_to_fill_it(tmp_path):
    """Nothing has run: the front says what to type."""
    assert "decot run --profile demo" in index(tmp_path)
