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


def test_of_a_server_that_manipulates_nobody_says_that_it_follows_the_protocol() -> None:
    assert words_of(TREE)["adversary"].startswith("The server. It follows the protocol, keeps every message")
    cheating = {"name": "cheating", "chain": [{"use": "imprint", "bins": 8}]}
    told = words_of({**TREE, "servers": [{"name": "honest"}, cheating]})
    assert told["adversary"].startswith(
        "The server. It follows the protocol as far as the rows below do not say otherwise, keeps every message"
    )
    assert told["the server “cheating”"].startswith("Plants a layer")


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


ON_MODELS = {
    **TREE,
    "federation": {"rounds": 3, "release": [1, 3]},
    "adversary": {"lacks": [4, 7], "queries": [10, 1000], "patience": 30},
    "attacks": [{"use": "mi-face"}, {"use": "confidence-inversion"}],
}


def test_who_reads_what_comes_from_what_the_attacks_look_at() -> None:
    told = words_of(ON_MODELS)
    assert told["adversary of models"].startswith("Whoever has the released weights")
    assert told["adversary of answers"].startswith("A user of the prediction API, who sees answers and no weights.")
    sees = [fact.words for fact in threat_model(parse_campaign(ON_MODELS)) if fact.term == "it sees"]
    assert sees[0] == "The weights of the model after round 1 and 3, and no update."
    assert "to at most 10 or 1,000 inputs of its own" in sees[1]
    assert sees[1].endswith("It goes on asking for 30 days.")
    assert "none of them is of class 4 or 7" in told["it holds"].lower()
    assert "it knows the training" not in told
    assert "weights before each round" not in told["it knows the task"]


def test_a_single_adversary_is_the_adversary_and_one_of_updates_is_the_server() -> None:
    assert words_of(TREE)["adversary"] == (
        "The server. It follows the protocol, keeps every message, and afterwards guesses the clients' examples from "
        "each. It never sees the truth; only the scoring does."
    )
    alone = {**ON_MODELS, "attacks": [{"use": "confidence-inversion"}]}
    assert words_of(alone)["adversary"].startswith("A user of the prediction API")
    assert words_of(alone)["it does not know"] == "The clients' examples, their updates, the weights, and all dice."
