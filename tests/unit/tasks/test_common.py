"""What tasks remember and when they try again."""

from __future__ import annotations

from types import SimpleNamespace

from decot.errors import TapeRefused, VenueUnavailable
from decot.experiment.order import Order
from tasks.common import content_key, is_transient


def key_of(order: Order) -> str:
    return content_key(SimpleNamespace(task=SimpleNamespace(name="fetch")), {"order": order})


def test_the_same_inputs_have_the_same_key_and_others_another():
    """Seed, world and profile are part of the key."""
    assert key_of(Order(seed=1)) == key_of(Order(seed=1))
    assert len({key_of(Order(seed=1)), key_of(Order(seed=2)), key_of(Order(world="crash"))}) == 3


def test_a_tape_counts_by_what_is_in_it(tmp_path):
    """The same path with other contents is another input."""
    file = tmp_path / "tape.csv"
    file.write_text("a")
    before = key_of(Order(tape=str(file)))
    file.write_text("ab")
    assert key_of(Order(tape=str(file))) != before


def test_a_profile_counts_by_what_is_in_it(tmp_path):
    """The same profile file with another setting is another input."""
    file = tmp_path / "mine.toml"
    file.write_text("seed = 1")
    before = key_of(Order(profile=str(file)))
    file.write_text("seed = 2")
    assert key_of(Order(profile=str(file))) != before


def failed(error: Exception):
    """A failed state, as the engine hands it over."""
    return SimpleNamespace(result=lambda raise_on_failure: error)


def test_only_what_may_work_later_is_tried_again():
    """A silent venue is; a refused tape is not."""
    assert is_transient(None, None, failed(VenueUnavailable("later")))
    assert not is_transient(None, None, failed(TapeRefused("f", "why", "way")))


def test_the_engine_tries_again_only_what_is_transient(tmp_path):
    """A real task of the engine: a silent venue is asked again and answers, a refused tape is asked once."""
    import subprocess
    import sys

    code = (
        "from pathlib import Path\n"
        "from tasks.environment import prepare\n"
        f"prepare(Path({str(tmp_path)!r}))\n"
        "from prefect import flow, task\n"
        "from decot.errors import TapeRefused, VenueUnavailable\n"
        "from tasks.common import is_transient\n"
        "asked = {'venue': 0, 'tape': 0}\n"
        "@task(retries=2, retry_delay_seconds=0, retry_condition_fn=is_transient)\n"
        "def ask(who):\n"
        "    asked[who] += 1\n"
        "    if who == 'tape': raise TapeRefused('f', 'why', 'way out')\n"
        "    if asked[who] < 2: raise VenueUnavailable('later')\n"
        "    return 'answered'\n"
        "@flow\n"
        "def both():\n"
        "    print(ask('venue'))\n"
        "    try: ask('tape')\n"
        "    except TapeRefused: print('refused')\n"
        "both(); print(asked)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "answered\nrefused\n{'venue': 2, 'tape': 1}" in done.stdout, done.stderr[-1_500:]
