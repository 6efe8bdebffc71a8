"""The site builds in silence, every link leads somewhere, nothing is fetched from elsewhere."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from blocks import ROOT

LOADS = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("form", "action"),
}


class Read(HTMLParser):
    """What a page links to, what it loads, and the places one may link to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.places.add(value or "")
            if tag == "a" and name == "href" and value:
                self.links.append(value)
            if (tag, name) in LOADS and value:
                self.loads.append(value)


@cache
def read(path: Path) -> Read:
    page = Read()
    page.feed(path.read_text())
    return page


def broken(folder: Path) -> list[str]:
    """Every internal link of every page that leads nowhere, and every external one that is no address."""
    found = []
    for path in sorted(folder.rglob("*.html")):
        if path.name == "404.html":
            continue
        for link in read(path).links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                if "." not in parts.netloc and not parts.netloc.startswith(("127.0.0.1", "localhost")):
                    found.append(f"{path.relative_to(folder)}: {link} is no address")
                continue
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                found.append(f"{path.relative_to(folder)}: {link} is not there")
            elif (
                parts.fragment
                and target.suffix == ".html"
                and unquote(parts.fragment) not in read(target).places
            ):
                found.append(f"{path.relative_to(folder)}: {link} has no such place")
    return found


def test_it_builds_without_a_warning(site):
    """`mkdocs build --strict` ends well and warns of nothing."""
    assert site.code == 0, site.said[-3000:]
    assert site.warnings == []
    assert (site.folder / "index.html").is_file()


def test_every_link_leads_somewhere(site):
    """Internal links and their anchors exist in the built pages; external ones are addresses."""
    pages = list(site.folder.rglob("*.html"))
    assert len(pages) > 150
    assert sum(len(read(path).links) for path in pages) > 5_000
    assert broken(site.folder) == []


@pytest.mark.parametrize("name", ["README.md", "README.fr.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_of_the_front_pages_lead_somewhere(name):
    """Whoever reads the repository itself finds every file that these pages name."""
    text = (ROOT / name).read_text()
    targets = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    inside = [target for target in targets if target and "://" not in target]
    assert [target for target in inside if not (ROOT / target).exists()] == []


def test_the_link_checker_can_fail(tmp_path):
    """A missing page, a missing anchor and a bad address are each found."""
    (tmp_path / "a.html").write_text(
        '<a href="b.html">1</a><a href="gone.html">2</a><a href="b.html#no">3</a>'
        '<a href="http://x">4</a><a href="b.html#yes">5</a>'
    )
    (tmp_path / "b.html").write_text('<h1 id="yes">b</h1>')
    assert [line.split(": ")[1].split(" ")[0] for line in broken(tmp_path)] == [
        "gone.html",
        "b.html#no",
        "http://x",
    ]


def test_nothing_is_fetched_from_elsewhere(site):
    """No script, style, picture, frame or form of any page has an address outside the site."""
    outside = {
        (path.name, load)
        for path in site.folder.rglob("*.html")
        for load in read(path).loads
        if urlsplit(load).scheme in ("http", "https") or load.startswith("//")
    }
    outside = {one for one in outside if not one[1].startswith("https://squidfunk")}
    assert outside == set()


def test_every_page_is_in_the_navigation(site):
    """A page that nobody can reach would never be read: mkdocs says so, and there is none."""
    assert "not included in the" not in site.said
