"""Headlines from every kind of file: times kept apart, repeats dropped, rubbish refused by name."""

import json

import polars as pl
import pytest

from decot.context.headlines import HeadlinesConfig, clean, read_headlines, settle
from decot.errors import TapeRefused
from schemas.tables import Headlines, faults

NOON = 1_767_614_400_000  # 2026-01-05 12:00 UTC


def test_every_kind_of_file_gives_the_same_table(tmp_path):
    """CSV, Parquet and JSONL with the same contents read the same, and the table is lawful."""
    rows = pl.DataFrame(
        {
            "published": ["2026-01-05T12:00:00Z", "2026-01-05T12:05:00+00:00"],
            "available_at": [NOON + 90_000, NOON + 400_000],
            "source": ["wire", "desk"],
            "title": ["Bitcoin &amp; friends  rise", "<b>Bitcoin</b> falls"],
        }
    )
    rows.write_csv(tmp_path / "a.csv")
    rows.write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows.to_dicts()))
    tables = [read_headlines(tmp_path / name).frame for name in ("a.csv", "a.parquet", "a.jsonl")]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert tables[0]["text"].to_list() == ["Bitcoin & friends rise", "Bitcoin falls"]
    assert tables[0]["available_ms"].to_list() == [NOON + 90_000, NOON + 400_000]
    assert faults(tables[0], Headlines) == []


def test_availability_is_assumed_aloud(tmp_path):
    """Without an availability column a delay is added, and the count says so."""
    pl.DataFrame({"ts": [NOON // 1000], "text": ["btc"]}).write_csv(tmp_path / "a.csv")
    read = read_headlines(tmp_path / "a.csv", HeadlinesConfig(assumed_delay_s=30))
    assert read.n_assumed == 1
    assert read.frame.row(0) == (NOON, NOON + 30_000, "a", "btc")


def test_repeats_are_one_headline_and_the_first_is_kept():
    """The same words from two desks within three days count once; after that they are news again."""
    hour = 3_600_000
    rows = [
        {"published_ms": NOON + h * hour, "available_ms": NOON + h * hour, "source": s, "text": t}
        for h, s, t in (
            (5, "desk", "BTC falls!"),
            (0, "wire", "btc falls"),
            (90, "wire", "BTC falls"),
            (1, "x", "eth"),
        )
    ]
    read = settle(rows)
    assert read.n_repeats == 1
    assert read.frame["source"].to_list() == ["wire", "x", "wire"]


def test_a_postdated_headline_keeps_its_availability():
    """Published 'tomorrow', had today: today counts."""
    read = settle([{"published_ms": NOON + 10, "available_ms": NOON, "source": "w", "text": "t"}])
    assert read.n_postdated == 1
    assert read.frame.row(0)[:2] == (NOON, NOON)


RSS = b"""<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>The Desk</title>
<item><title><![CDATA[Bitcoin <i>jumps</i>]]></title><pubDate>Mon, 05 Jan 2026 12:00:00 GMT</pubDate>
<media><title>not this one</title></media></item>
<item><title>Ether slips</title><dc:date>2026-01-05T13:00:00+01:00</dc:date></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Wire</title><entry><title>ETF &amp; news</title>
<updated>2026-01-05T12:00:00Z</updated></entry></feed>"""


def test_feeds_are_available_when_fetched(tmp_path):
    """RSS and Atom items carry their own publication and the fetch as availability."""
    (tmp_path / "a.rss").write_bytes(RSS)
    read = read_headlines(tmp_path / "a.rss", fetched_ms=NOON + 60_000).frame
    assert read["text"].to_list() == ["Bitcoin jumps", "Ether slips"]
    assert read["published_ms"].to_list() == [NOON, NOON]
    assert set(read["available_ms"]) == {NOON + 60_000}
    assert set(read["source"]) == {"The Desk"}
    (tmp_path / "a.atom").write_bytes(ATOM)
    assert read_headlines(tmp_path / "a.atom").frame.row(0) == (NOON, NOON + 60_000, "Wire", "ETF & news")


BOMB = b"""<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><rss><channel><title>&b;</title></channel></rss>"""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xml", BOMB, "never expanded"),
        ("a.xml", b'<!DOCTYPE r SYSTEM "file:///etc/passwd"><rss/>', "never expanded"),
        ("a.xml", b"<rss><channel>", "not well-formed"),
        ("a.xml", b"<x>" * 100 + b"</x>" * 100, "nested deeper"),
        ("a.xml", b"<html/>", "no entries"),
        ("a.csv", b"when,what\n1,2\n", "column text"),
        ("a.csv", b"ts,text\n2026-01-05,ok\nyesterday,no\n", "column ts, row 1"),
        ("a.jsonl", b'{"ts": 1767614400, "text": "ok"}\n{oops\n', "row 1"),
        ("a.parquet", b"PAR1 rubbish", "a.parquet"),
        ("a.doc", b"", "no known kind"),
    ],
)
def test_rubbish_is_refused_by_name(tmp_path, name, content, said):
    """A bomb, a broken file, a missing column, an impossible time: refused with place and way out."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TapeRefused, match=said):
        read_headlines(tmp_path / name)


def test_recorded_news_reads(tapes):
    """The recorded Bitcoin headlines come in: nearly all kept, some repeats found, table lawful."""
    read = read_headlines(tapes / "btc-news-2021-2024" / "news.parquet")
    assert read.n_read == 9_961
    assert read.n_assumed == 9_961
    assert 9_700 < read.frame.height < 9_961
    assert faults(read.frame, Headlines) == []


def test_clean_keeps_words():
    """Entities, tags and odd blanks go; a bare comparison sign stays."""
    assert clean("A\xa0&lt;b&gt;  c < d") == "A <b> c < d"
