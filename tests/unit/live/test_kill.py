"""The switch: anybody pulls it, the first reason stays, what cannot be read counts as pulled."""

from __future__ import annotations

from decot.live import kill


def test_pulled_and_released(tmp_path):
    """Who and why are kept; a second pull changes nothing; only a release takes it away."""
    assert kill.pulled(tmp_path) is None
    said = kill.pull(tmp_path, who="anna", why="news")
    assert kill.is_pulled(tmp_path)
    assert kill.pull(tmp_path, who="bob", why="other") == said == kill.pulled(tmp_path)
    assert kill.release(tmp_path)
    assert not kill.release(tmp_path)
    assert not kill.is_pulled(tmp_path)


def test_an_unreadable_switch_is_a_pulled_one(tmp_path):
    """An empty or torn file stops trading too."""
    kill.live_folder(tmp_path).mkdir(parents=True)
    kill.switch(tmp_path).write_text('{"when": ')
    assert kill.pulled(tmp_path).who == "unknown"
