"""Measures where gradient inversion works and where it fails, by the preset `diagnostic.toml`: docs/scale.md.

    python benchmarks/scale.py run [--data FOLDER] [--jobs N] [--seeds N] [--out FOLDER]   into docs/scale.json
    python benchmarks/scale.py write                                                       from it alone

`run` measures the preset as it is, on tiles of photographs, and with `--data` also on CIFAR-10 from
FOLDER/cifar10-jpeg/test/CLASS/*.jpg: some twenty minutes of processor time each. It can be stopped and goes
on where it stopped: the runs are in `--out`.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from scale_page import page
from study import Study

from fedleak.results.schema import finite_or_null
from fedleak.run import Outcome
from fedleak.statistics.summary import Summary

IMAGES, LABELS = "psnr", "label-recall"


def facts(outcome: Outcome) -> Mapping[str, Any]:
    """The figures of a run, and the settings in the order of the preset."""
    settings = [str(point.setting["vary"]) for point in outcome.analysis.campaign.points]
    return {"rows": figures(outcome.analysis.summaries), "order": list(dict.fromkeys(settings))}


def figures(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """What the page says of each attack in each setting: images, and the share of the labels that were read."""
    read = {one.group.variant: one.mean for one in summaries if one.group.metric == LABELS}
    return [figure(one, read[one.group.variant]) for one in summaries if one.group.metric == IMAGES]


def figure(summary: Summary, labels: float) -> dict[str, Any]:
    """Of the images of one attack in one setting."""
    known = {"mean": summary.mean, "low": summary.interval.low, "high": summary.interval.high, "prior": summary.prior}
    return {
        **{key: finite_or_null(value) for key, value in {**known, "labels": labels}.items()},
        "setting": dict(summary.group.setting)["vary"],
        "attack": summary.group.attack,
        "leaked": summary.leaked,
        "samples": len(summary.samples),
        "threshold": summary.threshold,
        "messages": summary.messages,
        "failed": summary.failed,
    }


STUDY = Study(name="scale", preset="diagnostic", facts=facts, page=page)

if __name__ == "__main__":
    sys.exit(STUDY.main(__doc__))
