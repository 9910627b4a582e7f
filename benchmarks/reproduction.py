"""Measures settings near those of papers and writes the page that compares: docs/reproduction.md.

    python benchmarks/reproduction.py run [--only WORDS] [--draws N] [--seed N]   into docs/reproduction.json
    python benchmarks/reproduction.py write                                       from it, and from nothing else

`run` keeps what was measured of other settings and writes after each, so that it can be stopped. Settings whose attack
or network there is not are left out. It ends with status 1 when a setting crashed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from drawing import Drawn, draw
from papers import Setting
from reproduction_page import page
from rows import SETTINGS

from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.tasks import task_named

ROOT = Path(__file__).resolve().parents[1]
RECORD, PAGE = ROOT / "docs" / "reproduction.json", ROOT / "docs" / "reproduction.md"


def run(options: argparse.Namespace) -> int:
    """Measures what was asked for, one process for all; the number of settings that crashed."""
    record: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    crashed = 0
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for setting in SETTINGS:
            if options.only not in setting.name:
                continue
            if missing := not_there(setting):
                record.pop(setting.name, None)
                say(f"{setting.name}: not run, {missing}")
            else:
                future = pool.submit(measured, setting, options.seed, options.draws or setting.case.draws)
                error = future.exception()
                crashed += error is not None
                record[setting.name] = {
                    "asked": setting.asked,
                    **(crash(error) if error else future.result()),
                    **here(),
                }
                say(f"{setting.name}: {in_short(record[setting.name])}")
            RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return crashed


def measured(setting: Setting, first: int, draws: int) -> dict[str, Any]:
    """All draws of a setting, and the processor time of everything, data and training included."""
    started = time.process_time()
    drawn: list[Drawn] = [draw(setting, seed) for seed in range(first, first + draws)]
    return {"draws": [asdict(one) for one in drawn], "processor_seconds": round(time.process_time() - started, 1)}


def not_there(setting: Setting) -> str | None:
    """Why a setting cannot be measured with what is registered; None where it can."""
    try:
        attacks.build(setting.case.attack, setting.case.options)
        task_named(setting.case.task)
    except ConfigError as error:
        return str(error)
    return None


def crash(error: BaseException) -> dict[str, Any]:
    """The record of a setting that ended in an error; the whole of it is printed."""
    traceback.print_exception(error)
    return {"crash": f"{type(error).__name__}: {error}", "draws": [], "processor_seconds": 0.0}


def here() -> dict[str, Any]:
    """When, from which source and on what it was measured."""
    described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "revision": subprocess.run(described, capture_output=True, text=True, check=True).stdout.strip(),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "torch": torch.__version__,
                    "python": platform.python_version()},
    }  # fmt: skip


def processor() -> str:
    """The name of the processor's model, as far as the system tells."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def in_short(entry: dict[str, Any]) -> str:
    """A line of progress."""
    if "crash" in entry:
        return str(entry["crash"])
    figures = [one["figure"] for one in entry["draws"] if one["figure"] is not None]
    mean = f"{sum(figures) / len(figures):.4g}" if figures else "no figure"
    return f"{mean} in {len(figures)} of {len(entry['draws'])} draws, {entry['processor_seconds']:.1f} s"


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    measuring = verbs.add_parser("run", help="measure, into docs/reproduction.json")
    measuring.add_argument("--only", default="", help="only settings whose name contains this")
    measuring.add_argument("--draws", type=int, help="so many draws of each, instead of its own number")
    measuring.add_argument("--seed", type=int, default=0, help="the first seed")
    verbs.add_parser("write", help="write docs/reproduction.md from docs/reproduction.json")
    options = parser.parse_args()
    if options.verb == "run":
        return int(run(options) > 0)
    PAGE.write_text(page(json.loads(RECORD.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
