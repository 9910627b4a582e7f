"""The page that compares published figures with ours, from what `reproduction.py run` recorded and nothing else."""

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from papers import UNREAD, Setting
from rows import SETTINGS

from fedleak.statistics.intervals import Interval, Units, clopper_pearson, student

UNITS = {
    "psnr": "dB PSNR",
    "images": "of images at 19 dB or more",
    "label": "of labels right",
    "recall": "of labels named",
    "classes": "of classes known to be there or not",
    "counts": "of classes counted right",
    "exact": "of batches exact",
    "source": "of examples taken for the right client",
}
YES_OR_NO = {"label", "exact"}
"""Figures that are 0 or 1 in each draw."""
SLACK, WIDEST = {"psnr": 1.0}, {"psnr": 12.0}
"""How far beside our interval a published figure still counts as the same, and how wide that may be to tell anything: 1
and 12 dB, else 0.02 and 0.3."""

HEAD = """# Published figures, and ours

Written by `benchmarks/reproduction.py write` from [`reproduction.json`](reproduction.json), which
`benchmarks/reproduction.py run` measures; what a row measures is in `benchmarks/rows.py`. Change nothing here by hand.

No data set of these papers but MNIST can be had offline, so most rows have other data than the paper, and say so. Every
figure of ours is from the update as a server sees it, with the attack's own guess of the labels, over as many draws of
weights and examples as the row says; brackets hold the 95% interval of the mean, by Student's t, or Clopper-Pearson's
where a draw is right or wrong. Seconds are of processor time, one thread, of one attack.

**Rule for the verdict.** *Reproduced*: the published figure is in our interval, or at most 1 dB or 0.02 beside it. Else
ours is *higher* or *lower*. *Cannot be compared*: there is no published figure, or both data and network are others
than the paper's, or a draw had no guess, or our interval is wider than 12 dB or 0.3. The rule makes no allowance for
other data or other options alone, so read the differences below. A figure *as recalled* was not found again at its
source.
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
    unread = "## No row\n\nThe figures of these papers could not be read at the source, so they have no row: "
    return "\n".join([HEAD, *table, "", machines(entries), "", *papers, unread + ", ".join(links) + ".", ""])


def row(setting: Setting, entry: Mapping[str, Any] | None) -> str:
    """A line of the table."""
    cells = (
        f"[{setting.paper.name}]({setting.paper.link})",
        f"`{setting.name}`: {setting.asked}",
        published(setting),
        ours(setting, entry),
        verdict(setting, entry),
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
    mean = number(setting, statistics.mean(figures))
    bounds = f" [{number(setting, around.low)}, {number(setting, around.high)}]" if len(figures) > 1 else ""
    without = f"; {draws - len(figures)} of {draws} failed: {reason(entry)}" if len(figures) < draws else ""
    return f"{mean}{bounds} {UNITS[setting.figure]}, {len(figures)} draws{without}"


def verdict(setting: Setting, entry: Mapping[str, Any] | None) -> str:
    """By the rule on the page; a dash where nothing was measured."""
    figures = figures_of(entry) if entry else []
    if entry is None or not figures:
        return "-"
    around, slack = interval(setting, figures), SLACK.get(setting.figure, 0.02)
    if obstacle := incomparable(setting, around, len(entry["draws"]) - len(figures)):
        return f"cannot be compared: {obstacle}"
    assert setting.published is not None
    if around.low - slack > setting.published.value:
        return "higher"
    return "lower" if around.high + slack < setting.published.value else "reproduced"


def incomparable(setting: Setting, around: Interval, failed: int) -> str | None:
    """What keeps the rule from telling."""
    if setting.published is None:
        return "no published figure"
    if setting.data and setting.network:
        return "other data, other network"
    if failed:
        return f"draws without a guess: {failed}"
    tells = around.high - around.low <= WIDEST.get(setting.figure, 0.3)  # not so where it is NaN, of one draw
    return None if tells else "too few draws for their spread"


def interval(setting: Setting, figures: list[float]) -> Interval:
    """The 95% interval of the mean over the draws."""
    if setting.figure in YES_OR_NO:
        return clopper_pearson(sum(figures), len(figures), f"{len(figures)} draws")
    found = student(Units.of(figures, list(range(len(figures)))))
    return found if setting.figure == "psnr" else replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def section(settings: list[Setting], entries: Mapping[str, Any]) -> str:
    """A paper: what it did, and what differs in each of its rows."""
    paper = settings[0].paper
    lines = [f"## {paper.name}", "", f"[The paper]({paper.link}) {paper.did}.", ""]
    for setting in settings:
        parts = (("Data", setting.data), ("Network", setting.network), ("Otherwise", setting.otherwise))
        differences = [f"{title}: {words}." for title, words in parts if words]
        told = " ".join(differences) or "Nothing differs."
        lines.append(f"- `{setting.name}`: **{standing(setting, entries.get(setting.name))}**. {told}")
    return "\n".join([*lines, ""])


def standing(setting: Setting, entry: Mapping[str, Any] | None) -> str:
    """The verdict, or why there is none."""
    found = verdict(setting, entry)
    recalled = setting.published is not None and not setting.published.verified and found != "-"
    if found == "-":
        return ours(setting, entry)
    return f"{found}, against a figure as recalled" if recalled and ":" not in found else found


def machines(entries: Mapping[str, Any]) -> str:
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


def figures_of(entry: Mapping[str, Any]) -> list[float]:
    return [one["figure"] for one in entry["draws"] if one["figure"] is not None]


def number(setting: Setting, value: float) -> str:
    return f"{value:.1f}" if setting.figure == "psnr" else f"{value:.3f}"
