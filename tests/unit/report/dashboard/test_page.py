"""The page in a real browser."""

from __future__ import annotations

import json
import os
from pathlib import Path

from decot.live.kill import switch
from decot.model.vocabulary import NAMES

DRAWN = """(() => {
  const c = document.getElementById('price'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 3; i < d.length; i += 4) n += d[i] > 0;
  return n;
})()"""
"""how many pixels of the price are not empty"""


def test_a_browser_presses_the_kill_button(home, served, browser):
    """The page draws a session; the button asks, is confirmed, and the switch lies in the home folder with its reason."""
    server, app = served
    for shot in server.moments:
        app.state.watcher.add(shot)
    browser.size(1440, 1500)
    browser.ask("Page.enable")
    browser.scheme("light")
    browser.go(f"{server.url}/?token={server.token}")
    browser.until("document.querySelectorAll('#decisions tbody tr').length > 3")
    browser.until("line.t.length > 1000")
    assert browser.run("location.href") == f"{server.url}/"  # the token has left the address
    assert "BTC-USD" in browser.run("document.getElementById('symbol').textContent")
    assert browser.run("document.querySelectorAll('#chain .m').length") == len(NAMES)
    assert browser.run(DRAWN) > 3_000
    keep = Path(os.environ["DECOT_PICTURES"]) if "DECOT_PICTURES" in os.environ else None
    if keep:
        browser.picture(keep / "dashboard-light.png")
        browser.run("document.getElementById('theme').click()")
        browser.picture(keep / "dashboard-dark.png")

    browser.run("document.getElementById('kill').click()")
    browser.until("document.getElementById('sure').open")
    assert not switch(home).exists()  # asked first
    if keep:
        browser.picture(keep / "dashboard-sure.png")
    browser.run("document.getElementById('why').value = 'a test pressed it'")
    browser.run("document.getElementById('confirm').click()")
    browser.until("!document.getElementById('banner').hidden")
    said = json.loads(switch(home).read_text())
    assert (said["who"], said["why"]) == ("dashboard", "a test pressed it")
    assert browser.run("document.getElementById('kill').disabled")
    if keep:
        browser.picture(keep / "dashboard-stopped.png")
        browser.size(420, 1600)
        browser.picture(keep / "dashboard-narrow.png")


def test_without_a_token_the_browser_meets_a_door(served, browser):
    """The page asks for a token, shows nothing of the session, and opens with the right one; a reload stays in."""
    server, _ = served
    browser.ask("Page.enable")
    browser.go(f"{server.url}/")
    browser.until("!!document.getElementById('door')")
    assert "BTC-USD" not in browser.run("document.documentElement.outerHTML")
    keep = Path(os.environ["DECOT_PICTURES"]) if "DECOT_PICTURES" in os.environ else None
    if keep:
        browser.picture(keep / "dashboard-door.png")
    browser.run(f"document.getElementById('token').value = {server.token!r}")
    browser.run("document.querySelector('button').click()")
    browser.until(
        "!!document.getElementById('symbol') && document.getElementById('symbol').textContent === 'BTC-USD'"
    )
    browser.go(f"{server.url}/")
    browser.until(
        "!!document.getElementById('symbol') && document.getElementById('symbol').textContent === 'BTC-USD'"
    )
