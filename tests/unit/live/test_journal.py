"""The journal: append-only, one writer, nothing twice, never corrupt."""

from __future__ import annotations

import sqlite3

import pytest

from decot.errors import RiskHalt
from decot.live.journal import Fenced, Journal, JournalFull, verify


def journal(tmp_path, owner="me"):
    return Journal.open(tmp_path / "journal.sqlite", owner, now_ms=1)


def test_what_was_written_is_read_back_in_order(tmp_path):
    """Kinds, ids and payloads come back, in a fresh process as in this one."""
    one = journal(tmp_path)
    one.append("intent", 5, "a", {"qty": 1.5})
    one.append("done", 6, "a", {"status": "filled"})
    one.close()
    again = journal(tmp_path)
    assert [event.kind for event in again.events()] == ["lease", "intent", "done", "lease"]
    assert again.last("intent").payload == {"qty": 1.5}
    assert verify(tmp_path / "journal.sqlite") == 4


def test_an_intent_is_not_meant_twice_and_a_fill_not_counted_twice(tmp_path):
    """The file itself refuses the second intent and passes over the second fill."""
    one = journal(tmp_path)
    one.append("intent", 1, "a", {})
    with pytest.raises(RiskHalt, match="meant before"):
        one.append("intent", 2, "a", {})
    assert one.append("fill", 3, "a", {"trade_id": 7})
    assert not one.append("fill", 4, "a", {"trade_id": 7})
    assert len(one.events("fill")) == 1


def test_a_fenced_writer_cannot_write(tmp_path):
    """Whoever opens the journal later takes it; the earlier one learns so at its next line, and no line of it is kept."""
    first = journal(tmp_path)
    second = journal(tmp_path, "twin")
    assert not first.is_newest()
    assert second.is_newest()
    with pytest.raises(Fenced):
        first.append("intent", 2, "late", {})
    assert [event.client_id for event in second.events("intent")] == []


def test_events_cannot_be_edited_or_taken_out(tmp_path):
    """Triggers refuse it; with the triggers gone, the chain of hashes names the line."""
    one = journal(tmp_path)
    for k in range(3):
        one.append("intent", k, f"c{k}", {"qty": k})
    one.close()
    path = tmp_path / "journal.sqlite"
    db = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("UPDATE events SET payload = '{}' WHERE seq = 2")
    db.execute("DROP TRIGGER no_edit")
    db.execute("UPDATE events SET payload = '{\"qty\":9}' WHERE seq = 2")
    db.commit()
    db.close()
    with pytest.raises(RiskHalt, match="event 2"):
        verify(path)


def test_a_full_disk_stops_sending_but_not_leaving(tmp_path):
    """The line that does not fit is not half written; the reserve makes room for the way out."""
    one = Journal.open(tmp_path / "journal.sqlite", "me", now_ms=1, reserve_bytes=4096)
    pages = one._db.execute("PRAGMA page_count").fetchone()[0]
    one._db.execute(f"PRAGMA max_page_count = {pages + 1}")

    def until_full():
        for k in range(500):
            one.append("intent", k, f"c{k}", {"why": "x" * 400})

    with pytest.raises(JournalFull, match="disk is full"):
        until_full()
    n = len(one.events("intent"))
    assert one.is_full
    assert not (tmp_path / "journal.sqlite.reserve").exists()
    one._db.execute("PRAGMA max_page_count = 100000")  # what the freed reserve does
    one.append("intent", 1, "leave", {})
    assert len(one.events("intent")) == n + 1
    assert verify(tmp_path / "journal.sqlite") == n + 2


def test_a_damaged_file_is_named(tmp_path):
    """A file that is no journal is refused with a way out, not repaired in silence."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is not a database, but long enough to look at" * 100)
    with pytest.raises(RiskHalt, match="not a readable journal"):
        Journal.open(path, "me", now_ms=1)
