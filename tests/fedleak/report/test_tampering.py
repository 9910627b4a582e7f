"""Tampering in the report: who did what with which options, and accuracies beside those of clean code."""

from dataclasses import replace

from fedleak.experiment.experiment import parse_experiment
from fedleak.report.tampering import beside_clean, tampering_facts
from fedleak.results.federation_row import FederationRow

ROW = FederationRow(
    task="digits-mlp",
    defense="none",
    seed=1,
    split="test",
    round=2,
    messages=0,
    failures=0,
    accuracy=0.94,
    clean_accuracy=0.95,
    loss=0.1,
    seconds=1.0,
    federation="",
    setting={"adversary.does.0.bits": 12},
)


def test_the_threat_model_names_what_was_done_by_whom() -> None:
    experiments = [
        parse_experiment(
            {"name": "n", "task": "digits-mlp", "adversary": {"does": [{"use": "lsb-encoding", **options}]}}
        )
        for options in ({"bits": 12}, {"bits": 8, "images": 4}, {"bits": 12})
    ]
    [(who, words)] = tampering_facts(experiments)
    assert who == "whoever wrote the client app"
    assert words.startswith("Writes examples of each client into the lowest bits of the parameters (lsb-encoding, ")
    assert "bits 12 or 8" in words
    assert "images unset or 4" in words
    assert "one of clean code was run, on the same seed" in words
    assert not list(tampering_facts([parse_experiment({"name": "n", "task": "digits-mlp"})]))


def test_accuracy_stands_beside_that_of_clean_code() -> None:
    rows = [replace(ROW, seed=seed, round=round) for seed in (1, 2) for round in (1, 2)]
    [sentence] = beside_clean(rows)
    assert sentence.endswith("is right about 94.0% of the test set, and one of clean code about 95.0% (2 seeds).")
    assert not list(beside_clean([replace(ROW, clean_accuracy=float("nan"))]))


def test_tuning_is_no_result() -> None:
    assert not list(beside_clean([replace(ROW, split="tuning")]))
