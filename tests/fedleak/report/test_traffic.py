"""What the operator sees, as a section of the page: where a service was asked, and only there."""

from dataclasses import replace

import pytest
import torch

from fedleak.analysis.analysis import Analysis
from fedleak.contracts.private_inference import Cost, PrivateRecord
from fedleak.randomness import generator
from fedleak.report.page import page_of, render
from fedleak.report.traffic import BENIGN, watch
from fedleak.serving.log import read_log, write_log
from fedleak.traffic.audit import audit
from fedleak.traffic.private_costs import private_costs
from fedleak.traffic.unseen import unseen_in_words

pytestmark = pytest.mark.slow  # all are about the traffic of a whole run


def noise(seed):
    return torch.rand(120, 1, 8, 8, generator=generator("noise", seed))


def page(run):
    return render(page_of(run, Analysis.of(run)))


def test_each_detector_has_a_line_and_each_a_roc(asked_run):
    run = asked_run({"noise": noise, "again": noise}, "shown", seeds=(1, 2))
    section = watch(run)
    assert [(line.attack, line.detector) for line in section.lines] == [
        ("noise", "prada"), ("noise", "query-outliers"), ("again", "prada"), ("again", "query-outliers"),
    ]  # fmt: skip
    assert section.lines[1].blocked == "1 (2 of 2)"
    assert [list(chart.points) for chart in section.charts] == [["noise", "again", BENIGN]] * 2
    for chart in section.charts:
        assert all(0 <= rate <= 1 and 0 <= caught <= 1 for own in chart.points.values() for rate, caught in own)
    text = page(run)
    assert "What the operator sees" in text
    assert section.sentence in text


def test_where_nobody_asked_there_is_no_section(asked_run):
    run = asked_run({"silent": lambda seed: torch.empty(0, 1, 8, 8)}, "unasked")
    assert watch(run) is None
    assert "What the operator sees" not in page(run)


def test_where_logs_are_gone_the_page_is_made_and_says_so(asked_run):
    run = asked_run({"noise": noise}, "lost")
    stem = run.folder.queries(run.rows[0])
    stem.with_name(f"{stem.name}.json").unlink()
    section = watch(run)
    assert section.lines == section.charts == ()
    assert section.sentence.startswith("What attacks asked cannot be judged: ")
    assert "cannot be judged" in page(run)


def test_what_no_operator_saw_is_judged_by_no_detector_and_has_its_cost_told(asked_run):
    run = asked_run({"noise": noise, "again": noise}, "unseen", seeds=(1, 2))
    cost = Cost(answers=10, seconds=25.0, uploaded=4000, downloaded=1000, once=77000, difference=2e-5)
    hidden = [row for row in run.rows if row.attack == "noise"]
    for row in hidden:
        stem = run.folder.queries(row)
        write_log(stem, replace(read_log(stem), private=PrivateRecord(defense="encrypted-inference", cost=cost)))
    (found,) = private_costs(run)
    assert (found.algorithm, found.queries, found.cost.answers) == ("encrypted-inference", 240, 20)
    assert found.words == ("20 of 240", "2.50", "400", "100", "0", "77,000", "2.0e-05")
    section = watch(run)
    assert {line.attack for line in section.lines} == {"again"}
    text = page(run)
    assert "no detector can judge what was asked, and the user had every confidence" in text
    assert "20 of 240" in text
    for row in run.rows:
        stem = run.folder.queries(row)
        write_log(stem, replace(read_log(stem), private=PrivateRecord(defense="encrypted-inference", cost=cost)))
    assert audit(run).traffic == ()
    assert unseen_in_words(audit(run)).startswith("The operator saw ciphertexts or shares alone")
    assert watch(run).lines == ()
