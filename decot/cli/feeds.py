"""The commands about where data comes from: a venue on loopback, a recorder, the past. Knows how to ask for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from decot import clock
from decot.cli.common import (
    HOME,
    AsJson,
    Home,
    Profile,
    Quiet,
    Seed,
    Symbol,
    TapePath,
    World,
    check_names,
    fail,
    guarded,
    show,
)

app = typer.Typer()

Exchange = Annotated[str, typer.Option(help="name of the exchange at ccxt")]
VenuePort = Annotated[
    int, typer.Option(help="ask the loopback venue on this port instead (see `decot exchange`); binance only")
]
ApiKey = Annotated[
    str, typer.Option(envvar="DECOT_API_KEY", help="public API key, where the past is kept behind one")
]
Chance = Annotated[float, typer.Option(help="probability per frame", min=0.0, max=1.0)]


@app.command(
    epilog="Examples:  decot exchange --tape ../tapes/binance-ws --speed 50 --port 8399  ·  "
    "decot exchange --drop 0.01 --dup 0.01 --disconnect 0.0005 --skew-ms 400"
)
def exchange(
    tape: TapePath = "",
    world: World = "",
    profile: Profile = "demo",
    symbol: Symbol = "",
    speed: Annotated[float, typer.Option(help="tape seconds per second; 0: as fast as it is read")] = 50.0,
    port: Annotated[int, typer.Option(help="on 127.0.0.1; 0: any free one")] = 8399,
    wait: Annotated[int, typer.Option(help="begin when so many streams are subscribed; 0: at once")] = 1,
    until_done: Annotated[bool, typer.Option("--until-done", help="close when the tape has ended")] = False,
    drop: Chance = 0.0,
    dup: Chance = 0.0,
    reorder: Chance = 0.0,
    gap: Chance = 0.0,
    stall: Chance = 0.0,
    disconnect: Chance = 0.0,
    http_429: Annotated[
        float, typer.Option("--http-429", help="probability per request", min=0.0, max=1.0)
    ] = 0.0,
    skew_ms: Annotated[int, typer.Option(help="how far the venue's clock is ahead")] = 0,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """A Binance-compatible venue on this machine that replays a tape, with faults if you wish, until Ctrl-C.

    Any ccxt client can be pointed at the address printed first; orders are matched and checked like a real venue's.
    """
    check_names({"tape": tape, "world": world})

    def work(listener: Any) -> dict[str, Any]:
        from decot.data.depth import open_depth
        from decot.data.exchange.faults import Faults
        from decot.data.exchange.venue import run
        from decot.experiment.config import Experiment
        from decot.experiment.ingest import fetch
        from decot.experiment.order import Order
        from decot.report.progress import listening

        faults = Faults(
            drop=drop,
            dup=dup,
            reorder=reorder,
            gap=gap,
            stall=stall,
            disconnect=disconnect,
            http_429=http_429,
            skew_ms=skew_ms,
            seed=seed or 0,
        )
        order = Order(profile=profile, world=world, tape=tape, symbol=symbol, seed=seed)
        with listening(listener):
            found = fetch(Experiment.of(order), order)

        recorded = open_depth(tape, found) if tape else None

        def ready(venue: Any) -> None:
            markets = {feed.name: feed.wire for feed in venue.feeds.values()}
            share = min(feed.recorded_share for feed in venue.feeds.values())
            said = {"url": venue.url, "port": venue.port, "markets": markets, "speed": speed}
            said["depth_recorded_share"] = share
            depth = (
                f"{share:.0%} of its depth as recorded, the rest made up" if share else "its depth made up"
            )
            plain = f"{venue.url}  replays {', '.join(markets)} at {speed:g}×, {depth}; Ctrl-C closes it"
            show(json.dumps(said) if as_json else plain)

        return run(
            found,
            depth={found.symbol: recorded},
            on_ready=ready,
            until_done=until_done,
            speed=speed,
            port=port,
            wait_streams=wait,
            faults=faults,
        )

    state = guarded(work, quiet)
    if as_json:
        show(json.dumps(state))


@app.command(
    epilog="Examples:  decot record --symbols BTC/USDT --symbols ETH/USDT --seconds 3600  ·  "
    "decot record --symbols BTC/USD --seconds 30 --venue-port 8399 --json"
)
def record(
    exchange: Exchange = "binance",
    symbols: Annotated[list[str], typer.Option(help="one or several, each with its own --symbols")] = [  # noqa: B006
        "BTC/USDT"
    ],
    seconds: Annotated[float, typer.Option(help="how long; 0: until Ctrl-C")] = 0.0,
    venue_port: VenuePort = 0,
    api_key: ApiKey = "",
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Listen to trades, quotes and depth; what a stream loses is asked for again and written down either way.

    Killed at any moment and started again, a recording goes on where it was.
    """

    def work(listener: Any) -> Any:
        from decot.data.record import RecordConfig, record_blocking

        config = RecordConfig(
            folder=home / "recordings" / exchange,
            exchange=exchange,
            symbols=tuple(symbols),
            lake=home / "lake",
            client=settings(venue_port, api_key),
        )
        return record_blocking(
            config, seconds=seconds or None, prepare=aim(venue_port), progress=told(listener)
        )

    report = guarded(work, quiet)
    show(json.dumps(asdict(report)) if as_json else recorded(report))


@app.command(
    epilog="Examples:  decot download --symbol BTC/USDT --since 2026-01-05 --until 2026-01-06T12:00  ·  "
    "decot download --symbol ETH/USDT --kind candles --timeframe 5m --since 2026-01-01 --until 2026-02-01"
)
def download(
    symbol: Annotated[str, typer.Option(help="as ccxt writes it, e.g. BTC/USDT")],
    since: Annotated[str, typer.Option(help="first moment wanted, ISO 8601, UTC")] = "",
    until: Annotated[str, typer.Option(help="first moment not wanted, ISO 8601, UTC")] = "",
    exchange: Exchange = "binance",
    kind: Annotated[
        str, typer.Option(help="agg-trades, trades, candles, or book (snapshots from now on)")
    ] = "agg-trades",
    timeframe: Annotated[str, typer.Option(help="of candles")] = "1m",
    snapshots: Annotated[int, typer.Option(help="of the book, one a second")] = 60,
    venue_port: VenuePort = 0,
    api_key: ApiKey = "",
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """The past of a market, page by page, within the venue's limits; cut short, the same command goes on."""
    begin, end = span(kind, since, until)

    def work(listener: Any) -> Any:
        from decot.data.download import DownloadConfig, download_blocking

        config = DownloadConfig(
            folder=home / "downloads" / exchange / (f"{begin}-{end}" if end else str(begin)),
            symbol=symbol,
            since_ms=begin,
            until_ms=end,
            exchange=exchange,
            kind=kind,
            timeframe=timeframe,
            snapshots=snapshots,
            lake=home / "lake",
            client=settings(venue_port, api_key),
        )
        return download_blocking(config, prepare=aim(venue_port), progress=told(listener))

    report = guarded(work, quiet)
    plain = (
        f"{report.symbol} {report.kind}: {report.rows:,} rows ({report.resumed_rows:,} were here), {report.holes} missing, "
        f"{report.requests} requests, {report.requests_refused} refused, {report.seconds:.1f} s\n{report.file}"
        f"{reached(report, begin)}"
    )
    show(json.dumps(asdict(report)) if as_json else plain)


LATE_MS = 3_600_000


def reached(report: Any, begin_ms: int) -> str:
    """From when to when the rows are; said twice when the venue's past begins later than was asked for."""
    if report.first_us is None:
        return "\nthe venue gave nothing in that span"
    first, last = (clock.iso(us // 1000) for us in (report.first_us, report.last_us))
    late = report.first_us // 1000 - begin_ms > LATE_MS
    return f"\nfrom {first} to {last}" + (
        f"; asked for {clock.iso(begin_ms)}, the venue may keep no older ones" if late else ""
    )


def span(kind: str, since: str, until: str) -> tuple[int, int | None]:
    """Both ends in ms; snapshots of the book begin now and have no end."""
    if kind == "book":
        return clock.now_us() // 1000, None
    if not since or not until:
        fail(f"{kind} need both ends: give --since and --until, e.g. --since 2026-01-05", code=2)
    return moment("--since", since), moment("--until", until)


def moment(option: str, text: str) -> int:
    """ISO 8601 as ms UTC; a time without a zone is UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text!r} is no ISO 8601 time; write 2026-01-05 or 2026-01-05T12:30Z", code=2)
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def settings(venue_port: int, api_key: str) -> dict[str, Any]:
    if venue_port:
        return {"apiKey": "loopback", "secret": "loopback", "enableRateLimit": False}
    return {"apiKey": api_key} if api_key else {}


def aim(venue_port: int) -> Callable[[Any], Any] | None:
    if not venue_port:
        return None

    def towards(client: Any) -> Any:
        from decot.data.exchange.venue import point

        return point(client, venue_port)

    return towards


def told(listener: Any) -> Callable[..., None]:
    """The listener, asked the way recorder and download speak."""
    from decot.report.progress import Step

    return lambda stage, done, total, note: listener(Step(stage, done, total, note))


def recorded(report: Any) -> str:
    lines = [
        f"{one.symbol}: {one.trades:,} trades ({one.filled} asked for again, {one.missing} missing, "
        f"{one.duplicates} repeats dropped), {one.quotes:,} quotes, coverage {one.coverage_pct:g} %\n{one.tape}"
        for one in report.symbols
    ]
    skew = "unknown" if report.skew_ms is None else f"{report.skew_ms:+.0f} ms"
    lines.append(
        f"{report.frames:,} frames, {sum(report.refused.values())} refused, {report.reconnects} reconnects, "
        f"{report.resyncs} resyncs, venue clock {skew}, {report.seconds:.1f} s"
    )
    return "\n".join(lines)
