"""Each group has a measurement of its own; counts are of messages."""

import pytest

from fedleak.experiment.grid import parse_campaign
from fedleak.gate.measure import masked_in
from fedleak.results.schema import AGGREGATE

RECALL = {"metric": "label-recall", "unit": "share of labels"}


def crashed(row):
    return "crashed"


def value_of(verdict):
    (finding,) = verdict.findings
    return finding.measurement.value


def test_certified_counts_messages_not_metrics(judged, make_row):
    rows = [make_row(1.0, certified=True), make_row(0.1, certified=True, **RECALL), make_row(1.0, client=1)]
    assert value_of(judged("certified == 0", rows)) == 1
    assert not judged("certified == 0", rows).passed
    assert judged("certified <= 1", rows).passed


def test_an_attack_that_gave_up_proved_nothing_but_one_that_crashed_did_not_try(judged, make_row):
    rows = [make_row(), make_row(**RECALL)]
    assert judged("certified == 0", rows).passed
    assert not judged("certified == 0", rows, crashed=crashed).passed


def test_failed_counts_messages_that_no_metric_has_a_figure_for(judged, make_row):
    half = [make_row(), make_row(0.1, **RECALL)]
    assert judged("failed == 0", half).passed
    verdict = judged("failed == 0", [*half, make_row(client=1), make_row(client=1, **RECALL)])
    assert value_of(verdict) == 1
    assert not verdict.passed


def test_tuning_rows_decide_nothing(judged, make_row):
    assert judged("psnr < 18", [make_row(1.0), make_row(90.0, split="tuning", seed=9)]).passed


def test_groups_are_never_pooled(judged, make_row):
    """One setting leaks everything; the mean over all would be 17 and keep the rule."""
    quiet = [make_row(15.0, setting={"federation.batch_size": n}) for n in range(2, 20)]
    loud = make_row(60.0, setting={"federation.batch_size": 1})
    verdict = judged("psnr < 18", [*quiet, loud])
    (broken,) = verdict.broken
    assert broken.measurement.group.setting == (("federation.batch_size", 1),)
    assert len(verdict.findings) == 19
    assert verdict.findings[0] is broken


@pytest.mark.parametrize("change", [{"task": "other"}, {"defense": "x"}, {"attack": "x"}, {"client": AGGREGATE}])
def test_whatever_differs_but_seed_round_and_client_makes_a_group(judged, make_row, change):
    assert len(judged("psnr < 99", [make_row(1.0), make_row(2.0, **change)]).findings) == 2


@pytest.mark.parametrize("change", [{"seed": 1}, {"round": 2}, {"client": 1}])
def test_seeds_rounds_and_clients_are_one_group(judged, make_row, change):
    assert value_of(judged("psnr < 99", [make_row(1.0), make_row(2.0, **change)])) == 1.5


def test_the_federations_are_known_whose_single_messages_are_masked():
    chains = {"none": [], "sum": [{"use": "clipping", "max_norm": 1.0}, {"use": "secure-aggregation"}],
              "flower": [{"use": "secure-aggregation-flower"}]}  # fmt: skip
    defenses = [{"name": name, "chain": chain} for name, chain in chains.items()]
    tree = {"name": "n", "task": "digits-mlp", "federation": {"clients": [4, 8]}, "attacks": [{"use": "dlg"}]}
    found = masked_in(parse_campaign({**tree, "defenses": defenses}))
    assert {(one.defense, *dict(one.setting).values(), one.sender) for one in found} == {
        (name, clients, None) for name in ("sum", "flower") for clients in (4, 8)
    }
