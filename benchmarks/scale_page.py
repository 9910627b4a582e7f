"""The page on scale, from what `scale.py run` recorded and nothing else."""

from collections.abc import Mapping
from typing import Any

SETS = ("tiles of photographs", "CIFAR-10")
"""What presets are measured on."""
Figures = Mapping[tuple[str, str], Mapping[str, Any]]

HEAD = """# Where gradient inversion works, and where it fails

Written by `benchmarks/scale.py write` from [`scale.json`](scale.json), which `benchmarks/scale.py run --data
FOLDER` measures: the preset [`diagnostic.toml`](../fedleak/presets/diagnostic.toml) on tiles of photographs and on
CIFAR-10.

The figures with one example, one step and fresh weights that this project's pages show are from the *diagnostic
setting*, the easiest case for an attacker. It is right for finding faults, for comparing defenses with each other
and for an upper bound; it is no forecast for a federation that trains in batches, for epochs, on a model that has
learned something. Below one factor at a time is changed. Both camps of the literature are right in their own rows:
that attacks work ([2003.14053](https://arxiv.org/abs/2003.14053), [2104.07586](https://arxiv.org/abs/2104.07586),
[2403.03945](https://arxiv.org/abs/2403.03945), [2510.24200](https://arxiv.org/abs/2510.24200),
[2506.08435](https://arxiv.org/abs/2506.08435)), and that they are fragile
([2112.00059](https://arxiv.org/abs/2112.00059), [2404.05403](https://arxiv.org/abs/2404.05403)).

Mean PSNR in dB with its 95% interval over messages, in parentheses what the best constant guess gets, then how many
images were rebuilt by the report's rule, and the share of the labels that were read. A row that fails shows that
these attacks fail with this many steps (300 to 500; papers take up to 24,000), and proves no safety: exact attacks
on linear layers reach further (`spear-mnist` in [`reproduction.md`](reproduction.md) takes 20 images from one
gradient).
"""


def page(record: Mapping[str, Any]) -> str:
    """The page in Markdown, a column for each data set."""
    figures = {data: {(one["setting"], one["attack"]): one for one in known["rows"]} for data, known in record.items()}
    order = list(dict.fromkeys(name for known in record.values() for name in known["order"]))
    places = dict.fromkeys(place for known in figures.values() for place in known)
    sorted_places = sorted(places, key=lambda place: order.index(place[0]))
    table = [
        f"| setting | attack | {' | '.join(record)} |",
        "|---|---|" + "---|" * len(record),
        *(
            f"| {setting} | `{attack}` | {' | '.join(cell(known, (setting, attack)) for known in figures.values())} |"
            for setting, attack in sorted_places
        ),
    ]
    origins = [origin(data, known, messages_in(known)) for data, known in record.items()]
    return "\n".join([HEAD, *table, "", *origins, ""])


def cell(known: Figures, place: tuple[str, str]) -> str:
    """A figure beside its prior; in words where there is none."""
    one = known.get(place)
    if one is None:
        return "not run"
    if not one["messages"]:
        return f"failed in {one['failed']} of {one['failed']} messages"
    bounds = "" if one["low"] is None else f" [{one['low']:.1f}, {one['high']:.1f}]"
    failed = f"; {one['failed']} messages failed" if one["failed"] else ""
    rebuilt, labels = f"{one['leaked']} of {one['samples']}", "-" if one["labels"] is None else f"{one['labels']:.2f}"
    return f"{one['mean']:.1f}{bounds} ({one['prior']:.1f}); {rebuilt}; {labels}{failed}"


def origin(data: str, known: Mapping[str, Any], amount: str) -> str:
    """Where, when and from which source a set was measured; `amount` says on how much."""
    machine = known["machine"]
    return (
        f"- {data}, {amount}: {machine['processor']}, torch {machine['torch']}, Python {machine['python']}, "
        f"on {known['date']}, source {known['revision']}"
    )


def messages_in(known: Mapping[str, Any]) -> str:
    """On how many messages each row of a set stands."""
    messages = max(one["messages"] for one in known["rows"])
    return f"{messages} {'message' if messages == 1 else 'messages'} a row"
