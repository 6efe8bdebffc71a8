"""The commands that act: a session, the way out of a dead one, the switch that stops all. Knows how to ask, no order."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, Profile, Quiet, fail, guarded, show

app = typer.Typer()

KEY, SECRET = "DECOT_API_KEY", "DECOT_API_SECRET"


@app.command(
    epilog="Examples:  decot trade 3f2a9c   (paper, on the newest bars of the lake)  ·  "
    "decot trade 3f2a9c --venue-port 8399 --speed 20 --minutes 60   (paper, on a running `decot exchange`)  ·  "
    "DECOT_API_KEY=… DECOT_API_SECRET=… decot trade 3f2a9c --live --symbol BTC/USDT"
)
def trade(
    digest: Annotated[str, typer.Argument(help="the agent's digest in the registry, or its beginning")],
    live: Annotated[
        bool, typer.Option("--live/--paper", help="orders to a venue, or fills as the simulator's")
    ] = False,
    feed: Annotated[
        bool,
        typer.Option("--feed", help="paper: on the venue's own feed instead of the newest bars of the lake"),
    ] = False,
    venue_port: Annotated[
        int,
        typer.Option(help="the loopback venue on this port (see `decot exchange`) instead of the real one"),
    ] = 0,
    symbol: Annotated[
        str, typer.Option(help="as the venue writes it, e.g. BTC/USDT; the agent's own if not given")
    ] = "",
    rules: Annotated[
        str, typer.Option(help="VENUE/SYMBOL of a rules snapshot, e.g. binance-spot/BTC-USDT")
    ] = "",
    exchange: Annotated[str, typer.Option(help="name of the exchange at ccxt")] = "binance",
    session: Annotated[
        str, typer.Option(help="name of the session; the same name goes on where it ended")
    ] = "",
    minutes: Annotated[
        float | None, typer.Option(help="length; 0 until it is stopped (30 on the lake)")
    ] = None,
    speed: Annotated[
        float, typer.Option(help="1: the true clock; n: beside a replay at n×; 0: the frames move the clock")
    ] = 1.0,
    origin_ms: Annotated[int, typer.Option(help="replays: what the clock shows at the start, ms")] = 0,
    warm_bars: Annotated[
        int, typer.Option(help="bars seen before it may act, those of the lake included")
    ] = 2_000,
    quiet_s: Annotated[float, typer.Option(help="replays: end after so long without a quote")] = 0.0,
    news: Annotated[
        Path | None,
        typer.Option(
            help="headlines file, heard as it grows (see `decot headlines`); the profile's if not given"
        ),
    ] = None,
    release: Annotated[str, typer.Option(help="your name: let a halted session trade again")] = "",
    profile: Profile = "demo",
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """A session of a certified agent, on paper or live. Without a certificate for it: refused.

    Live needs the agent's live certificate, a key that may trade and not withdraw, and less than 20 USDT in the account.
    Ctrl-C or SIGTERM leaves the market first. Exit code 3: the session was halted and a person must look.
    """
    if not live and not feed and not venue_port:
        from decot.experiment.trade import paper_session

        length = 30.0 if minutes is None else minutes
        plain = guarded(lambda listener: paper_session(home, digest, profile, length, listener), quiet)
        show(json.dumps(plain) if as_json else plain["card"])
        return
    key, secret = _keys(venue_port) if live else ("", "")

    def work(listener: Any) -> dict[str, Any]:
        from decot.cli.feeds import aim
        from decot.experiment.live import LiveOrder, run

        order = LiveOrder(
            digest=digest,
            mode="live" if live else "paper",
            profile=profile,
            home=str(home),
            symbol=symbol,
            venue=rules,
            exchange=exchange,
            session=session,
            minutes=minutes or 0.0,
            speed=speed,
            origin_us=origin_ms * 1_000 or None,
            warm_bars=warm_bars,
            quiet_s=quiet_s,
            release=release,
            news=str(news) if news else "",
            on_unwatched=lambda why: typer.echo(why, err=True),
        )
        return run(order, prepare=aim(venue_port), key=key, secret=secret, listener=listener)

    said = guarded(work, quiet)
    show(json.dumps(said) if as_json else said["card"])
    if said["state"] == "halted" or not said["is_flat"]:
        raise typer.Exit(3)


@app.command(epilog="Example:  DECOT_API_KEY=… DECOT_API_SECRET=… decot leave live-3f2a9c1d")
def leave(
    session: Annotated[
        str, typer.Argument(help="name of the session, as the dashboard and `decot trade` show it")
    ],
    everything: Annotated[
        bool,
        typer.Option(
            "--everything",
            help="sell all the account has of the coin, also what the journal knows nothing of",
        ),
    ] = False,
    symbol: Annotated[
        str, typer.Option(help="as the venue writes it; what the session last showed if not given")
    ] = "",
    rules: Annotated[
        str, typer.Option(help="VENUE/SYMBOL of a rules snapshot; what the session last showed if not given")
    ] = "",
    exchange: Annotated[str, typer.Option(help="name of the exchange at ccxt")] = "binance",
    venue_port: Annotated[
        int, typer.Option(help="the loopback venue on this port instead of the real one")
    ] = 0,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Take a live session that no longer runs out of the market: its orders back, what it holds sold. Needs no certificate.

    For when it cannot be begun again: the code has changed, the certificate was revoked, the switch is pulled,
    it was halted. Exit code 3: something could not be left; the lines say what.
    """
    key, secret = _keys(venue_port)

    def work(_: Any) -> dict[str, Any]:
        from decot.cli.feeds import aim
        from decot.experiment.leave import LeaveOrder
        from decot.experiment.leave import leave as out

        order = LeaveOrder(
            session=session,
            home=str(home),
            symbol=symbol,
            rules=rules,
            exchange=exchange,
            everything=everything,
        )
        return out(order, key=key, secret=secret, prepare=aim(venue_port))

    said = guarded(work, quiet=True)
    show(json.dumps(said) if as_json else said["card"])
    if not said["is_flat"]:
        raise typer.Exit(3)


@app.command(epilog="Examples:  decot kill --why 'the news looks wrong'  ·  decot kill --release")
def kill(
    why: Annotated[
        str, typer.Option(help="the reason, kept with the switch")
    ] = "asked for at the command line",
    who: Annotated[str, typer.Option(help="your name")] = os.environ.get("USER", "operator"),
    release: Annotated[bool, typer.Option("--release", help="take the switch away again")] = False,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Stop every session of this home within a second: everything cancelled, everything sold, confirmed by the venue."""
    from decot.live import kill as switch

    if release:
        was = switch.release(home)
        show(json.dumps({"released": was}) if as_json else "released" if was else "the switch was not pulled")
        return
    had_sessions = (home / "live").is_dir()
    said = guarded(lambda listener: _pulled(home, who, why), quiet=True)
    if not had_sessions:
        typer.echo(
            f"no session has ever shown itself under {home.resolve()}; of another home: --home PATH", err=True
        )
    plain = {"when": said.when, "who": said.who, "why": said.why}
    show(json.dumps(plain) if as_json else f"pulled by {said.who} at {said.when}: {said.why}")


def _pulled(home: Path, who: str, why: str) -> Any:
    """The switch put down; a home that cannot hold it is an error, never a comfort."""
    from decot.live import kill as switch

    said = switch.pull(home, who=who, why=why)
    if not said.when:  # it counts as pulled for whoever trades there, but was it meant?
        switch.switch(home).stat()
    return said


def _keys(venue_port: int) -> tuple[str, str]:
    """From the environment only: an argument would stand in the process list."""
    key, secret = os.environ.get(KEY, ""), os.environ.get(SECRET, "")
    if venue_port and not (key and secret):
        return "loopback", "loopback"
    if not (key and secret):
        fail(
            f"orders need {KEY} and {SECRET} in the environment (a key that may trade and not withdraw)",
            code=2,
        )
    return key, secret
