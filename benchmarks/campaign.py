"""What a campaign costs and survives; each part prints rows of its own.

    python benchmarks/campaign.py [kill] [scaling] [overhead] [plan] [query] [--kills N] [--repeats N]

kill      200 small cells, killed with SIGKILL at random and started again until they are done, by the command line: the
          results must be those of a run left alone, byte for byte but for timings. In this process, in a pool, on Ray.
scaling   how much faster two workers are than one on cells of one to three seconds, in pairs; the pool is warm.
overhead  milliseconds a cell beside the attack itself: reading, both baselines, scoring, saving, TensorBoard.
plan      seconds to plan 10,000 cells.
query     seconds to query 100,000 rows.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

TINY: dict[str, Any] = {
    "name": "two hundred small cells",
    "seed": list(range(10)),
    "task": "digits-mlp",
    "metrics": ["psnr", "label-recall"],
    "federation": {"clients": 5},
    "adversary": {"auxiliary": 32},
    "attacks": [{"use": "analytic-linear"}, {"use": "dlg", "steps": 20, "restarts": 1}],
    "defenses": [{"name": "none"}, {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 1e-3}]}],
}
ENGINES = {"in this process": ("--jobs", "1"), "--jobs 2": ("--jobs", "2"), "ray": ("--engine", "ray", "--jobs", "2")}
FASTEST_KILL = 0.5
"""Seconds after which a run may be killed."""


def say(line: str) -> None:
    """One row."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def kill(options: argparse.Namespace) -> None:
    """Kills campaigns of each engine and compares what they come to."""
    for name, words in ENGINES.items():
        with tempfile.TemporaryDirectory(prefix="fedleak-") as folder:
            root = Path(folder)
            (root / "experiment.toml").write_text(tomli_w.dumps(TINY))
            started = time.perf_counter()
            _command(root, "whole", words).wait()
            whole = time.perf_counter() - started
            kills, starts = _killed(root, words, whole, options.kills)
            same = digests(root / "whole") == digests(root / "killed")
            rows = sum(1 for _ in (root / "killed" / "results.jsonl").open())
            verdict = "the same" if same else "DIFFERENT"
            say(f"kill      {name:<16} {kills} kills, {starts} starts, {rows} rows: {verdict}")


def digests(run: Path) -> dict[str, str]:
    """What a run came to: its rows without timings, and every recording, truth and guess, as digests by file."""
    found = {}
    for path in sorted([*run.rglob("*.safetensors"), *run.glob("*.jsonl")]):
        content = path.read_bytes()
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in content.splitlines()]
            content = json.dumps([{k: v for k, v in row.items() if k != "seconds"} for row in rows]).encode()
        found[str(path.relative_to(run))] = hashlib.sha256(content).hexdigest()
    return found


def _killed(root: Path, words: tuple[str, ...], whole: float, kills: int) -> tuple[int, int]:
    """Kills so often, each start at a random moment, then lets it finish; kills that hit, starts."""
    dice, hits, starts = random.Random(0), 0, 0
    while True:
        process = _command(root, "killed", words)
        starts += 1
        try:
            # Most of a short run is loading: a late kill finds it at work.
            status = process.wait(dice.uniform(FASTEST_KILL, whole) if hits < kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            hits += 1
            continue
        if status != 0:
            raise SystemExit(f"start {starts} ended with status {status}")
        if hits >= kills:
            return hits, starts
        # Done before all kills were spent: what was finished goes, so that there is something to kill again.
        for stale in (root / "killed" / "reconstructions").rglob("*dlg*.json"):
            stale.unlink()


def _command(root: Path, out: str, words: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "fedleak", "run", str(root / "experiment.toml"), "--out", str(root / out), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def scaling(options: argparse.Namespace) -> None:
    """One worker against two, in pairs."""
    from fedleak.processes.preload import warm_up

    warm_up(2)
    tree = {
        **{"name": "scaling", "task": "photos-convnet", "metrics": ["psnr"], "federation": {"clients": 12}},
        "attacks": [{"use": "inverting-gradients", "steps": 600}],
    }
    _timed(tree, jobs=2)  # the pool's server and the data are loaded
    pairs = [(_timed(tree, jobs=1), _timed(tree, jobs=2)) for _ in range(options.repeats)]
    ratios = [one / two for (one, _), (two, _) in pairs]
    cell = statistics.median(seconds / 12 for (seconds, _), _ in pairs)
    middle, span = f"{statistics.median(ratios):.2f}x", f"{min(ratios):.2f}-{max(ratios):.2f}"
    say(f"scaling   two workers {middle} one ({span}), cells of {cell:.1f} s, {len(pairs)} pairs")


def overhead(options: argparse.Namespace) -> None:
    """Time beside the attack, by cell: in the cell's own process, and of the whole run."""
    tree = {**TINY, "attacks": [{"use": "bias-sign"}, {"use": "prior"}]}
    for jobs in (1, 2):
        _timed(tree, jobs=jobs)
        runs = [_timed(tree, jobs=jobs) for _ in range(options.repeats)]
        cells = 200
        spent = [1000 * (seconds - attacks) / cells for seconds, attacks in runs]
        say(
            f"overhead  {statistics.median(spent):.1f} ms a cell with --jobs {jobs} ({min(spent):.1f}-{max(spent):.1f})"
        )


def _timed(tree: dict[str, Any], jobs: int) -> tuple[float, float]:
    """Seconds of a run from the first federation to the last result, and those of its attacks."""
    from fedleak.campaign.events import Events
    from fedleak.campaign.execution import execution_of
    from fedleak.campaign.pool import Pool
    from fedleak.campaign.workers import InThisProcess
    from fedleak.experiment.grid import parse_campaign
    from fedleak.randomness import one_thread
    from fedleak.runs.folder import RunFolder
    from fedleak.runs.ownership import claim

    campaign = parse_campaign(tree)
    with tempfile.TemporaryDirectory(prefix="fedleak-") as folder, one_thread():
        run = RunFolder(Path(folder) / "run")
        claim(run, campaign)
        execution = execution_of(campaign, run, "loopback", Events())
        started = time.perf_counter()
        execution.execute(lambda: InThisProcess() if jobs == 1 else Pool(jobs))
        seconds = time.perf_counter() - started
        first = campaign.first.metrics[0]
        return seconds, sum(row.seconds for row in execution.books.ledger.rows() if row.metric == first)


def plan(options: argparse.Namespace) -> None:
    """10,000 cells: 500 seeds, two defenses, five clients, two attacks."""
    from fedleak.campaign.plan import cells_of, counts_of
    from fedleak.experiment.grid import parse_campaign

    tree = {**TINY, "seed": list(range(500))}
    parse_campaign(TINY)  # plug-ins are found once
    messages = {(1, client): "" for client in range(TINY["federation"]["clients"])}
    taken, cells = [], 0
    for _ in range(options.repeats):
        started = time.perf_counter()
        campaign = parse_campaign(tree)
        cells = sum(
            len(cells_of(campaign, number, Path("run"), row, messages))
            for number, point in enumerate(campaign.points)
            for row in point.experiment.defenses
        )
        taken.append(time.perf_counter() - started)
        assert cells == counts_of(campaign)[1]
    say(f"plan      {cells} cells in {statistics.median(taken):.2f} s (worst of {len(taken)}: {max(taken):.2f})")


def query(options: argparse.Namespace) -> None:
    """The rows of a small run, copied under other seeds."""
    from fedleak.experiment.grid import parse_campaign
    from fedleak.results.row import write_results
    from fedleak.results.tables import write_parquet
    from fedleak.run import run
    from fedleak.runs.folder import RunFolder
    from fedleak.runs.query import open_run
    from fedleak.statistics.summary import summarize

    with tempfile.TemporaryDirectory(prefix="fedleak-") as folder:
        outcome = run(parse_campaign({**TINY, "seed": [0]}), Path(folder) / "run")
        copies = -(-100_000 // len(outcome.rows))
        rows = [replace(row, seed=seed) for seed in range(copies) for row in outcome.rows]
        write_results(RunFolder(Path(folder) / "run").results, rows)
        started = time.perf_counter()
        write_parquet(RunFolder(Path(folder) / "run").parquet, rows)
        written = time.perf_counter() - started
        taken = [_queried(open_run, Path(folder) / "run") for _ in range(options.repeats)]
        started = time.perf_counter()
        summarize(rows)
        summed = time.perf_counter() - started
    asked = f"{len(rows)} rows in {statistics.median(taken):.2f} s, opening included"
    say(f"query     {asked}; parquet {written:.1f} s, summaries {summed:.1f} s")


def _queried(open_run: Callable[[Path], Any], run: Path) -> float:
    started = time.perf_counter()
    database = open_run(run)
    sql = "select defense, attack, metric, avg(value), quantile_cont(value, .95) from results group by all order by all"
    assert len(database.ask(sql).rows) > 4
    return time.perf_counter() - started


PARTS = {part.__name__: part for part in (plan, query, overhead, scaling, kill)}


def main() -> None:
    """Runs the parts that are named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    say(f"{os.cpu_count()} cores")
    for name in options.parts or PARTS:
        PARTS[name](options)


if __name__ == "__main__":
    main()
