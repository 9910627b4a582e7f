"""What every plug-in promises, checked for each one there is, ours and those of installed packages."""

import dataclasses
import re
from importlib.resources import files
from typing import Any, get_type_hints

import pytest
import torch

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.catalogue import bibliography
from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.manipulation import Manipulation, manipulations
from fedleak.contracts.metric import Metric, metrics
from fedleak.contracts.model import models
from fedleak.contracts.observation import Observation
from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.properties import of_most
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.tampering import tamperings
from fedleak.contracts.view import View
from fedleak.data.loader import loaders
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.evaluation.challenge import Question
from fedleak.evaluation.scoring import NOT_GUESSED, score
from fedleak.evaluation.views import without
from fedleak.goals.answer import Answer
from fedleak.goals.columns import PixelMetric
from fedleak.goals.goals import GOALS
from fedleak.learning.batch import Batch, class_means
from fedleak.learning.hidden import Hidden
from fedleak.learning.secret_format import BLANK, SecretFormat
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator
from fedleak.serving.log import QueryLog
from fedleak.tasks import initial_weights, task_of

REGISTRIES: dict[str, Registry[Any]] = {
    "attack": attacks,
    "defense": defenses,
    "metric": metrics,
    "tampering": tamperings,
    "manipulation": manipulations,
    "model": models,
    "data set": loaders,
}


def shipped(registry: Registry[Any]) -> list[Any]:
    """Without the faulty plug-ins that other tests register for themselves."""
    return [cls for cls in registry if not cls.__module__.rpartition(".")[2].startswith(("test_", "conftest"))]


PLUGINS = [(kind, cls) for kind, registry in REGISTRIES.items() for cls in shipped(registry)]
ids = [f"{kind}:{cls.name}" for kind, cls in PLUGINS]
FROM_OUTSIDE = [cls for cls in shipped(attacks) if not cls.__module__.startswith("fedleak.attacks.")]
RUN_HERE = [attacks.get("prior"), *(cls for cls in FROM_OUTSIDE if issubclass(Observation, cls.declared))]
"""Attacks from outside on updates; and one of ours, so that these laws are never unasked. The rest of ours:
`test_attack_laws`; attacks on other views, from wherever: `test_view_laws`."""


def example_options(cls: type[Plugin]) -> dict[str, Any]:
    """A value for each field that has no default, made from its type or, where that says too little, by its name."""
    hints = get_type_hints(cls)
    values: dict[Any, Any] = {
        float: 0.5,
        int: 2,
        str: "x",
        tuple[str, ...]: ("1.*",),
        Attack: {"use": "prior"},
        Attack[View]: {"use": "prior"},
        Defense: {"use": "top-k", "fraction": 0.5},
        Manipulation: {"use": "asks-twice"},
    }
    required = [field for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]  # type: ignore[arg-type]
    named = {"formats": (BLANK,)}
    return {field.name: named.get(field.name, values[hints[field.name]]) for field in required}


def quick_options(cls: type[Plugin]) -> dict[str, Any]:
    """The example with every count of iterations cut down."""
    counts = {f.name for f in dataclasses.fields(cls) if f.name in {"steps", "restarts", "iterations"}}  # type: ignore[arg-type]
    return {**example_options(cls), **dict.fromkeys(counts, 3)}


@pytest.fixture(scope="module")
def observation() -> Observation:
    task = task_of("digits-mlp")
    before = initial_weights(task.name, 0)
    batch = Batch(torch.rand(2, *task.shape, generator=generator(1)), torch.tensor([3, 7]))
    training = LocalTraining(batch_size=2)
    after = train_locally(task, before, batch, training, (0,))
    delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
    own = Observation(
        task=task, before=before, update=Update(delta, UpdateKind.DELTA), num_examples=2, training=training
    )
    other = dataclasses.replace(own, cohort=(1,), update=own.update.with_vector(-own.update.vector()))
    return dataclasses.replace(own, others=(other,), candidates=batch)


@pytest.mark.parametrize(("kind", "cls"), PLUGINS, ids=ids)
def test_it_names_its_source(kind: str, cls: type[Plugin]) -> None:
    assert re.fullmatch(r"https://\S+", cls.paper)
    citation = cls.citation()
    assert re.match(r"@\w+\{[\w:-]+,\n", citation)
    assert cls.paper in citation
    assert citation.count("{") == citation.count("}")


def test_the_bibliography_has_what_our_plugins_cite_and_no_more() -> None:
    own = [cls for _, cls in PLUGINS if cls.__module__.startswith("fedleak.")]
    assert {cls.cites for cls in own if not cls.bibtex} == set(bibliography())
    assert not {cls.bibtex.strip() for cls in own} & set(bibliography().values())  # cited then, not repeated


def test_the_bibliography_has_each_key_and_each_paper_once_in_order() -> None:
    text = files("fedleak").joinpath("citations.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([\w:-]+),$", text, flags=re.MULTILINE)
    papers = re.findall(r"url = \{(\S+)\}$", text, flags=re.MULTILINE)
    assert keys == sorted(set(keys)) == list(bibliography())
    assert len(papers) == len(set(papers)) == len(keys)


def test_a_plugin_from_outside_brings_its_own_text() -> None:
    class Outsider(Plugin):
        bibtex = "@misc{none}\n"

    assert Outsider.citation() == "@misc{none}"
    assert Plugin.citation() == ""


@pytest.mark.parametrize(("kind", "cls"), PLUGINS, ids=ids)
def test_it_says_what_it_does(kind: str, cls: type[Plugin]) -> None:
    assert cls.__doc__ is not None
    assert len(cls.__doc__.split("\n\n")[0]) > 30
    assert not cls.__doc__.startswith(f"{cls.__name__}(")
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cls.name)


@pytest.mark.parametrize(("kind", "cls"), PLUGINS, ids=ids)
def test_it_is_frozen_and_its_repr_and_its_table_round_trip(kind: str, cls: type[Plugin]) -> None:
    plugin = REGISTRIES[kind].build(cls.name, example_options(cls))
    namespace = {other.__name__: other for _, other in PLUGINS}
    assert eval(repr(plugin), namespace) == plugin
    assert REGISTRIES[kind].build(cls.name, plugin.options()) == plugin
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(plugin, field.name, None)


@pytest.mark.parametrize(("kind", "cls"), PLUGINS, ids=ids)
def test_it_rejects_a_typo(kind: str, cls: type[Plugin]) -> None:
    with pytest.raises(ConfigError, match="unknown field"):
        REGISTRIES[kind].build(cls.name, {**example_options(cls), "stesp": 1})
    with pytest.raises(ConfigError, match=f"no {kind} is called"):
        REGISTRIES[kind].build(cls.name + "x", {})


@pytest.mark.parametrize("cls", RUN_HERE, ids=lambda cls: cls.name)
def test_an_attack_gives_the_same_guess_for_the_same_seed_and_leaves_the_observation_alone(
    cls: type[Attack], observation: Observation
) -> None:
    attack = attacks.build(cls.name, quick_options(cls))
    held = {name: value.clone() for name, value in observation.update.tensors.items()}
    weights = observation.before.clone()
    one, two = (attack.run(observation, generator(5)) for _ in range(2))
    assert same(one, two)
    assert all(torch.equal(value, held[name]) for name, value in observation.update.tensors.items())
    assert all(torch.equal(v, observation.before.state_dict()[n]) for n, v in weights.state_dict().items())


def same(one: Reconstruction, two: Reconstruction) -> bool:
    equal = one.guesses.keys() == two.guesses.keys() and all(
        torch.allclose(guess, two.guesses[name], rtol=0, atol=0, equal_nan=True) for name, guess in one.guesses.items()
    )
    return equal and repr(one.mismatch) == repr(two.mismatch) and one.failure == two.failure


@pytest.mark.parametrize("cls", RUN_HERE, ids=lambda cls: cls.name)
@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_an_attack_survives_a_degenerate_update(cls: type[Attack], observation: Observation, value: float) -> None:
    filled = observation.update.with_vector(torch.full_like(observation.update.vector(), value))
    attack = attacks.build(cls.name, quick_options(cls))
    guess = attack.run(dataclasses.replace(observation, update=filled), generator(5))
    if guess.inputs is not None:
        assert torch.isfinite(guess.inputs).all()
    guessed = (guess.inputs, guess.labels, guess.membership, guess.properties)
    assert guess.failure or any(one is not None for one in guessed)


@pytest.mark.parametrize("cls", shipped(defenses), ids=lambda cls: cls.name)
def test_a_defense_is_deterministic_and_leaves_its_input_alone(cls: type[Defense], observation: Observation) -> None:
    defense = defenses.build(cls.name, example_options(cls))
    before = observation.update.vector().clone()
    one, two = (defense.protect(observation.update, generator(3)) for _ in range(2))
    assert torch.equal(one.vector(), two.vector())
    assert torch.equal(observation.update.vector(), before)
    assert one.kind is observation.update.kind


@pytest.mark.parametrize(
    "cls", [cls for cls in shipped(defenses) if "answers" in cls.acts_on], ids=lambda cls: cls.name
)
def test_a_defense_of_answers_is_deterministic_and_leaves_the_request_alone(cls: type[Defense]) -> None:
    defense, task = defenses.build(cls.name, example_options(cls)), task_of("digits-mlp")
    log = QueryLog(
        inputs=torch.rand(120, *task.shape, generator=generator(0)),
        probabilities=torch.rand(120, task.classes, generator=generator(1)).softmax(1),
        answers=torch.rand(120, task.classes, generator=generator(2)),
    )
    asked = log.replayed(torch.rand(50, *task.shape, generator=generator(3)), days=20.0)
    held = (asked.inputs.clone(), asked.probabilities.clone(), asked.benign.clone())
    one, other = (defense.answer(asked, generator(4)) for _ in range(2))
    assert one.shape == asked.probabilities.shape
    assert torch.equal(one, other)
    assert torch.equal(defense.admits(asked), defense.admits(log.replayed(asked.benign, days=20.0)))
    assert all(map(torch.equal, held, (asked.inputs, asked.probabilities, asked.benign)))


OF_CLASSES = [cls for cls in shipped(metrics) if cls.compares == "representatives"]
OF_COLUMNS = [cls for cls in shipped(metrics) if not issubclass(cls, PixelMetric) and cls.compares == "columns"]
OF_PIXELS = [cls for cls in metrics if issubclass(cls, PixelMetric)]
OF_PROPERTIES = [cls for cls in shipped(metrics) if cls.compares == "properties"]
OF_SHARES = [cls for cls in OF_PROPERTIES if not cls.of_catalogue]
OF_SECRETS = [cls for cls in shipped(metrics) if cls.compares == "secrets"]
OF_PAYLOADS = [cls for cls in shipped(metrics) if cls.compares == "payload"]
OTHERS = (*OF_CLASSES, *OF_COLUMNS, *OF_PIXELS, *OF_SHARES, *OF_SECRETS, *OF_PAYLOADS)
OF_MESSAGES = [cls for cls in shipped(metrics) if cls not in OTHERS]


@pytest.mark.parametrize("cls", OF_PROPERTIES, ids=lambda cls: cls.name)
def test_a_metric_on_properties_prefers_the_nearest_share(cls: type[Metric]) -> None:
    task, clients = task_of("digits-mlp"), load("digits-mlp").clients
    threes, others = ((clients.labels == 3) == has for has in (True, False))
    truth = clients[torch.cat([threes.nonzero()[:6, 0], others.nonzero()[:14, 0]])]
    view = Released(task=task, weights=initial_weights(task.name, 0), property="label=3", shares=(0.3, 0.6))
    right, wrong = (Reconstruction(properties=torch.tensor(guess)) for guess in ([1.0, 0.0], [0.0, 1.0]))
    of_right, of_wrong = (
        score(guess, truth, (metrics.build(cls.name, {}),), wrong, view=view)[0].value for guess in (right, wrong)
    )
    assert of_right > of_wrong if cls.higher_is_better else of_right < of_wrong


@pytest.mark.parametrize("cls", OF_CLASSES, ids=lambda cls: cls.name)
def test_a_metric_on_classes_prefers_a_private_example_to_its_negative(cls: type[Metric]) -> None:
    task, private = task_of("digits-mlp"), load("digits-mlp").clients
    view = Released(task=task, weights=initial_weights(task.name, 0), classes=(0, 1, 2))
    means = class_means(private, torch.tensor(view.classes))
    right, wrong = (Reconstruction(representatives=images) for images in (means, 1 - means))
    of_right, of_wrong = (
        score(guess, private, (metrics.build(cls.name, {}),), wrong, view=view)[0] for guess in (right, wrong)
    )
    assert len(of_right.per_sample) == 3
    assert all(a > b for a, b in zip(of_right.per_sample, of_wrong.per_sample, strict=True))


@pytest.mark.parametrize("cls", OF_COLUMNS, ids=lambda cls: cls.name)
def test_a_metric_on_columns_prefers_the_truth(cls: type[Metric]) -> None:
    task, clients, metric = task_of("diabetes-mlp"), load("diabetes-mlp").clients, metrics.build(cls.name, {})
    hidden = next((name,) for name in ("sex", "age") if metric.applies_to(task.space.column(name)))
    members, others = clients[torch.arange(20)], clients[torch.arange(20, 50)]
    challenge = Question(
        members=members, other_clients=members[torch.arange(0)], non_members=others, seed_key=()
    ).challenge()
    view = Released(
        task=task,
        weights=initial_weights(task.name, 0),
        rows=without(challenge.candidates, hidden),
        hidden=hidden,
    )
    true = challenge.candidates.inputs[:, challenge.candidates.space.mask(hidden)]
    right, wrong = (Reconstruction(columns=values) for values in (true, -true))
    of_right, of_wrong = (
        score(guess, members, (metric,), wrong, (), challenge, view=view)[0] for guess in (right, wrong)
    )
    sign, best = (1, metric.bounds[1]) if metric.higher_is_better else (-1, metric.bounds[0])
    assert of_right.value == best
    assert all(sign * a > sign * b for a, b in zip(of_right.per_sample, of_wrong.per_sample, strict=True))


@pytest.mark.parametrize("cls", OF_PIXELS, ids=lambda cls: cls.name)
def test_a_metric_on_columns_of_pixels_prefers_the_truth(cls: type[Metric]) -> None:
    members, metric, places = load("digits-mlp").clients[torch.arange(20)], metrics.build(cls.name, {}), range(2, 8)
    nobody = members[torch.arange(0)]
    challenge = Question(members=members, other_clients=nobody, non_members=nobody, seed_key=()).challenge()
    answer = Answer(truth=members, challenge=challenge, places=tuple(places))
    true = challenge.candidates.inputs[..., list(places)]
    right, wrong = (
        GOALS["columns"].measure(metric, Reconstruction(columns=values), answer) for values in (true, 1 - true)
    )
    assert right.mean == pytest.approx(metric.bounds[1])
    assert all(a > b for a, b in zip(right.per_sample, wrong.per_sample, strict=True))
    unasked = GOALS["columns"].measure(metric, Reconstruction(columns=true), Answer(truth=members, challenge=challenge))
    assert unasked.reason is not None


@pytest.mark.parametrize("cls", OF_SECRETS, ids=lambda cls: cls.name)
def test_a_metric_on_secrets_prefers_the_truth(cls: type[Metric]) -> None:
    task, format = task_of("digits-mlp"), SecretFormat.of("my pin is {digits}", 3)
    view = Released(task=task, weights=initial_weights(task.name, 0), secret=format)
    right = torch.arange(1000).eq(format.place("271")).float()
    truth, metric = load("digits-mlp").clients, metrics.build(cls.name, {})
    of_right, of_wrong = (
        score(Reconstruction(secrets=guess), truth, (metric,), NOT_GUESSED, view=view, secret="271")[0].value
        for guess in (right, -right)
    )
    assert of_right > of_wrong


@pytest.mark.parametrize("cls", OF_PAYLOADS, ids=lambda cls: cls.name)
def test_a_metric_on_payloads_prefers_the_truth(cls: type[Metric]) -> None:
    truth, bits = load("digits-mlp").clients[torch.arange(3)], torch.tensor([True, False, True, True])
    hidden = Hidden(inputs=truth.inputs, exact=truth.inputs, bits=bits, channel=bits)
    right, wrong = (
        Reconstruction(payload=images[None], payload_bits=read[None], payload_channel=read[None])
        for images, read in ((truth.inputs, bits.float()), (1 - truth.inputs, 1 - bits.float()))
    )
    metric = metrics.build(cls.name, {})
    of_right, of_wrong = (score(guess, truth, (metric,), wrong, payloads=(hidden,))[0] for guess in (right, wrong))
    sign, best = (1, metric.bounds[1]) if metric.higher_is_better else (-1, metric.bounds[0])
    assert of_right.value == pytest.approx(best)
    assert all(sign * a > sign * b for a, b in zip(of_right.per_sample, of_wrong.per_sample, strict=True))


@pytest.mark.parametrize("cls", OF_MESSAGES, ids=lambda cls: cls.name)
def test_a_metric_prefers_the_truth(cls: type[Metric]) -> None:
    metric = metrics.build(cls.name, {})
    truth = Batch(torch.rand(3, 3, 28, 28, generator=generator(0)), torch.tensor([0, 1, 2]))
    others = Batch(torch.rand(100, 3, 28, 28, generator=generator(1)), torch.zeros(100, dtype=torch.int64))
    question = Question(members=truth, other_clients=others[torch.arange(2)], non_members=others, seed_key=())
    answer = torch.zeros(105).index_fill(0, question.challenge().members, 1.0)
    known = Reconstruction(
        inputs=truth.inputs, labels=truth.labels, membership=answer, properties=of_most(truth.inputs)
    )
    wrong = Reconstruction(
        inputs=1 - truth.inputs, labels=torch.full((3,), 5), membership=-answer, properties=1 - of_most(truth.inputs)
    )
    right, bad = (
        score(guess, truth, (metric,), wrong, (), question.challenge())[0].per_sample for guess in (known, wrong)
    )
    sign = 1 if metric.higher_is_better else -1
    assert len(right) == 3
    assert all(sign * a > sign * b for a, b in zip(right, bad, strict=True))
