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
    def result():
        raise error

    return SimpleNamespace(result=result)


def test_only_what_may_work_later_is_tried_again():
    """A silent venue is; a refused tape is not."""
    assert is_transient(None, None, failed(VenueUnavailable("later")))
    assert not is_transient(None, None, failed(TapeRefused("f", "why", "way")))
