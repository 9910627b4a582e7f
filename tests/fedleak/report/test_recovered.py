"""What a server got, in words: members that were told have a sentence of their own beside images."""

import pytest

from fedleak.experiment.grid import parse_campaign
from fedleak.report.recovered import members_words, nothing_words
from fedleak.report.servers import server_verdicts

AUC = {"metric": "membership-auc", "attack": "active-membership-readout", "algorithm": "active-membership-readout",
       "unit": "", "baseline": 0.5, "no_access": 0.5, "setting": {"server": "ami"}}  # fmt: skip
TREE = {
    "name": "n", "task": "digits-mlp", "metrics": ["membership-auc"],
    "federation": {"clients": 4, "examples": 24, "batch_size": 24, "planted": 8},
    "servers": [{"name": "ami", "chain": [{"use": "active-membership", "targets": 8}]}],
    "attacks": [{"use": "active-membership-readout"}, {"use": "update-cosine"}],
    "defenses": [{"name": "sum", "chain": [{"use": "secure-aggregation"}]}],
}  # fmt: skip


@pytest.fixture(scope="module")
def campaign():
    return parse_campaign(TREE)


def test_how_well_members_are_told_is_a_sentence_of_the_best_attack(campaign, make_row):
    about = {**AUC, "defense": "sum", "client": "aggregate"}
    passive = {**about, "attack": "update-cosine", "algorithm": "update-cosine"}
    rows = [make_row(1.0, 0.0, 1.0, value=0.95, **about), make_row(1.0, 0.0, 1.0, value=0.6, **passive)]
    (found,) = server_verdicts(campaign, rows, [])
    assert found.sentence == (
        "Tells which of 3 records were trained on, through the sum over 4 clients, with an AUC of 0.95 "
        "(active-membership-readout; guessing has 0.5)."
    )
    assert (found.exact, found.asked) == (0, 0)


def test_of_no_members_nothing_is_said(campaign, make_row):
    assert members_words(campaign.points[0], [make_row(100.0), make_row(**AUC)]) == ""
    assert nothing_words([make_row(**AUC)], []) == "no figure: it raised (1 message)"
