"""The site in a real browser: it opens, the tutorial is reachable, search works with and without a server."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import shutil
import threading
from pathlib import Path

import blocks
import pytest

SEARCH = """(() => {
  document.querySelector('[for=__search]').click();
  const field = document.querySelector('.md-search__input');
  field.focus(); field.value = '%s';
  field.dispatchEvent(new Event('input', {bubbles: true}));
  field.dispatchEvent(new KeyboardEvent('keyup', {bubbles: true}));
})()"""
FOUND = "document.querySelectorAll('.md-search-result__link').length"
OUTSIDE = """performance.getEntriesByType('resource').map(x => x.name)
  .filter(x => !x.startsWith(location.origin) && !/^(file|data|blob):/.test(x))"""


@pytest.fixture(scope="module")
def served(site):
    """The address of the built site on loopback."""
    handler = functools.partial(Quiet, directory=str(site.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join(10)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that does not talk."""

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """The dashboard tests' headless Chromium, or a loud skip."""
    pytest.importorskip("websockets", reason="no websockets: the browser cannot be spoken to")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("NO BROWSER: the docs were not looked at; install chromium to run this test")
    where = blocks.ROOT / "tests" / "unit" / "report" / "dashboard" / "conftest.py"
    spec = importlib.util.spec_from_file_location("a_browser", where)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    opened = made.Browser(program, tmp_path_factory.mktemp("chromium"))
    opened.ask("Page.enable")
    opened.size(1280, 1000)
    yield opened
    opened.close()


def opened(browser, url: str, words: str) -> None:
    """Go there and wait until the page is whole and says these words in its heading."""
    browser.go(url)
    browser.until(
        f"document.readyState === 'complete' && document.querySelector('h1')?.textContent.includes('{words}')"
    )


def test_from_home_to_the_tutorial(browser, served):
    """Home opens, a click leads to the tutorial, and no byte comes from elsewhere."""
    opened(browser, f"{served}/index.html", "say why they act")
    assert browser.run("document.querySelector('figure.house svg').getBoundingClientRect().height") > 60
    browser.run(
        "[...document.querySelectorAll('.md-tabs a')].find(x => x.textContent.includes('Tutorial')).click()"
    )
    browser.until("document.querySelector('h1')?.textContent.includes('Tutorial')")
    assert browser.run("document.querySelectorAll('pre code').length") > 10
    assert "Takes longer" in browser.run(
        "document.querySelector('em.note ~ em.note, em.note')?.textContent + document.body.textContent"
    )
    assert browser.run(OUTSIDE) == []


@pytest.mark.parametrize("how", ["served", "from the disk"])
def test_search_finds(browser, served, site, how):
    """A word of the statistics is found and its page opens; without any server too."""
    start = f"{served}/index.html" if how == "served" else f"file://{site.folder}/index.html"
    opened(browser, start, "say why they act")
    browser.run(SEARCH % "symmetric cross-validation")
    browser.until(f"{FOUND} > 0")
    links = browser.run(
        "[...document.querySelectorAll('.md-search-result__link')].map(x => x.href).join(' ')"
    )
    assert "statistics.html" in links
    assert browser.run(OUTSIDE) == []


def test_it_can_be_read_on_any_screen(browser, served):
    """Light, dark and narrow: the scheme follows the system and nothing hangs over the right edge."""
    keep = Path(os.environ["DECOT_PICTURES"]) if "DECOT_PICTURES" in os.environ else None
    pages = {
        "index.html": "say why they act",
        "tutorial.html": "Tutorial",
        "columns.html": "41 columns",
        "commands/run.html": "decot run",
        "reference/decot.gate.stats.html": "stats",
        "concepts/house.html": "house",
        "howto/feature.html": "feature",
        "standx.html": "StandX",
    }
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 400)):
        browser.scheme(scheme)
        browser.size(width, 1000)
        browser.run("localStorage.clear()")
        for page, words in pages.items():
            opened(browser, f"{served}/{page}", words)
            wanted = "slate" if scheme == "dark" else "default"
            browser.until(f"document.body.dataset.mdColorScheme === '{wanted}'")
            over = browser.run("document.documentElement.scrollWidth - window.innerWidth")
            assert over <= 0, (page, scheme, width, over)
            if keep:
                browser.picture(keep / f"docs-{page.replace('/', '-')}-{scheme}-{width}.png")
