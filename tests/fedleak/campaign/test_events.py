"""Events of a run: progress is counted by cell, and of one kind of error only the first few are told."""

import math

from fedleak.campaign.events import SENTENCES, Errors, Events, ProgressTracker


class Heard(Events):
    def __init__(self) -> None:
        self.said: list[object] = []

    def federations(self, done, total):
        self.said.append((done, total))

    def cells(self, progress):
        self.said.append((progress.done, progress.total, progress.failing))


def tracker(events: Events | None = None) -> ProgressTracker:
    return ProgressTracker(events=events or Events(), metric="psnr", federations=2, total=4)


def test_best_and_worst_are_told_by_the_first_metric_on_test_rows(make_row):
    progress = tracker()
    progress.count([make_row(20.0), make_row(0.9, metric="ssim")])
    progress.count([make_row(30.0)])
    progress.count([make_row(99.0, split="tuning")])
    best, worst = progress.progress().best, progress.progress().worst
    assert best is not None
    assert worst is not None
    assert (best.value, worst.value) == (30.0, 20.0)


def test_a_cell_fails_where_no_metric_that_applies_has_a_figure(make_row):
    progress = tracker()
    progress.count([make_row(value=math.nan)])
    progress.count([make_row(value=math.nan, applicable=False)])
    progress.count([make_row(value=math.nan), make_row(20.0)])
    assert (progress.done, progress.failing) == (3, 1)


def test_what_is_done_of_jobs_being_worked_on_counts_too(make_row):
    heard = Heard()
    progress = tracker(heard)
    progress.federated("none", seconds=1.0, reused=False)
    progress.count([make_row(20.0)])
    progress.report(0.5, 0.25)
    assert heard.said == [(1.5, 2), (1.25, 4, 0)]


def test_of_one_kind_only_the_first_errors_are_told_and_the_worst_status_stays():
    errors = Errors()
    told = [errors.add(f"number {i}", ("same",), 2 if i == 0 else 1) for i in range(SENTENCES + 3)]
    assert told == [True] * SENTENCES + [False] * 3
    assert errors.add("other", ("another",), 1)
    assert list(errors)[SENTENCES:] == ["and 3 more like the last", "other"]
    assert errors.exit_status == 2
