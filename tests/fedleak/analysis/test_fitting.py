"""What a run could have had beside: attacks on what there is to see, and defenses that act on something there is."""

from typing import Any

from fedleak.analysis.fitting import fitting_attacks, fitting_defenses
from fedleak.analysis.untested import untested
from fedleak.experiment.grid import parse_campaign


def run(**changes: Any) -> Any:
    return parse_campaign({"name": "n", "task": "digits-mlp", "attacks": [{"use": "dlg"}], **changes})


def test_a_federation_whose_updates_are_seen_has_attacks_and_defenses_of_updates() -> None:
    attacks, defenses = fitting_attacks(run()), fitting_defenses(run())
    assert {"dlg", "sratta", "plain", "update-cosine"} <= set(attacks)
    others = {"passive-labels", "lira", "confidence-inversion", "masked-secret", "csmia", "lsb-decoding"}
    assert not {*others, "imprint-readout", "trap-readout", "isolated", "fished"} & set(attacks)
    assert {"clipping", "secure-aggregation", "weight-watch", "dropout"} <= set(defenses)
    assert not {"cut-noise", "nopeek", "prada", "fine-tuning", "mpc-inference"} & set(defenses)


def test_what_a_server_planted_is_read_by_its_own_readout_alone() -> None:
    servers = [
        {"name": "one", "chain": [{"use": "imprint", "bins": 16}]},
        {"name": "two", "chain": [{"use": "fishing"}]},
    ]
    found = fitting_attacks(run(servers=servers, adversary={"auxiliary": 64}))
    assert {"imprint-readout", "fished"} <= set(found)
    assert not {"trap-readout", "loki-readout", "isolated", "scale-mia-readout"} & set(found)


def test_models_and_answers_are_attacked_where_somebody_has_them() -> None:
    released = run(attacks=[{"use": "mi-face"}], federation={"release": "last"})
    assert "lira" in fitting_attacks(released)
    assert "confidence-inversion" not in fitting_attacks(released)
    assert "fine-tuning" in fitting_defenses(released)
    served = run(attacks=[{"use": "confidence-inversion"}], adversary={"queries": 100})
    assert "served-lira" in fitting_attacks(served)
    assert "csmia" not in fitting_attacks(served), "it guesses columns, and these are images"
    assert {"prada", "label-only"} <= set(fitting_defenses(served))


def test_a_cut_network_has_attacks_and_defenses_of_its_own() -> None:
    halves = {"partition": "columns", "columns": "halves", "clients": 2, "cut": 3}
    columns = run(attacks=[{"use": "passive-labels"}], federation=halves, adversary={"known_labels": 40})
    assert "direct-labels" in fitting_attacks(columns)
    assert "dlg" not in fitting_attacks(columns)
    assert "marvell" in fitting_defenses(columns)
    assert "clipping" not in fitting_defenses(columns)


def test_a_run_is_told_of_those_that_fit_and_of_a_readout_once() -> None:
    server = {"name": "one", "chain": [{"use": "imprint", "bins": 16}]}
    campaign = run(server=server, adversary={"auxiliary": 64})
    gaps = {one.title: one.words for one in untested(campaign, [], {}, [], unfinished=0)}
    words = gaps["Attacks that fit and this run did not use"].rstrip(".").replace(" and ", ", ").split(", ")
    assert "idlg" in words
    assert not {"dlg", "imprint-readout", "trap-readout", "passive-labels"} & set(words)
    assert gaps["Readouts that fit and were not run"] == "imprint-readout of what imprint does."
    assert "cut-noise" not in gaps["Defenses that fit and this run did not use"]
