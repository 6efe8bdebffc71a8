"""What a worker shows of itself, and what it hears from outside. Reads a worker; changes nothing but its agent's ear."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from decot.features.kernel import OUT_NAMES
from decot.live.snapshot import Snapshot
from decot.model.vocabulary import FORECASTS, NAMES, QUESTIONS

if TYPE_CHECKING:
    from decot.live.worker import Worker


def hear_words(worker: Worker, told_at: int) -> int:
    """Say the new lines of inject.jsonl into the chain; gives how many lines there are now."""
    path = worker.publisher.folder / "inject.jsonl"
    agent = getattr(worker.mind, "agent", None)
    if agent is None or not path.is_file():
        return told_at
    lines = path.read_text().split("\n")[:-1]
    for line in lines[told_at:]:
        with suppress(ValueError, KeyError, TypeError, IndexError):
            said = json.loads(line)
            ticks = int(said.get("ticks", 1))
            agent.hear(said["question"], said["answer"], ticks)
            told = {
                "row": worker.n_bars,
                "life": worker.recorder.life,
                "question": said["question"],
                "answer": said["answer"],
                "ticks": ticks,
            }
            event = {"t_ms": worker.now_ms(), "state": worker.state, "why": "told from outside"}
            worker.publisher.note("events", event | {"told": told | {"who": str(said.get("who", ""))}})
    return len(lines)


def view_of(worker: Worker) -> Snapshot:
    """This moment of a session."""
    mid = (worker.bid + worker.ask) / 2
    equity = worker.hand.equity(mid)
    step, n = worker.step, len(OUT_NAMES)
    words = [int(word) for word in step.words] if step is not None else []
    forecasts = getattr(step, "forecasts", ())
    return Snapshot(
        time_ms=worker.now_ms(),
        session=worker.config.session,
        symbol=worker.config.symbol,
        mode=worker.config.mode,
        bid=worker.bid,
        ask=worker.ask,
        position=worker.hand.position,
        quantity=worker.hand.quantity,
        equity_usdt=equity,
        day_pnl_usdt=worker.guard.day_pnl(equity),
        drawdown_bps=worker.guard.drawdown_bps(equity),
        sentence_en=step.say("en") if step is not None else "",
        sentence_fr=step.say("fr") if step is not None else "",
        words={name: QUESTIONS[k].en[word] for k, (name, word) in enumerate(zip(NAMES, words))},
        attention=worker.attend(step.words) if step is not None and worker.attend is not None else {},
        forecasts={name: float(value) for name, value in zip(FORECASTS, forecasts)},
        regime=tuple(float(value) for value in worker.columns[n : n + 6]),
        risk={**(worker.verdict.figures if worker.verdict else {}), **reasoning_of(worker.watch)},
        state=worker.state,
        why=worker.why,
        latency_us=worker.timings.told(),
        fills=tuple(worker.last_fills),
        n_bars=worker.n_bars,
        n_orders=worker.hand.n_orders,
        n_fills=worker.n_fills,
        venue=worker.config.venue,
    )


def reasoning_of(watch: object) -> dict[str, tuple[float, float, bool]]:
    """The channels of the reasoning monitor; where nobody watches, a limit that does not hold, so that it is seen."""
    if watch is None:
        return {"reasoning: watched": (0.0, 1.0, False)}
    figures = getattr(watch, "figures", {})
    return {f"reasoning: {name}": row for name, row in figures.items()}
