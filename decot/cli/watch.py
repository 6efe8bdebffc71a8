"""The commands for watching a session: its page in a browser, and words said into its chain. Knows no session."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, Profile, Quiet, fail, guarded, show

app = typer.Typer()


@app.command(
    epilog="Examples:  decot dashboard  ·  decot dashboard --port 9000 --session 20260106-1200 --open-metrics  ·  "
    "DECOT_NOTIFY='json://127.0.0.1:9999/' decot dashboard --notify"
)
def dashboard(
    home: Home = HOME,
    port: Annotated[int, typer.Option(help="on 127.0.0.1", min=1, max=65_535)] = 8798,
    session: Annotated[str, typer.Option(help="which session; the newest if not given")] = "",
    open_metrics: Annotated[
        bool,
        typer.Option("--open-metrics", help="/metrics without the token, for a Prometheus that has none"),
    ] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="also tell fills, halts, the switch and each day to DECOT_NOTIFY")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show a running session on one page: price with entries and exits, account, thoughts, limits, and the kill switch.

    It serves 127.0.0.1 only and asks for a token: DECOT_DASHBOARD_TOKEN, or the one kept in HOME/live/dashboard.token.
    The same server answers /metrics (Prometheus) and /healthz. It trades nothing and may be started and stopped at will.
    """

    def work(listener: Any) -> None:
        from decot.report.dashboard.door import token_of
        from decot.report.dashboard.server import build_app, serve

        token = token_of(home)
        app = build_app(home, token, session=session, has_open_metrics=open_metrics)
        notifier = _notifier() if notify else None
        url = f"http://127.0.0.1:{port}/?token={token}"
        if as_json:
            show(json.dumps({"url": url, "port": port, "home": str(home)}))
        elif not quiet:
            typer.echo(url, err=True)
        with _herald(home, session, notifier):
            serve(app, port)

    guarded(work, quiet=True)


@app.command(
    epilog='Examples:  decot event "heavy selling reported" --for 300  ·  '
    'decot event "the index is rebalanced at noon" --for 900 --says "plain news"'
)
def event(
    text: Annotated[
        str, typer.Argument(help="what happened, in a few words; it is shown, not read by the network")
    ],
    for_s: Annotated[
        str, typer.Option("--for", help="how long it holds: seconds, or like 300s, 5m, 1h")
    ] = "300s",
    says: Annotated[
        str,
        typer.Option(help="the answer to put into the chain; for news guessed from the text if not given"),
    ] = "",
    question: Annotated[str, typer.Option(help="which of the nine questions it answers")] = "news",
    who: Annotated[str, typer.Option(help="who says it, as the sentence will name them")] = "operator",
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Tell the running agent something: a word put into its chain of thought, for so long. The network is not changed.

    The sentence then begins "The operator says bad news (…)", and every step after that word follows from it.
    """

    def work(listener: Any) -> dict[str, Any]:
        from dataclasses import asdict

        from decot import clock
        from decot.live.context_buffer import add, event_of

        made = event_of(
            text, for_s=_seconds(for_s), now_us=clock.now_us(), question=question, answer=says, who=who
        )
        return {**asdict(add(home, made)), "says": made.say().strip()}

    done = guarded(work, quiet=True)
    until = f"for {done['for_s']:g} s, from the next bar of a session that is running under {home}"
    show(json.dumps(done) if as_json else f"{done['says']}\n{until}")


@app.command(epilog="Example:  decot monitor 3f2a9c   (beginning of the digest; `decot agents` lists them)")
def monitor(
    digest: Annotated[str, typer.Argument(help="the agent's digest in the registry, or its beginning")],
    profile: Profile = "demo",
    reduce_per_day: Annotated[
        float, typer.Option(help="false alarms per day to aim at, before anything is wrong")
    ] = 1.0,
    flat_per_day: Annotated[float, typer.Option(help="how many of them may go as far as flat")] = 0.1,
    home: Home = HOME,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Learn how an agent usually reasons, so that its sessions notice when it no longer does: reduce, then flat.

    From the rows it was taught and chosen on. Sessions look for the result in HOME/monitor; without it they are not watched.
    """

    def work(listener: Any) -> dict[str, Any]:
        from decot.experiment.baseline import fit_monitor
        from decot.live.monitor import MonitorConfig

        cfg = MonitorConfig(reduce_per_day=reduce_per_day, flat_per_day=flat_per_day)
        return fit_monitor(home, digest, profile, cfg, listener)

    done = guarded(work, quiet)
    rows = [
        f"{name:<14} reduce above {low:8.3f}   flat above {high:8.3f}"
        for name, (low, high) in done["bounds"].items()
    ]
    head = f"{done['digest'][:12]}: perplexity {done['taught']['perplexity']:.3f} on what it was taught"
    show(json.dumps(done) if as_json else "\n".join([head, *rows, done["file"]]))


def _seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3_600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        return float(number) * units[unit]
    except ValueError:
        fail(f"--for {text!r} is no length of time; write seconds, or like 300s, 5m, 1h", code=2)


def _notifier() -> Any:
    from decot.errors import ConfigError
    from decot.live.notify import VARIABLE, Notifier, addresses_of

    addresses = addresses_of()
    if not addresses:
        raise ConfigError(
            [f"--notify: {VARIABLE} names no address; set it to Apprise addresses, or to @FILE"]
        )
    return Notifier(addresses)


def _herald(home: Any, session: str, notifier: Any) -> Any:
    from contextlib import nullcontext

    if notifier is None:
        return nullcontext()
    from decot.live.notify import heralding

    return heralding(home, session, notifier)
