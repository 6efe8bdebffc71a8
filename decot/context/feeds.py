"""RSS and Atom, read safely with the standard library. Knows XML and dates; knows nothing of tables.

A feed comes from outside: a document type is refused before any entity could be expanded, size and depth are
bounded, and nothing is ever fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.parsers import expat

from decot.errors import TapeRefused

MAX_BYTES = 8_000_000
MAX_DEPTH = 64
_DATES = ("pubdate", "published", "date", "updated")


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One entry of a feed."""

    title: str
    published_ms: int | None
    source: str


@dataclass(slots=True)
class _Reader:
    """What has been read so far; names are without namespace, in lower case."""

    path: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    item: dict[str, str] | None = None
    items: list[dict[str, str]] = field(default_factory=list)
    source: str = ""

    def start(self, name: str, _attributes: Any) -> None:
        if len(self.path) >= MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        self.path.append(name.rpartition(" ")[2].lower())
        if self.path[-1] in ("item", "entry"):
            self.item = {}
        if self.item is None or len(self.path) <= self._item_depth() + 1:
            self.words = []

    def text(self, data: str) -> None:
        self.words.append(data)

    def end(self, _name: str) -> None:
        name = self.path[-1]
        said = "".join(self.words).strip()
        if self.item is not None and len(self.path) == self._item_depth() + 1:
            self.item.setdefault(name, said)
        elif name == "title" and self.item is None and not self.source:
            self.source = said
        elif name in ("item", "entry") and self.item is not None:
            self.items.append(self.item)
            self.item = None
        self.path.pop()

    def _item_depth(self) -> int:
        return next((i + 1 for i, name in enumerate(self.path) if name in ("item", "entry")), MAX_DEPTH)


def parse_feed(document: bytes, name: str = "feed") -> list[FeedItem]:
    """The entries of an RSS 2.0, RDF or Atom document, in its order.

    Raises:
        TapeRefused: not XML, a document type or entity (never expanded), too large, or no entries at all.
    """
    if len(document) > MAX_BYTES:
        raise TapeRefused(name, f"{len(document)} bytes, above {MAX_BYTES}", "fetch a shorter feed")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_doctype
    try:
        parser.Parse(document, True)
    except expat.ExpatError as broken:
        row = broken.lineno - 1
        raise TapeRefused(name, f"not well-formed XML ({broken})", "fetch it again", row=row) from broken
    except ValueError as refused:
        raise TapeRefused(name, str(refused), "use a plain RSS or Atom feed") from refused
    if not reader.items and not reader.source:
        raise TapeRefused(name, "no entries and no title", "give an RSS or Atom feed")
    return [
        FeedItem(item.get("title", ""), _first_date(item), reader.source or name) for item in reader.items
    ]


def _refuse_doctype(*_declaration: Any) -> None:
    raise ValueError("it declares a document type or an entity, which is never expanded")


def _first_date(item: dict[str, str]) -> int | None:
    return next((ms for name in _DATES if (ms := to_ms(item.get(name, ""))) is not None), None)


def to_ms(value: Any) -> int | None:
    """Milliseconds since the epoch, UTC, of a time in any usual writing; None when it is none.

    Numbers are seconds, ms, µs or ns by their size; text is ISO 8601 or RFC 2822; without a zone it is UTC.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _number_ms(float(value)) if isinstance(value, float) else _number_ms(value)
    if isinstance(value, datetime):
        return _aware_ms(value)
    if isinstance(value, date):
        return _aware_ms(datetime(value.year, value.month, value.day))
    text = str(value).strip()
    if not text:
        return None
    if text.lstrip("-").isdigit():
        return _number_ms(int(text))
    try:
        return _aware_ms(datetime.fromisoformat(text))
    except ValueError:
        pass
    try:
        return _aware_ms(parsedate_to_datetime(text))
    except (ValueError, TypeError):
        return None


def _number_ms(value: float) -> int | None:
    size = abs(value)
    if not 1e8 < size < 1e20:
        return None
    if size < 1e11:
        return round(value * 1_000)
    for bound, over in ((1e14, 1), (1e17, 1_000)):
        if size < bound:
            return int(value // over)
    return int(value // 1_000_000)


def _aware_ms(moment: datetime) -> int:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round(aware.timestamp() * 1_000)
