"""The page on defenses, from what `defenses.py run` recorded and nothing else."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from scale_page import SETS, origin

Line = Mapping[str, Any]

HEAD = """# What defenses leave, and what they cost

Written by `benchmarks/defenses.py write` from [`defenses.json`](defenses.json), which `benchmarks/defenses.py
run --data FOLDER` measures: `fedleak compare` on the preset
[`compare-defenses.toml`](../fedleak/presets/compare-defenses.toml), on tiles of photographs and on CIFAR-10.

Each of ten seeds is a federation with weights, clients and dice of its own, and one message of it is attacked:
one step on one image, on fresh weights. That is the *diagnostic setting*, the easiest case for an attacker, and
right for comparing defenses; what batches, depth and training leave of it is in [`scale.md`](scale.md). Under
some of the seeds, said below each table, the same federation then trains on under the same defense until its
accuracy no longer rises: leak and accuracy are of one operating point, and an accuracy needs fewer seeds than a
leak. One seed gives an accuracy without an interval.

Both attackers are tuned: on two more seeds each tries the same other smoothing weights, more steps and more
restarts, and on the ten seeds runs with what got the most under that defense. What tuning chose stands below
each table, for the attacker who knows the defense and for the control, who takes no notice of it; by default total
variation weighs .01, and more where the attacker knows of noise, with 300 steps and one restart. Figures are
mean PSNR in dB of the strongest attacker of each kind with 95% intervals; *by knowing* is the attacker who
knows over its own control on the same messages, with an exact sign-flip test, corrected for the defenses of the
table (Holm); *tail* is what 95 of 100 images leak at most to the strongest of all, and the image that leaked
most; *rebuilt* by the report's rule (past the [threshold](figures.md) and beyond every guess); *labels* the
share that was read; epsilon at delta 1e-5 under replace-one, of the whole run.

A low figure shows that these attacks fail, not that none succeeds. One learning rate of FedAdam serves all
defenses, so the accuracy of one that would need another (signs, DP-SGD) is lower than its best. The server here is
curious and no more; one that cheats, and what clients see of it, is in [`servers.md`](servers.md).
"""
TAIL = """
## What changed against the figures before

Earlier figures of this preset (two clients and one or two seeds, on the tiles of then) and these differ for
reasons that the tables show:

- **The tiles.** A quarter of them was flat, and neighbors lay in different splits. Undefended reconstructions
  fell from 37 dB to what stands above.
- **The control.** The attacker in ignorance used to run with the smoothing of its defaults and is tuned now.
  Under Gaussian noise it had 14.4 dB where the one who knew had 29.0; that was smoothing, and its weight stands
  in the row of the control.
- **The operating point.** Accuracy used to come from another federation (batches of 16, momentum, twelve
  rounds, 42 to 48% undefended); it is that of the attacked setting now, trained until it no longer rises.
- **Epsilon.** `epsilon = 8` is under replace-one now, which takes twice the noise that it had.
- **The data.** Of CIFAR-10 the attacker who knows gets 1.8 dB less than of the tiles in the mean of the defenses,
  whose order is nearly the same (rank correlation .98).
- **Ten seeds, one message each**, exact tests and a tail: five units could not show p < .0625.
"""
COLUMNS = ("defense", "not knowing", "knowing", "by knowing", "tail; worst", "guess", "rebuilt", "SSIM", "labels",
           "accuracy", "epsilon")  # fmt: skip


def page(record: Mapping[str, Any]) -> str:
    """The page in Markdown, a section for each data set."""
    return "\n".join([HEAD, *(line for data in SETS for line in _section(data, record.get(data))), TAIL])


def _section(data: str, known: Mapping[str, Any] | None) -> Iterator[str]:
    if known is None:
        yield from (f"## On {data}", "", "Not run yet.", "")
        return
    rows = known["rows"]
    trivial = next(row["trivial_accuracy"] for row in rows)
    threshold = next(row["threshold"] for row in rows if row["threshold"] is not None)
    yield from (f"## On {data}", "")
    yield f"The threshold is {threshold:.1f} dB. Always naming the commonest class is {trivial:.1%} accurate."
    yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    yield from (_line(row) for row in rows)
    yield ""
    yield "| defense | strongest of all | options of who knows | options of its control |"
    yield "|---" * 4 + "|"
    for row in rows:
        chosen = " | ".join(_options(row[f"{who}_options"]) for who in ("knowing", "control"))
        yield f"| {row['defense']} | `{row['attack']}` | {chosen} |"
    yield ""
    seeds = max(row["seeds"] for row in rows if row["seeds"])
    hours = (known["attack_seconds"] + known["training_seconds"]) / 3600
    trained = known["trained_seeds"]
    yield origin(
        data, known, f"{seeds} seeds, {trained} of them trained to the end, {hours:.1f} hours by the clocks of its jobs"
    )
    yield ""


def _line(row: Line) -> str:
    worst = "-" if row["p95"] is None else f"{row['p95']:.1f}; {row['worst']:.1f}"
    rebuilt = "-" if row["rebuilt"] is None else f"{row['rebuilt']} of {row['samples']}"
    cells = [
        row["defense"],
        _interval(row, "plain"),
        _interval(row, "adaptive") if row["tested"] else "untested",
        _gain(row),
        worst,
        _one(row["guess"]),
        rebuilt,
        _two(row.get("ssim")),
        _two(row.get("label-recall")),
        _accuracy(row),
        _one(row["epsilon_whole_run"]),
    ]
    return f"| {' | '.join(cells)} |"


def _interval(row: Line, name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.1f}" + ("" if low is None else f" [{low:.1f}, {high:.1f}]")


def _gain(row: Line) -> str:
    if row["gain"] is None:
        return "-"
    chance = "" if row["gain_p"] is None else f", p {row['gain_p']:.3f}"
    limits = "" if row["gain_low"] is None else f" [{row['gain_low']:+.1f}, {row['gain_high']:+.1f}]"
    return f"{row['gain']:+.1f}{limits}{chance}"


def _accuracy(row: Line) -> str:
    if row["accuracy"] is None:
        return "-"
    low, high = row["accuracy_low"], row["accuracy_high"]
    return f"{row['accuracy']:.0%}" + ("" if low is None else f" [{low:.0%}, {high:.0%}]")


def _one(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.1f}"


def _two(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"


def _options(chosen: Mapping[str, Any] | None) -> str:
    if chosen is None:
        return "-"
    return ", ".join(
        f"{name.replace('_', ' ')} {'default' if value is None else f'{value:g}'}" for name, value in chosen.items()
    )
