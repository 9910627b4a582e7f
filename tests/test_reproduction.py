"""The page of published figures is what the benchmark makes of its record, and never takes nothing for zero."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from defenses_page import page as defenses_page  # noqa: E402
from networks import NETWORKS  # noqa: E402
from papers import UNREAD, Setting  # noqa: E402
from reproduction import finished  # noqa: E402
from reproduction_page import COUNTED, ours, page, row, summary  # noqa: E402
from rows import SETTINGS  # noqa: E402
from scale_page import page as scale_page  # noqa: E402
from sets import found_in  # noqa: E402
from verdicts import figures_of, verdict  # noqa: E402

DOCS = ROOT / "docs"
LABELS = next(one for one in SETTINGS if one.name == "dlg-label-mnist")
IMAGES = next(one for one in SETTINGS if one.name == "ig-lenet-default")
COUNTS = next(one for one in SETTINGS if one.name == "ilrg-mnist-24-counts")
MACHINE = {"processor": "a processor", "cores": 2, "torch": "2", "python": "3"}


def measured(setting: Setting, figures: list[float | None], **facts: Any) -> dict[str, Any]:
    """A record of draws; None stands for a draw that failed."""
    draws = [
        {"seed": seed, "figure": one, "failure": "it | did not fit" if one is None else None, "seconds": 1.5}
        for seed, one in enumerate(figures)
    ]
    known = {"asked": setting.asked, "draws": draws, "processor_seconds": 90.0}
    return {**known, "date": "2026-01-02", "revision": "abc", "machine": MACHINE, **facts}


def line(text: str, setting: Setting) -> str:
    return next(line for line in text.splitlines() if line.startswith("|") and f"`{setting.name}`" in line)


def test_the_page_is_what_the_record_makes_of_it() -> None:
    record = json.loads((DOCS / "reproduction.json").read_text())
    assert (DOCS / "reproduction.md").read_text() == page(record), "run benchmarks/reproduction.py write"


def test_the_record_has_no_settings_that_are_no_rows() -> None:
    assert set(json.loads((DOCS / "reproduction.json").read_text())) <= {one.name for one in SETTINGS}


def test_every_row_has_a_name_of_its_own_and_a_link_to_its_paper() -> None:
    assert len({one.name for one in SETTINGS}) == len(SETTINGS)
    empty = page({})
    for setting in SETTINGS:
        assert setting.paper.link.startswith("https://")
        assert f"]({setting.paper.link})" in line(empty, setting)
    assert all(f"]({link})" in empty and link.startswith("https://") for link in UNREAD.values())


@pytest.mark.parametrize("setting", [one for one in SETTINGS if one.published], ids=lambda one: one.name)
def test_every_published_figure_names_its_source(setting: Setting) -> None:
    assert setting.published is not None
    assert setting.published.source.startswith("https://")
    assert ("as recalled, not verified" in line(page({}), setting)) is not setting.published.verified


def test_there_are_thirty_rows_of_ten_draws_or_more() -> None:
    assert len(SETTINGS) >= 30
    assert all(setting.case.draws >= 10 for setting in SETTINGS)


def test_every_row_on_stand_ins_says_that_the_data_are_not_the_paper_s() -> None:
    for setting in SETTINGS:
        if setting.case.task.startswith(("photos", "faces", "digits", "imagenet")):
            assert setting.data


def test_what_was_not_measured_is_not_run() -> None:
    assert ours(IMAGES, None) == "not run"
    assert verdict(IMAGES, None).kind == "not run"
    assert "| not run | - | - |" in line(page({}), IMAGES)


def test_what_was_measured_in_another_setting_is_not_run() -> None:
    record = {IMAGES.name: measured(IMAGES, [40.0, 41.0])}
    assert "not run" not in line(page(record), IMAGES)
    record[IMAGES.name]["asked"] += ", and more"
    assert "not run" in line(page(record), IMAGES)
    assert replace(IMAGES, uniform=False).asked != IMAGES.asked


def test_what_failed_says_why_and_has_no_figure() -> None:
    failed = measured(IMAGES, [None, None])
    assert figures_of(failed) == []
    assert ours(IMAGES, failed) == "failed: it \\| did not fit"
    assert verdict(IMAGES, failed).words == "failed in 2 of 2 draws"
    crashed = measured(IMAGES, [], crash="ValueError: no\nway")
    assert ours(IMAGES, crashed) == "failed: ValueError: no way"
    assert "| failed: ValueError: no way | failed | - |" in row(IMAGES, crashed)


def test_draws_that_failed_are_told_beside_the_mean_and_fail_the_row() -> None:
    entry = measured(IMAGES, [40.0, None, 42.0])
    assert ours(IMAGES, entry).startswith("41.0 [")
    assert "2 draws; 1 of 3 failed: it \\| did not fit" in ours(IMAGES, entry)
    assert verdict(IMAGES, entry).words == "failed in 1 of 3 draws"


@pytest.mark.parametrize(
    ("setting", "figures", "expected"),
    [
        (IMAGES, [18.5, 17.0, 19.0], "reproduced"),
        (IMAGES, [19.1, 18.9, 19.0], "reproduced"),  # 0.8 dB above, within the slack
        (IMAGES, [30.0, 31.0, 30.0], "higher"),
        (IMAGES, [10.0, 11.0, 10.0], "lower"),
        (LABELS, [1.0] * 16, "reproduced"),  # sixteen of sixteen do not tell 1 from .899
        (LABELS, [1.0] * 100, "higher"),
        (LABELS, [0.0] * 16, "lower"),
        (COUNTS, [1.0] * 20, "reproduced"),
        (COUNTS, [0.5, 0.6, 0.5], "lower"),
        (LABELS, [1.0] * 3, "too few draws for their spread"),
        (IMAGES, [14.0, 22.0], "too few draws for their spread"),
        (IMAGES, [18.0], "too few draws for their spread"),
    ],
)
def test_the_verdict_follows_the_rule(setting: Setting, figures: list[float | None], expected: str) -> None:
    assert verdict(setting, measured(setting, figures)).words == expected


@pytest.mark.parametrize("other", [{"data": "another"}, {"network": "another"}, {"data": "a", "network": "b"}])
@pytest.mark.parametrize(
    ("figures", "words"), [([18.0, 18.5, 18.2], "near"), ([30.0, 31.0, 30.0], "higher"), ([9.0, 9.5, 9.0], "lower")]
)
def test_only_the_paper_s_setting_can_be_reproduced(other: dict[str, str], figures: list[float], words: str) -> None:
    found = verdict(replace(IMAGES, **other), measured(IMAGES, figures))
    assert found.kind == "other"
    assert found.words == f"{', '.join(f'other {what}' for what in other)}: {words}"


def test_without_a_published_figure_there_is_no_verdict() -> None:
    entry = measured(IMAGES, [18.0, 18.5, 18.2])
    assert verdict(replace(IMAGES, published=None), entry).kind == "undecided"


def test_a_verdict_against_a_recalled_figure_says_so() -> None:
    assert LABELS.published is not None
    recalled = replace(LABELS, published=replace(LABELS.published, verified=False))
    found = verdict(recalled, measured(LABELS, [1.0] * 16))
    assert found.words == "reproduced, against a figure as recalled"


def test_the_head_counts_every_row_once_and_the_hours() -> None:
    text = summary({LABELS.name: measured(LABELS, [1.0] * 16), IMAGES.name: measured(IMAGES, [None, 40.0])})
    counts = {
        words: int(line.split("|")[1]) for line in text.splitlines()[2:] for words in COUNTED.values() if words in line
    }
    assert sum(counts.values()) == len(SETTINGS)
    assert counts[COUNTED["reproduced"]] == counts[COUNTED["failed"]] == 1
    assert f"{len(SETTINGS)} rows, 0.05 hours of machine time." in text


@pytest.mark.parametrize(("name", "made"), [("scale", scale_page), ("defenses", defenses_page)])
def test_the_page_of_a_study_is_what_its_record_makes_of_it(name: str, made: Callable[[Any], str]) -> None:
    record = json.loads((DOCS / f"{name}.json").read_text())
    assert (DOCS / f"{name}.md").read_text() == made(record), f"run benchmarks/{name}.py write"


def test_the_page_names_machine_and_time() -> None:
    text = page({LABELS.name: measured(LABELS, [1.0] * 16), IMAGES.name: measured(IMAGES, [18.0, 18.0])})
    assert "Measured in 3.0 minutes of processor time" in text
    assert "- 2 rows: a processor, 2 cores, torch 2, Python 3, on 2026-01-02, source abc" in text


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_a_paper_names_the_classes_of_its_images(name: str) -> None:
    shape = (3, 32, 32) if any(f"cifar10-{name}" == one.case.task for one in SETTINGS) else (1, 28, 28)
    assert NETWORKS[name]().network(shape, 10)(torch.zeros(2, *shape)).shape == (2, 10)
    assert any(one.case.task.endswith(f"-{name}") for one in SETTINGS)


def test_a_set_is_read_from_the_folder_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "cifar10-jpeg" / "test").mkdir(parents=True)
    assert found_in("cifar10-lenet", tmp_path) == "cifar10-jpeg-lenet"
    assert found_in("imagenet-vit", tmp_path) == "imagenet-vit"
    assert found_in("cifar10-lenet", None) == "cifar10-lenet"


def test_what_the_record_has_whole_is_not_measured_again() -> None:
    entry = measured(IMAGES, [18.0] * 3)
    assert finished(entry, IMAGES, 3)
    assert not finished(entry, IMAGES, 10)
    assert not finished(None, IMAGES, 3)
    assert not finished({**entry, "asked": "another"}, IMAGES, 3)
