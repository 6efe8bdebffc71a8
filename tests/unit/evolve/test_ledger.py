"""Every trial is counted, and whoever changes one is named by line."""

import json
import os

import pytest

from decot.errors import LedgerBroken
from decot.evolve.ledger import GENESIS, Ledger, seal_path


@pytest.fixture
def ledger(tmp_path):
    book = Ledger(tmp_path / "trials.jsonl", fsync=False)
    for i in range(5):
        book.append("trial", {"trial": i, "evaluation": {"period_pnl": [1.0, 2.0, 3.0 + i]}})
    return book


def lines_of(book):
    return book.path.read_bytes().splitlines(keepends=True)


def test_a_whole_ledger_is_counted(ledger):
    """Verification counts lines and trials, and gives one Sharpe ratio per trial and the head."""
    ledger.append("gate", {"verdict": "refused"})
    summary = Ledger.verify(ledger.path)
    assert (summary.n_lines, summary.n_trials, summary.head) == (6, 5, ledger.head)
    assert summary.sharpes[0] == pytest.approx(2.0)
    assert summary.kinds == {"trial": 5, "gate": 1}


def test_an_edited_line_is_named(ledger):
    """One digit changed in line 3 is found there."""
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b'"trial":2', b'"trial":9'))
    with pytest.raises(LedgerBroken, match="line 3 was edited"):
        Ledger.verify(ledger.path)


def test_a_removed_line_is_named(ledger):
    """Line 2 cut out is missed at its place."""
    kept = lines_of(ledger)
    ledger.path.write_bytes(b"".join(kept[:1] + kept[2:]))
    with pytest.raises(LedgerBroken, match="line 2 was removed"):
        Ledger.verify(ledger.path)


def test_reordered_lines_are_named(ledger):
    """Lines 3 and 4 exchanged are found at line 3."""
    kept = lines_of(ledger)
    kept[2], kept[3] = kept[3], kept[2]
    ledger.path.write_bytes(b"".join(kept))
    with pytest.raises(LedgerBroken, match="line 3 was reordered"):
        Ledger.verify(ledger.path)


def test_a_trimmed_tail_is_noticed(ledger):
    """The last line removed leaves a valid chain, and the seal tells."""
    ledger.path.write_bytes(b"".join(lines_of(ledger)[:-1]))
    with pytest.raises(LedgerBroken, match="ledger trimmed.*line 5"):
        Ledger.verify(ledger.path)
    with pytest.raises(LedgerBroken, match="ledger trimmed"):
        Ledger(ledger.path)


def test_a_line_appended_by_hand_is_named(ledger, tmp_path):
    """A line that fits the chain but was never sealed is refused, and so is rubbish."""
    twin = Ledger(tmp_path / "twin.jsonl", fsync=False)
    for line in ledger.lines():
        twin.append(line.kind, line.payload)
    twin.append("trial", {"trial": "forged"})
    ledger.path.write_bytes(twin.path.read_bytes())
    with pytest.raises(LedgerBroken, match="line 6 was appended by hand"):
        Ledger.verify(ledger.path)
    ledger.path.write_bytes(b"".join(lines_of(ledger)[:5]) + b'{"half')
    with pytest.raises(LedgerBroken, match="line 6 is not whole"):
        Ledger.verify(ledger.path)


def test_a_rechained_ledger_does_not_fit_its_seal(ledger, tmp_path):
    """Somebody who removes a trial and hashes all the rest anew is stopped by the seal."""
    forged = Ledger(tmp_path / "forged.jsonl", fsync=False)
    for line in ledger.lines()[1:]:
        forged.append(line.kind, line.payload)
    forged.append("trial", {"trial": "filler"})
    ledger.path.write_bytes(forged.path.read_bytes())
    with pytest.raises(LedgerBroken, match="line 5 is not the one that was sealed"):
        Ledger.verify(ledger.path)


def test_an_edit_that_rewrites_its_own_hash_is_named_by_its_follower(ledger, tmp_path):
    """Line 2 edited and hashed anew no longer carries line 3."""
    other = Ledger(tmp_path / "other.jsonl", fsync=False)
    other.append("trial", ledger.lines()[0].payload)
    other.append("trial", {"trial": "nicer"})
    kept = lines_of(ledger)
    ledger.path.write_bytes(b"".join([kept[0], lines_of(other)[1], *kept[2:]]))
    with pytest.raises(LedgerBroken, match="line 2 was edited and hashed anew"):
        Ledger.verify(ledger.path)


@pytest.mark.parametrize("moment", ["announced", "torn", "written"])
def test_a_kill_in_the_middle_of_a_line_is_mended(ledger, moment):
    """Killed after the announcement, in the middle of the line or before the seal: reopening goes on as if the
    line had never, or had just, been written."""
    old_seal = json.loads(seal_path(ledger.path).read_bytes())
    before = ledger.path.read_bytes()
    ledger.append("trial", {"trial": 5})
    whole, last = ledger.path.read_bytes(), ledger.head
    seal_path(ledger.path).write_text(json.dumps({**old_seal, "pending": last}))
    ledger.path.write_bytes({"announced": before, "torn": whole[:-7], "written": whole}[moment])
    Ledger.verify(ledger.path)

    again = Ledger(ledger.path)
    assert again.count == (6 if moment == "written" else 5)
    assert ("torn by a kill" in again.repaired) == (moment == "torn")
    if moment != "written":
        again.append("trial", {"trial": 5})
    assert again.head == last
    assert again.path.read_bytes() == whole


def test_a_missing_seal_or_ledger_is_refused(ledger):
    """Neither half is believed without the other."""
    seal = seal_path(ledger.path)
    kept = seal.read_bytes()
    seal.unlink()
    with pytest.raises(LedgerBroken, match="seal .* is missing"):
        Ledger.verify(ledger.path)
    seal.write_bytes(kept)
    ledger.path.unlink()
    with pytest.raises(LedgerBroken, match="the ledger is gone"):
        Ledger(ledger.path)
    with pytest.raises(LedgerBroken, match="there is no ledger"):
        Ledger.verify(ledger.path)


def test_two_writers_share_one_chain(ledger):
    """A second writer's line is seen by the first before it appends."""
    second = Ledger(ledger.path, fsync=False)
    second.append("gate", {"verdict": "refused"})
    ledger.append("trial", {"trial": 6})
    assert Ledger.verify(ledger.path).n_lines == 7


def test_the_same_lines_are_the_same_bytes(tmp_path):
    """No clock and no path is in a line; an empty ledger's head is zeros."""
    heads = []
    for name in ("a", "b"):
        book = Ledger(tmp_path / name / "l.jsonl")
        assert book.head == GENESIS
        book.append("trial", {"x": 0.1, "é": "ü"})
        heads.append((book.head, book.path.read_bytes()))
    assert heads[0] == heads[1]
    assert os.listdir(tmp_path / "a") != []
