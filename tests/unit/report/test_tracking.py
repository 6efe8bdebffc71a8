"""W&B sees what the ledger holds, and can do nothing to the run it watches."""

import socket
import threading
import time
from types import SimpleNamespace

import pytest

from decot.errors import ConfigError, DataFault, LedgerBroken
from decot.evolve.ledger import Ledger
from decot.report.tracking import (
    Tracker,
    TrackingConfig,
    _last_line,
    offline_runs,
    read_offline,
    sync_from_ledger,
)

pytest.importorskip("wandb")


def trial(n, generation, individual, budget=1.0):
    return {
        "search": "abc",
        "key": f"g{generation:03d}-i{individual:02d}-t{n:02d}-r0",
        "genome": {"kernel": 5, "questions": ["flow"]},
        "genome_hash": f"h{generation}{individual}",
        "params": {"learning_rate": 0.001 * (n + 1)},
        "budget": budget,
        "evaluation": {
            "profit": float(n), "explanation": 0.5, "proxy": float(n), "period_pnl": [1.0, 2.0, 3.0],
            "env_steps": 10, "artefact": f"abc/trials/{n}",
            "notes": {"curves": {"loss": [3.0, 2.0]}, "tables": {"words": {"columns": ["a"], "rows": [[1]]}}},
        },
    }  # fmt: skip


@pytest.fixture
def ledger(tmp_path):
    book = Ledger(tmp_path / "trials.jsonl", fsync=False)
    for generation in range(2):
        for n in range(2):
            book.append("trial", trial(n, generation, 0))
    return book


def test_the_mirror_is_rebuilt_from_the_ledger_and_read_back(ledger, tmp_path):
    """One offline run per individual, grouped by generation, with genome, trials, equity, best and ledger head."""
    report = sync_from_ledger(ledger.path, tmp_path / "track")
    assert (report.runs, report.why) == (2, "")
    runs = [read_offline(path) for path in offline_runs(tmp_path / "track")]
    assert sorted(run.group for run in runs) == ["generation-000", "generation-001"]
    run = next(run for run in runs if run.name == "abc-g000-i00")
    assert run.config["kernel"] == 5
    assert run.config["ledger_head"] == ledger.head
    assert [row["profit"] for row in run.history if "profit" in row] == [0.0, 1.0]
    assert [row["equity_bps"] for row in run.history if "equity_bps" in row] == [1.0, 3.0, 6.0]
    assert [row["loss"] for row in run.history if "loss" in row] == [3.0, 2.0]
    assert run.summary["profit"] == 1.0
    assert run.summary["trials"] == 2
    assert any(a["metadata"].get("path") == "abc/trials/1" for a in run.artefacts if a["type"] == "model")
    assert not run.torn


def test_a_torn_or_foreign_file_is_told_apart(ledger, tmp_path):
    """A killed writer's file is read as far as it goes; another file is refused; a damaged one names the byte."""
    sync_from_ledger(ledger.path, tmp_path / "track", TrackingConfig(max_runs=1))
    path = offline_runs(tmp_path / "track")[0]
    whole = path.read_bytes()
    torn = tmp_path / "run-torn.wandb"
    torn.write_bytes(whole[:-40])
    assert read_offline(torn).torn
    torn.write_bytes(b"hello")
    with pytest.raises(DataFault, match="not with ':W&B'"):
        read_offline(torn)
    middle = bytearray(whole)
    middle[60] ^= 1
    torn.write_bytes(middle)
    with pytest.raises(DataFault, match="checksum"):
        read_offline(torn)


def test_a_broken_ledger_is_not_mirrored(ledger, tmp_path):
    """What cannot be believed is not shown."""
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b'"profit":1.0', b'"profit":9.0'))
    with pytest.raises(LedgerBroken, match="line 2"):
        sync_from_ledger(ledger.path, tmp_path / "track")


def busy(tracker, seconds=0.5):
    """A small training of fixed work that logs as it goes."""
    began = time.perf_counter()
    tracker.start("r", config={"lr": 1})
    for i in range(200):
        tracker.log("r", {"i": i})
    return time.perf_counter() - began


def test_a_hanging_wandb_is_left_behind(tmp_path, monkeypatch):
    """A W&B that never returns costs neither the logging nor more than the close time-out, and leaves no process."""
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "wandb.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(fake))
    tracker = Tracker(TrackingConfig(close_timeout_s=0.5), tmp_path / "track")
    assert busy(tracker) < 1.0
    child = tracker._child
    report = tracker.close()
    assert report.waited_s < 2.0
    assert "does not move" in report.why
    assert child.poll() is not None
    assert tracker.close().why == report.why


@pytest.mark.slow
def test_a_hanging_wandb_adds_less_than_five_percent(tmp_path, monkeypatch):
    """The same piece of work with and without a mirror that hangs, closing included: the best of three differ by less
    than 5 %, as the child has long been seen not to move."""
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "wandb.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(fake))

    def work(mode, n):
        tracker = Tracker(TrackingConfig(mode=mode, stall_s=0.3), tmp_path / f"{mode}-{n}")
        began = time.perf_counter()
        tracker.start("r")
        for i in range(40):
            time.sleep(0.05)  # a training that does not need this core
            tracker.log("r", {"loss": i})
        tracker.close()
        return time.perf_counter() - began

    hanging = min(work("offline", n) for n in range(3))
    alone = min(work("disabled", n) for n in range(3))
    assert hanging < 1.05 * alone + 0.1  # closing looks at the child once, 0.1 s


def test_a_refusing_wandb_is_named_and_survived(tmp_path, monkeypatch):
    """An exception inside W&B ends the mirror, not the run, and its words are reported."""
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "wandb.py").write_text("raise RuntimeError('no licence today')\n")
    monkeypatch.setenv("PYTHONPATH", str(fake))
    tracker = Tracker(TrackingConfig(), tmp_path / "track")
    busy(tracker)
    assert "no licence today" in tracker.close().why


def test_a_spool_that_cannot_be_written_is_survived(tmp_path):
    """A full or vanished disk ends the mirror with its reason."""
    (tmp_path / "file").write_text("")
    tracker = Tracker(TrackingConfig(), tmp_path / "file" / "track")
    busy(tracker)
    assert "spool cannot be written" in tracker.close().why


def test_a_child_silenced_by_its_disk_is_told_from_one_with_nothing_to_say(tmp_path, monkeypatch):
    """An empty log beside a full disk asks for room; beside an empty one it is only silence."""
    free = {"bytes": 4_096}
    monkeypatch.setattr(
        "decot.report.tracking.shutil.disk_usage", lambda _: SimpleNamespace(free=free["bytes"])
    )
    assert _last_line(tmp_path / "mirror.log") == "no word, and its disk has 4 kB left: make room"
    free["bytes"] = 10**9
    assert _last_line(tmp_path / "mirror.log") == "no word"


def test_a_hanging_endpoint_falls_back_to_offline(tmp_path, monkeypatch):
    """Online against a loopback server that accepts and never answers: the runs are kept offline, and it is said."""
    server = socket.create_server(("127.0.0.1", 0))
    kept = []
    threading.Thread(target=lambda: [kept.append(server.accept()) for _ in range(50)], daemon=True).start()
    monkeypatch.setenv("WANDB_API_KEY", "local" + "0" * 35)
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    cfg = TrackingConfig(mode="online", base_url=url, init_timeout_s=2, close_timeout_s=25)
    tracker = Tracker(cfg, tmp_path / "track")
    assert busy(tracker) < 1.0
    report = tracker.close()
    server.close()
    assert "kept offline" in report.why or "does not move" in report.why
    assert report.waited_s < 27


def test_disabled_absent_and_wrong_modes(tmp_path, monkeypatch):
    """Disabled writes nothing, absent is said, a wrong mode is refused."""
    assert Tracker(TrackingConfig(mode="disabled"), tmp_path / "no").close().why == "tracking is disabled"
    assert not (tmp_path / "no").exists()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tracker = Tracker(TrackingConfig(), tmp_path / "no")
    busy(tracker)
    assert "pip install" in tracker.close().why
    with pytest.raises(ConfigError, match="offline, online or disabled"):
        TrackingConfig(mode="sometimes")
