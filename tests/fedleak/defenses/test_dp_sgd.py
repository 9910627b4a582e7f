"""Laws of DP-SGD."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

from fedleak.accounting.composition import Releases, composed_epsilon
from fedleak.accounting.gaussian import epsilon_of, noise_multiplier_for
from fedleak.accounting.sampling import Sample
from fedleak.api import capture
from fedleak.campaign.plan import federation_address
from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.defenses.dp_sgd import DPSGD
from fedleak.errors import ConfigError
from fedleak.experiment.canonical import acting_tables
from fedleak.experiment.experiment import parse_experiment
from fedleak.federation.plan import FederationPlan
from fedleak.gradients.per_sample import example_gradients
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining, Step
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import generator
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import initial_weights, task_of

TASKS = ["digits-mlp", "digits-lenet", "photos-convnet", "photos-vit", "pydoc-gru"]


def step_of(name: str, examples: int = 3) -> Step:
    task = task_of(name)
    rng = generator(name)
    labels = torch.randint(task.classes, (examples,), generator=rng)
    batch = Batch(torch.rand(examples, *task.shape, generator=rng), labels)
    return Step(task=task, weights=initial_weights(task.name, 0), examples=batch, mode="train")


def by_hand(step: Step) -> NamedTensors:
    def loss(parameters: NamedTensors, image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(functional_call(step.task.network, parameters, (image[None],)), label[None])

    batch = step.examples
    return dict(vmap(grad(loss), in_dims=(None, 0, 0))(step.weights.parameters, batch.inputs, batch.labels))


@pytest.mark.parametrize("name", TASKS)
def test_gradients_of_single_examples_are_those_by_hand(name: str) -> None:
    step = step_of(name)
    ours, other = example_gradients(step), by_hand(step)
    alone = example_gradients(replace(step, mode="eval"))
    assert list(ours) == list(step.weights.parameters)
    for key, value in other.items():
        torch.testing.assert_close(ours[key], value, rtol=1e-4, atol=1e-6 * float(value.abs().max()))
        torch.testing.assert_close(alone[key], value, rtol=1e-4, atol=1e-6 * float(value.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_infinite_clip_and_no_noise_is_plain_sgd(name: str) -> None:
    step = step_of(name)
    ours = DPSGD(max_norm=math.inf, noise_multiplier=0.0).gradient(step, generator(0))
    for key, value in step.gradient().items():
        torch.testing.assert_close(ours[key], value, rtol=1e-4, atol=1e-6 * float(value.abs().max()))


@pytest.mark.parametrize("beta", [0.0, 10.0])
def test_eval_mode_and_penalties_of_other_defenses_are_in_it(beta: float) -> None:
    chain = Chain.build(({"use": "precode", "beta": beta},))
    step = step_of("digits-mlp")
    task = chain.task(step.task)
    hardened = replace(step, task=task, weights=initial_weights(task.name, 0, chain), mode="eval")
    ours = DPSGD(max_norm=math.inf, noise_multiplier=0.0).gradient(hardened, generator(0))
    for key, value in hardened.gradient().items():
        torch.testing.assert_close(ours[key], value, rtol=1e-4, atol=1e-6 * float(value.abs().max()))


@pytest.mark.parametrize("name", ["digits-mlp", "digits-lenet", "pydoc-gru"])
def test_each_example_is_clipped_by_itself(name: str) -> None:
    step = step_of(name, examples=5)
    alone = [replace(step, examples=step.examples[torch.tensor([place])]).gradient() for place in range(5)]
    singles = {key: torch.stack([one[key] for one in alone]) for key in alone[0]}
    norms = torch.stack([value.flatten(1).square().sum(1) for value in singles.values()]).sum(0).sqrt()
    bound = float(norms.median())
    ours = DPSGD(max_norm=bound, noise_multiplier=0.0).gradient(step, generator(0))
    scale = (bound / norms).clamp(max=1.0)
    assert 0 < int((scale < 1).sum()) < 5
    for key, value in singles.items():
        torch.testing.assert_close(ours[key], torch.tensordot(scale, value, dims=1) / 5, rtol=1e-4, atol=1e-7)


def test_noise_has_the_stated_standard_deviation_on_the_sum() -> None:
    step = step_of("photos-convnet", examples=4)
    quiet = DPSGD(max_norm=0.5, noise_multiplier=0.0).gradient(step, generator(0))
    noisy = DPSGD(max_norm=0.5, noise_multiplier=3.0).gradient(step, generator(0))
    noise = torch.cat([4 * (noisy[key] - quiet[key]).flatten() for key in quiet])
    assert noise.std() == pytest.approx(3.0 * 0.5, rel=0.01)


def test_the_step_leaves_weights_and_network_alone() -> None:
    step = step_of("digits-lenet")
    held = step.weights.clone()
    DPSGD().gradient(step, generator(0))
    assert all(torch.equal(value, held.parameters[name]) for name, value in step.weights.parameters.items())
    assert not any(hasattr(value, "grad_sample") for value in step.task.network.parameters())


def test_clients_train_with_it() -> None:
    step = step_of("digits-mlp", examples=4)
    training = LocalTraining(batch_size=2, batches=2, epochs=2)
    for defense, close in [(DPSGD(max_norm=math.inf, noise_multiplier=0.0), True), (DPSGD(), False)]:
        sent = client_round(step.task, step.weights, step.examples, training, Chain((defense,)), (0,)).weights
        plain = client_round(step.task, step.weights, step.examples, training, Chain(), (0,)).weights
        same = [torch.allclose(v, plain.parameters[n], atol=1e-5) for n, v in sent.parameters.items()]
        assert all(same) is close


@pytest.mark.slow
def test_noise_is_found_for_an_epsilon_of_all_rounds() -> None:
    asked = DPSGD(epsilon=3.0, delta=1e-5)
    plain = asked.planned((FederationSettings(rounds=2, epochs=3), FederationSettings(rounds=4)))
    assert isinstance(plain, DPSGD)
    assert epsilon_of(1e-5, 2 * math.sqrt(10) / plain.multiplier) == pytest.approx(3.0, rel=1e-6)
    secret = replace(asked, share=20).planned((FederationSettings(rounds=100),))
    sample = Sample(size=1, population=20)
    parts = (Releases(noise_multiplier=secret.multiplier / 2, sample=sample, count=100),)
    assert composed_epsilon(parts, 1e-5) == pytest.approx(3.0, rel=0.01)
    assert secret.multiplier < asked.planned((FederationSettings(rounds=100),)).multiplier


def test_where_noise_is_given_the_rounds_do_not_matter() -> None:
    assert DPSGD(noise_multiplier=0.5).planned((FederationSettings(rounds=9),)) == DPSGD(noise_multiplier=0.5)
    assert DPSGD(epsilon=math.inf, delta=1e-5).planned((FederationSettings(),)).multiplier == 0.0


def test_an_epsilon_without_a_run_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="run it in a federation, or give noise_multiplier"):
        DPSGD(epsilon=3.0, delta=1e-5).gradient(step_of("digits-mlp"), generator(0))


def test_a_plan_and_an_experiment_and_what_the_server_records_have_the_noise() -> None:
    asked = {"use": "dp-sgd", "max_norm": 1.0, "epsilon": 8.0, "delta": 1e-5}
    tree = {"task": "digits-mlp", "federation": {"rounds": 2}, "utility": {"rounds": 3, "epochs": 2}}
    expected = 2 * math.sqrt(2 + 3 * 2) * noise_multiplier_for(8.0, 1e-5)
    plan = parse_settings(FederationPlan, {**tree, "chain": [asked], "recordings": "r", "vault": "v"})
    one = plan.defenses()
    table = {**tree, "name": "private", "attacks": [{"use": "prior"}], "defenses": [{"name": "dp", "chain": [asked]}]}
    experiment = parse_experiment(table)
    assert one == experiment.build_chains()["dp"]
    [defense] = one
    assert defense.options() == {"max_norm": 1.0, "noise_multiplier": pytest.approx(expected)}
    assert plan.model_copy(update={"chain": tuple(acting_tables(experiment, experiment.defenses[0]))}).defenses() == one
    longer = parse_experiment({**table, "utility": {"rounds": 9}})
    addresses = {federation_address(one, one.defenses[0]) for one in (experiment, longer)}
    assert len(addresses) == 2  # the recorded rounds have other noise too
    [seen] = capture("digits-mlp", clients=1, defense=[asked])
    assert seen.observation.defense == Chain(
        (DPSGD(max_norm=1.0, noise_multiplier=2 * noise_multiplier_for(8.0, 1e-5)),)
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epsilon": 1.0}, "chain.0: epsilon = 1 means nothing without delta; give it too"),
        ({"delta": 1e-5}, "chain.0: delta given without the epsilon that it is for; give it too"),
        ({"max_norm": -1.0}, "chain.0.max_norm: expected greater than 0, got -1.0"),
        ({"max_norm": math.inf}, "chain.0: expected a finite max_norm where there is noise, got inf"),
        (
            {"epsilon": 1.0, "delta": 1e-5, "noise_multiplier": 1.0},
            "chain.0: expected noise_multiplier or epsilon, got both; epsilon says how much noise there is",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Chain.build(({"use": "dp-sgd", **options},))
    assert str(caught.value).startswith(sentence)


def test_batch_norm_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="'bn1' is a BatchNorm2d; put 'group-norm' before it in the chain"):
        Chain((DPSGD(),)).task(task_of("photos-resnet18"))


def test_two_cannot_be_chained() -> None:
    with pytest.raises(ConfigError, match="cannot be chained; keep one"):
        Chain.build(({"use": "dp-sgd"}, {"use": "dp-sgd", "noise_multiplier": 2.0}))


def test_a_share_that_a_client_does_not_have_is_refused() -> None:
    DPSGD(share=100).require_examples(100)
    with pytest.raises(ConfigError, match="counts on share = 100 examples or more at each client, and one has 99"):
        DPSGD(share=100).require_examples(99)
    with pytest.raises(ConfigError, match="counts on share = 100000"):
        capture("digits-mlp", clients=2, defense=[{"use": "dp-sgd", "share": 100000}])


def test_a_federation_runs_with_it() -> None:
    seen = capture("digits-mlp", clients=2, batch_size=4, defense=[{"use": "dp-sgd", "noise_multiplier": 0.5}])
    assert len(seen) == 2


@pytest.mark.parametrize(("batches", "epochs"), [(1, 1), (2, 2)])
def test_an_attacker_knows_how_much_noise_reaches_the_weights(batches: int, epochs: int) -> None:
    step = step_of("photos-convnet", examples=4)
    training = LocalTraining(batch_size=4 // batches, batches=batches, epochs=epochs, learning_rate=1e-3)
    noisy, quiet = (DPSGD(max_norm=0.5, noise_multiplier=z) for z in (2.0, 0.0))
    one, other = (
        client_round(step.task, step.weights, step.examples, training, Chain((defense,)), (0,)).weights.parameters
        for defense in (noisy, quiet)
    )
    noise = torch.cat([(one[name] - other[name]).flatten() for name in one])
    assert noise.std() == pytest.approx(noisy.noise(training), rel=0.03)


WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"schedule": "LinearLR", "schedule_options": '{"start_factor": 0.1}'},
    {"batches": 4, "accumulation": 4},
    {"batches": 3, "accumulation": 2, "epochs": 2, "schedule": "CosineAnnealingLR"},
)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_noise_that_attackers_and_bounds_are_told_of_is_the_one_that_is_sent(way: dict[str, Any]) -> None:
    """The clipping norm is so small that the update is noise alone."""
    task, defense = task_of("digits-mlp"), DPSGD(max_norm=1e-6, noise_multiplier=1e6)
    facts = LocalTraining(batch_size=2, **way)
    before, examples = initial_weights(task.name, 0), step_of(task.name, 2 * (facts.batches or 1)).examples
    sent = client_round(task, before, examples, facts, Chain((defense,)), (0,)).weights.parameters
    moved = torch.cat([(sent[name] - value).flatten() for name, value in before.parameters.items()])
    assert float(moved.std()) == pytest.approx(defense.noise(facts), rel=0.05)
