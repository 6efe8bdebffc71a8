"""What was meant, sent and heard, on disk before it counts. Knows SQLite and a fencing token; knows no venue.

Append-only events in one SQLite file (write-ahead log, flushed at every commit). Each event carries the hash of the one
before, so an edited or missing line is found. Every append checks, in its own transaction, that the writer's token is
still the newest: a twin that was fenced off cannot write, and who cannot write an intent does not send.

An intent's client id and a fill's trade id are unique in the file itself: the same order is not meant twice, the same
fill is not counted twice, whatever the program believes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decot.errors import RiskHalt

SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY CHECK (id = 1), token INTEGER NOT NULL, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, t_ms INTEGER NOT NULL, token INTEGER NOT NULL, kind TEXT NOT NULL,
  client_id TEXT NOT NULL, payload TEXT NOT NULL, hash TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS one_intent ON events (client_id) WHERE kind = 'intent';
CREATE UNIQUE INDEX IF NOT EXISTS one_fill ON events (json_extract(payload, '$.trade_id')) WHERE kind = 'fill';
CREATE TRIGGER IF NOT EXISTS no_edit BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
"""
RESERVE_BYTES = 1 << 20
BUSY_S = 5.0


class Fenced(RiskHalt):
    """Somebody newer holds the journal; this worker must not trade any more."""


class JournalFull(RiskHalt):
    """The disk took no more; the reserve was given up so that leaving can still be written down."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal."""

    seq: int
    t_ms: int
    token: int
    kind: str
    client_id: str
    payload: Mapping[str, Any]


class Journal:
    """One file, one writer."""

    def __init__(self, path: Path, db: sqlite3.Connection, token: int, reserve_bytes: int) -> None:
        self.path, self.token = path, token
        self.is_full = False
        self._db, self._reserve = db, path.with_name(f"{path.name}.reserve")
        row = db.execute("SELECT hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        self._head = row[0] if row else ""
        if reserve_bytes and not self._reserve.exists():
            with suppress(OSError):
                self._reserve.write_bytes(b"\0" * reserve_bytes)

    @staticmethod
    def open(path: Path, owner: str, *, now_ms: int, reserve_bytes: int = RESERVE_BYTES) -> Journal:
        """Become the writer: whoever was it before is fenced off from here on.

        Raises:
            RiskHalt: the file is no journal, or is damaged.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(SCHEMA)
            db.execute("BEGIN IMMEDIATE")
            row = db.execute("SELECT token FROM lease WHERE id = 1").fetchone()
            token = (row[0] if row else 0) + 1
            db.execute(
                "INSERT INTO lease VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET token = ?, owner = ?",
                (token, owner, token, owner),
            )
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise _in_words(path, error) from error
        except sqlite3.DatabaseError as error:
            raise RiskHalt(
                f"{path.name}: not a readable journal ({error}); put it aside, compare the account by hand, start anew"
            ) from error
        journal = Journal(path, db, token, reserve_bytes)
        journal.append("lease", now_ms, payload={"owner": owner})
        return journal

    def append(
        self, kind: str, t_ms: int, client_id: str = "", payload: Mapping[str, Any] | None = None
    ) -> bool:
        """Write one event; see `append_all`."""
        return self.append_all([(kind, t_ms, client_id, payload or {})]) == 1

    def append_all(self, lines: Iterable[tuple[str, int, str, Mapping[str, Any]]]) -> int:
        """Write events, all or none, on disk when this returns.

        Returns:
            how many were new; a fill that is already here is passed over.
        Raises:
            Fenced: another worker has opened the journal since; nothing was written.
            JournalFull: the disk is full; nothing was written.
            RiskHalt: an intent with this client id is already here, or the file cannot be written.
        """
        db, head, written = self._db, "", 0
        try:
            db.execute("BEGIN IMMEDIATE")
            (token,) = db.execute("SELECT token FROM lease WHERE id = 1").fetchone()
            if token != self.token:
                db.execute("ROLLBACK")
                raise Fenced(
                    f"token {self.token} was overtaken by {token}: another worker holds {self.path.name}"
                )
            head = self._head
            for kind, t_ms, client_id, payload in lines:
                text = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
                after = _chained(head, t_ms, token, kind, client_id, text)
                try:
                    db.execute(
                        "INSERT INTO events (t_ms, token, kind, client_id, payload, hash) VALUES (?,?,?,?,?,?)",
                        (t_ms, token, kind, client_id, text, after),
                    )
                except sqlite3.IntegrityError as error:
                    if kind == "fill":
                        continue
                    db.execute("ROLLBACK")
                    raise RiskHalt(f"{client_id}: was meant before; an order is never sent twice") from error
                head, written = after, written + 1
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            self._give_reserve(error)
            raise _in_words(self.path, error) from error
        self._head = head
        return written

    def _give_reserve(self, error: sqlite3.OperationalError) -> None:
        if "full" in str(error):
            self.is_full = True
            self._reserve.unlink(missing_ok=True)

    def is_newest(self) -> bool:
        """Whether this writer has not been fenced off; asked right before something is sent."""
        row = self._db.execute("SELECT token FROM lease WHERE id = 1").fetchone()
        return bool(row and row[0] == self.token)

    def events(self, *kinds: str) -> list[Event]:
        """Every event (of some kinds), oldest first."""
        where = f" WHERE kind IN ({','.join('?' * len(kinds))})" if kinds else ""
        rows = self._db.execute(
            f"SELECT seq, t_ms, token, kind, client_id, payload FROM events{where} ORDER BY seq", kinds
        )
        return [_event(row) for row in rows]

    def last(self, *kinds: str) -> Event | None:
        """The newest event of these kinds."""
        row = self._db.execute(
            "SELECT seq, t_ms, token, kind, client_id, payload FROM events"
            f" WHERE kind IN ({','.join('?' * len(kinds))}) ORDER BY seq DESC LIMIT 1",
            kinds,
        ).fetchone()
        return _event(row) if row else None

    def close(self) -> None:
        """Let the file go; twice is once."""
        self._db.close()


def verify(path: Path) -> int:
    """How many events a journal holds, when every one of them is as it was written.

    Raises:
        RiskHalt: the file is damaged, or an event was edited or taken out; the message names the first.
    """
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_S)
    try:
        (whole,) = db.execute("PRAGMA integrity_check").fetchone()
        rows = db.execute("SELECT seq, t_ms, token, kind, client_id, payload, hash FROM events ORDER BY seq")
        head, count = "", 0
        for seq, t_ms, token, kind, client_id, text, found in rows:
            head = _chained(head, t_ms, token, kind, client_id, text)
            count += 1
            if head != found:
                raise RiskHalt(f"{path.name}: event {seq} ({kind}) was edited, or one before it taken out")
    except sqlite3.DatabaseError as error:
        raise RiskHalt(f"{path.name}: cannot be read ({error})") from error
    finally:
        db.close()
    if whole != "ok":
        raise RiskHalt(f"{path.name}: {whole}")
    return count


def _event(row: tuple[Any, ...]) -> Event:
    seq, t_ms, token, kind, client_id, text = row
    return Event(seq, t_ms, token, kind, client_id, json.loads(text))


def _chained(head: str, t_ms: int, token: int, kind: str, client_id: str, text: str) -> str:
    return hashlib.sha256(f"{head}|{t_ms}|{token}|{kind}|{client_id}|{text}".encode()).hexdigest()


def _in_words(path: Path, error: sqlite3.OperationalError) -> RiskHalt:
    if "full" in str(error):
        return JournalFull(
            f"{path.name}: the disk is full, so nothing may be sent but what leaves the market; make room"
        )
    return RiskHalt(f"{path.name}: cannot be written ({error}), so nothing may be sent")
