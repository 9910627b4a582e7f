"""The page that compares published figures with ours, from what `reproduction.py run` recorded and nothing else."""

import statistics
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from papers import UNREAD, Setting
from rows import SETTINGS
from verdicts import figures_of, interval, mean_of, verdict

Entries = Mapping[str, Mapping[str, Any]]

UNITS = {
    "psnr": "dB PSNR",
    "images": "of images at 19 dB or more",
    "label": "of labels right",
    "recall": "of labels named",
    "classes": "of classes known to be there or not",
    "counts": "of classes counted right",
    "exact": "of batches exact",
    "source": "of examples taken for the right client",
    "collected": "of images read from the sum",
}

COUNTED = {
    "reproduced": "reproduced, in the paper's setting",
    "higher": "higher than published, in the paper's setting",
    "lower": "lower than published, in the paper's setting",
    "failed": "failed: draws without a guess, or a crash",
    "other": "in another setting than the paper's, so neither reproduced nor not",
    "undecided": "undecided: too few draws for their spread",
    "not run": "not run",
}
"""What the kinds of a verdict mean, in the order of the head of the page."""

HEAD = """# Published figures, and ours

Written by `benchmarks/reproduction.py write` from [`reproduction.json`](reproduction.json), which
`benchmarks/reproduction.py run --data FOLDER` measures; what a row measures is in `benchmarks/rows.py` and
`benchmarks/label_rows.py`. Change nothing here by hand.
"""

RULES = """Every figure of ours is from the update as a server sees it, with the attack's own guess of the labels,
over as many draws of weights and examples as the row says; brackets hold the 95% interval of the mean, by Student's
t, or Clopper-Pearson's where a draw is right or wrong. Seconds are of processor time, one thread, of one attack.

**Rule for the verdict.** Only a row in the paper's setting, with its network and its data, can be *reproduced*: the
published figure is in our interval, or at most 1 dB or 0.02 beside it. Else ours is *higher* or *lower*. Where
network or data are others, the verdict says so first, and then only how the figures lie: *near*, *higher* or
*lower*. A row with a draw that has no guess *failed*, whatever the other draws gave. *Undecided*: our interval is
wider than 12 dB or 0.3. A part of a set counts as the paper's data, as 5,000 digits of MNIST do, and CIFAR-10 from
JPEG files, whose images are slightly smoother than the originals. The rule makes no allowance for other options of
an attack (above all fewer steps), so read the differences below. Figures were read in the paper, its authors' code
or logs, or a named reimplementation; one *as recalled* was found at none of them, and is no evidence.
"""


def page(record: Mapping[str, Any]) -> str:
    """The page in Markdown; a setting that was not measured as it is asked for now is "not run"."""
    entries = {one.name: entry for one in SETTINGS if (entry := record.get(one.name)) and entry["asked"] == one.asked}
    table = [
        "| paper | setting | published | ours | verdict | time of one attack |",
        "|---|---|---|---|---|---|",
        *(row(setting, entries.get(setting.name)) for setting in SETTINGS),
    ]
    papers = [section(list(group), entries) for _, group in groupby(SETTINGS, key=lambda one: one.paper.name)]
    links = [f"[{name}]({link})" for name, link in UNREAD.items()]
    unread = (
        "## No row\n\nThe figures of these papers were found neither at the source nor in their authors' code, so they "
        "have no row: "
    )
    return "\n".join(
        [
            HEAD,
            summary(entries),
            "",
            RULES,
            *table,
            "",
            machines(entries),
            "",
            *papers,
            f"{unread}{', '.join(links)}.",
            "",
        ]
    )


def summary(entries: Entries) -> str:
    """How many rows came to what, and the hours that took."""
    found = Counter(verdict(setting, entries.get(setting.name)).kind for setting in SETTINGS)
    recalled = sum(
        verdict(one, entries.get(one.name)).kind == "reproduced" and not one.published.verified
        for one in SETTINGS
        if one.published
    )
    hours = sum(one["processor_seconds"] for one in entries.values()) / 3600
    lines = [f"| {found[kind]} | {words} |" for kind, words in COUNTED.items()]
    aside = f" Of the reproduced, {recalled} are against a figure as recalled." if recalled else ""
    return "\n".join(
        [
            "| rows | verdict |",
            "|---|---|",
            *lines,
            "",
            f"{len(SETTINGS)} rows, {hours:.2f} hours of machine time.{aside}",
        ]
    )


def row(setting: Setting, entry: Mapping[str, Any] | None) -> str:
    """A line of the table."""
    cells = (
        f"[{setting.paper.name}]({setting.paper.link})",
        f"`{setting.name}`: {setting.asked}",
        published(setting),
        ours(setting, entry),
        "-" if entry is None else verdict(setting, entry).words,
        seconds(entry),
    )
    return "| " + " | ".join(cells) + " |"


def published(setting: Setting) -> str:
    """The figure of the paper with its source."""
    found = setting.published
    if found is None:
        return "-"
    spread = "" if found.spread is None else f" ± {found.spread:.2f}"
    recalled = "" if found.verified else ", as recalled, not verified"
    return f"{number(setting, found.value)}{spread} {UNITS[setting.figure]} ([{found.where}]({found.source}){recalled})"


def ours(setting: Setting, entry: Mapping[str, Any] | None) -> str:
    """Our mean with its interval, or in words why there is none."""
    if entry is None:
        return "not run"
    figures, draws = figures_of(entry), len(entry["draws"])
    if not figures:
        return f"failed: {reason(entry)}"
    around = interval(setting, figures)
    bounds = f" [{number(setting, around.low)}, {number(setting, around.high)}]" if len(figures) > 1 else ""
    without = f"; {draws - len(figures)} of {draws} failed: {reason(entry)}" if len(figures) < draws else ""
    return f"{number(setting, mean_of(entry))}{bounds} {UNITS[setting.figure]}, {len(figures)} draws{without}"


def section(settings: list[Setting], entries: Entries) -> str:
    """A paper: what it did, and what differs in each of its rows."""
    paper = settings[0].paper
    lines = [f"## {paper.name}", "", f"[The paper]({paper.link}) {paper.did}.", ""]
    for setting in settings:
        parts = (("Data", setting.data), ("Network", setting.network), ("Otherwise", setting.otherwise))
        told = " ".join(f"{title}: {words}." for title, words in parts if words) or "Nothing differs."
        lines.append(f"- `{setting.name}`: **{verdict(setting, entries.get(setting.name)).words}**. {told}")
    return "\n".join([*lines, ""])


def machines(entries: Entries) -> str:
    """Where, when and from which source the rows were measured, as often as that differs."""
    kinds = Counter(
        f"{one['machine']['processor']}, {one['machine']['cores']} cores, torch {one['machine']['torch']}, "
        f"Python {one['machine']['python']}, on {one['date']}, source {one['revision']}"
        for one in entries.values()
    )
    total = sum(one["processor_seconds"] for one in entries.values()) / 60
    rows = [f"- {count} rows: {kind}" for kind, count in sorted(kinds.items())]
    return "\n".join([f"Measured in {total:.1f} minutes of processor time, preparation included:", "", *rows])


def seconds(entry: Mapping[str, Any] | None) -> str:
    return f"{statistics.mean(one['seconds'] for one in entry['draws']):.2g} s" if entry and entry["draws"] else "-"


def reason(entry: Mapping[str, Any]) -> str:
    """Why there is no figure: the crash, or the failure that most draws had; fit for a cell of a table."""
    failures = Counter(one["failure"] for one in entry["draws"] if one["failure"])
    words = entry.get("crash") or (failures.most_common(1)[0][0] if failures else "no draws")
    return " ".join(words.split()).replace("|", "\\|")


def number(setting: Setting, value: float) -> str:
    return f"{value:.1f}" if setting.figure == "psnr" else f"{value:.3f}"
