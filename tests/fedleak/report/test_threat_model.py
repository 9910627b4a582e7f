"""The threat model tells how clients train, and the loss, where they are not as usual."""

from fedleak.experiment.grid import parse_campaign
from fedleak.report.threat_model import threat_model

TREE = {"name": "t", "task": "digits-mlp", "attacks": [{"use": "prior"}], "defenses": [{"name": "none"}]}
TRAINING = {
    "momentum": 0.9,
    "nesterov": True,
    "schedule": "StepLR",
    "schedule_options": {"step_size": 2},
    "augmentation": ["RandomHorizontalFlip", {"name": "RandomCrop", "size": 8, "padding": 1}],
}


def words_of(tree: dict[str, object]) -> dict[str, str]:
    return {fact.term: fact.words for fact in threat_model(parse_campaign(tree))}


def test_what_is_as_usual_is_not_told() -> None:
    told = words_of(TREE)
    assert told["it knows the training"].endswith("mode train.")
    assert "the loss (cross-entropy)" in told["it knows the task"]


def test_what_is_not_as_usual_is_told_as_it_was_written() -> None:
    task = {"data": "digits", "network": "mlp", "loss": "mean-squared-error"}
    told = words_of({**TREE, "task": task, "federation": TRAINING})
    training = told["it knows the training"]
    assert "nesterov True" in training
    assert 'schedule StepLR, schedule options {"step_size": 2}' in training
    assert '"RandomHorizontalFlip", {"name": "RandomCrop", "size": 8, "padding": 1}' in training
    assert "the loss (mean-squared-error)" in told["it knows the task"]


def test_who_leaves_and_what_secure_aggregation_leaves_open_is_told() -> None:
    chain = [{"use": "secure-aggregation", "threshold": 7, "keys": "seeded"}]
    tree = {**TREE, "federation": {"clients": 10, "dropouts": 0.2}, "defenses": [{"name": "summed", "chain": chain}]}
    told = words_of(tree)
    assert told["clients"].endswith("who leaves rounds before their end (a share of all, or by name): 0.2.")
    assert "dropouts" not in words_of(TREE)["clients"]
    assert told["“summed” leaves open"].startswith("Keys follow from the seed, so whoever knows it unmasks; without a")
    curious = told["there a curious server in a round of 10 learns"]
    assert curious.startswith("The sum over 7 or more, less those who help it, and their number of examples")
    assert curious.endswith("of a single client only if 7 of its 9 neighbours help.")
    lying = told["there a lying server with registered keys learns"]
    assert lying.endswith("of two runs of one plan the difference of their sums.")
    assert "only if 4 of its 9 neighbours help, and sign two lists of survivors" in lying
    assert told["there who holds the recordings learns"].startswith("Everything")
    assert "“none” leaves open" not in told
