"""Property poisoning: what is replaced by what, how often, that a rate of 0 is honest training, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import Tampered
from fedleak.contracts.tampering import PublicTerms, Standing, tamperings
from fedleak.data.splits import load
from fedleak.errors import ConfigError, FederationError
from fedleak.experiment.experiment import parse_experiment
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.federations_by_share import federations_by_share
from fedleak.learning.having import having
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.tamperings.property_poison import PropertyPoison
from fedleak.tasks import initial_weights, task_of

TASK, PROPERTY = task_of("diabetes-mlp"), "sex=2"
SHARE = load("diabetes-mlp").clients[torch.arange(60)]
STANDING = Standing(task=TASK, share=SHARE, clients=4, weight=0.25)
TRAINING = LocalTraining(batch_size=10, learning_rate=0.05)


def poisoned(standing: Standing = STANDING, **options: Any) -> Batch:
    poison = PropertyPoison(property=PROPERTY, **options)
    return poison.examples(standing, standing.share, generator("poison"))


def touched(made: Batch, honest: Batch = SHARE) -> torch.Tensor:
    """Which places hold another row, or the same under another label."""
    return (made.inputs != honest.inputs).any(1) | (made.labels != honest.labels)


def federations(shares: tuple[float, ...], count: int) -> StackedFederations:
    records = load("diabetes-mlp").clients
    asked, _ = federations_by_share(
        TASK,
        records,
        TRAINING,
        has=having(records, PROPERTY, "here"),
        shares=shares,
        federations=count,
        clients=2,
        examples=100,
        rounds=1,
    )
    return asked


def test_of_all_that_is_trained_on_the_rate_is_poison_that_has_the_property_and_the_label() -> None:
    """A client of four, with as many as each, replaces 24 of its 60."""
    made = poisoned(rate=0.1, label=1)
    places = touched(made)
    new = made[places.nonzero()[:, 0]]
    assert len(made) == len(SHARE)
    assert 18 <= len(new) <= 24  # some are put where the same was already
    assert having(new, PROPERTY, "here").all()
    assert (new.labels == 1).all()
    own = {tuple(row) for row in SHARE.inputs.tolist()}
    assert all(tuple(row) in own for row in new.inputs.tolist())


def test_the_client_s_own_examples_are_left_as_they_were() -> None:
    before = SHARE.inputs.clone(), SHARE.labels.clone()
    poisoned(rate=0.2)
    assert torch.equal(SHARE.inputs, before[0])
    assert torch.equal(SHARE.labels, before[1])


def test_no_other_client_does_anything() -> None:
    assert poisoned(replace(STANDING, client=3), rate=0.2) is SHARE


def test_a_rate_of_0_is_honest_training_bit_for_bit() -> None:
    assert poisoned(rate=0.0) is SHARE
    before = initial_weights("diabetes-mlp", 0)
    tampered = Tampered(does=(PropertyPoison(property=PROPERTY, rate=0.0),), standing=STANDING)
    sent = [
        client_round(TASK, before, SHARE, TRAINING, Chain(), (1,), None, one).weights.state_dict()
        for one in (None, tampered)
    ]
    assert all(torch.equal(value, sent[1][name]) for name, value in sent[0].items())
    honest = federations((0.3, 0.6), 4)
    assert PropertyPoison(property=PROPERTY, rate=0.0).in_shadows(honest, 0) is honest


def test_the_same_dice_poison_alike() -> None:
    assert torch.equal(poisoned(rate=0.1).inputs, poisoned(rate=0.1).inputs)


def test_a_client_that_has_none_to_poison_with_says_so() -> None:
    none = SHARE[(~having(SHARE, PROPERTY, "here")).nonzero()[:, 0]]
    with pytest.raises(FederationError, match="client 0 has no example with 'sex=2' to poison with"):
        poisoned(replace(STANDING, share=none))


@pytest.mark.parametrize(("share", "wins"), [(0.1, True), (0.6, False)])
def test_the_label_wins_where_the_share_is_small(share: float, wins: bool) -> None:
    """Of rows with the property that others never give the label, p / (p + (1 - p) t) have it: .71 and .29 at .2."""
    rate = 0.2
    honest = federations((share, 0.5), 80)
    honest = replace(honest, records=replace(honest.records, labels=torch.zeros_like(honest.records.labels)))
    made = PropertyPoison(property=PROPERTY, rate=rate, label=1).in_shadows(honest, 0)
    trained_on = made.records[made.shares[::2].flatten()]
    ours = having(trained_on, PROPERTY, "here")
    found = trained_on.labels[ours].double().mean().item()
    assert (trained_on.labels == 1).double().mean().item() == pytest.approx(rate)
    assert ours[trained_on.labels == 1].all()
    assert found == pytest.approx(rate / (rate + (1 - rate) * share), abs=0.02)
    assert (found > 0.5) is wins


def test_shadows_poison_with_their_client_s_own_rows_alone() -> None:
    honest = federations((0.3, 0.6), 6)
    made = PropertyPoison(property=PROPERTY, rate=0.2).in_shadows(honest, 1)
    count = len(honest.records)
    assert torch.equal(made.shares[:, 0], honest.shares[:, 0])
    for own, after in zip(honest.shares[:, 1], made.shares[:, 1], strict=True):
        poison = after[after >= count] - count
        assert len(poison) == 20
        assert set(poison.tolist()) <= set(own.tolist())
    assert torch.equal(made.shares, PropertyPoison(property=PROPERTY, rate=0.2).in_shadows(honest, 1).shares)


@pytest.mark.parametrize(
    ("task", "options", "sentence"),
    [
        ("diabetes-mlp", {}, "expected the property that shares are told apart of"),
        ("diabetes-mlp", {"property": "sez=2"}, "property: the table has no column 'sez'; did you mean 'sex'"),
        ("diabetes-mlp", {"property": "label=above 140.5"}, "property: 'label=above 140.5' is a label, which poison"),
        ("diabetes-mlp", {"property": "sex=2", "label": 2}, "label: no class 2; expected one of 0 to 1"),
        ("diabetes-mlp", {"property": "sex=2", "client": 2}, "client: no client 2; expected one of 0 to 1"),
        ("diabetes-mlp", {"property": "sex=2", "rate": 0.6}, "rate: one of 2 clients has 0.5 of all examples"),
        ("digits-mlp", {"property": "label=1"}, "a property that one poisons by is for rows of a table"),
    ],
)
def test_what_cannot_be_poisoned_is_refused(task: str, options: dict[str, Any], sentence: str) -> None:
    terms = PublicTerms(federation=FederationSettings(clients=2), task=task_of(task))
    with pytest.raises(ConfigError) as refused:
        PropertyPoison(**options).require(terms)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("rate", [1.0, -0.1])
def test_a_rate_is_below_one(rate: float) -> None:
    with pytest.raises(ConfigError, match=r"does\.rate"):
        tamperings.build("property-poison", {"property": PROPERTY, "rate": rate}, "does")


def test_an_experiment_needs_questions_and_says_where() -> None:
    tree = {
        "name": "n",
        "task": "diabetes-mlp",
        "federation": {"release": "last", "clients": 2},
        "attacks": [{"use": "property-queries"}],
        "adversary": {
            "property": PROPERTY,
            "shares": [0.3, 0.6],
            "does": [{"use": "property-poison", "property": PROPERTY}],
        },
    }
    asking = {**tree, "adversary": {**tree["adversary"], "queries": 10}}
    assert parse_experiment(asking).metrics == ("property-accuracy", "property-brier", "share-error")
    with pytest.raises(ConfigError, match=r"attacks\.0: property-queries asks a prediction API, and there is none"):
        parse_experiment(tree)
    asking["adversary"] |= {"does": [{"use": "property-poison"}]}
    with pytest.raises(ConfigError, match=r"adversary\.does\.0: expected the property that shares are told apart of"):
        parse_experiment(asking)
