"""Laws of DP-SGD with Poisson samples: what a step follows, what leaves, what is proved, and that it is replayed."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.accounting.composition import Releases, composed_epsilon
from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.accounting.sampling import Poisson
from fedleak.api import attack, capture, score
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.released import Released
from fedleak.defenses.dp_sgd import DPSGD
from fedleak.errors import ConfigError
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.training import Step, train_locally
from fedleak.randomness import generator
from fedleak.recording.files import find_recordings, read_recording
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings, PlanSettings
from fedleak.tasks import initial_weights, task_of
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import verify

SAMPLED = {"use": "dp-sgd", "sampling": "poisson", "share": 20}
PLAIN = DPSGD(max_norm=math.inf, noise_multiplier=0.0, sampling="poisson", share=6)


def step_of(examples: int, expected: int) -> Step:
    task, rng = task_of("digits-mlp"), generator("step")
    labels = torch.randint(task.classes, (examples,), generator=rng)
    batch = Batch(torch.rand(examples, *task.shape, generator=rng), labels)
    weights = initial_weights(task.name, 0)
    return Step(task=task, weights=weights, examples=batch, mode="train", expected=expected)


def guarantee(*tables: dict[str, Any], utility: dict[str, Any] | None = None, **federation: Any) -> Guarantee:
    tree = {"task": "digits-mlp", "federation": federation, "utility": utility or {}}
    run = parse_settings(PlanSettings, tree)
    found = Chain.build(tables).planned(run.phases).guarantee(run.phases, task_of("digits-mlp"))
    assert isinstance(found, Guarantee), found
    return found


def test_a_sum_is_divided_by_the_size_that_is_expected() -> None:
    step = step_of(3, 2)
    sampled, plain = PLAIN.gradient(step, generator(0)), replace(step, expected=None).gradient()
    for name, value in plain.items():
        torch.testing.assert_close(sampled[name], 3 / 2 * value, rtol=1e-4, atol=1e-7)


def test_over_all_samples_the_mean_of_what_a_step_follows_is_the_gradient_of_the_share() -> None:
    """Exactly, over all subsets of a share of six by their chances: no clipping, no noise."""
    whole, rate = step_of(6, 2), 2 / 6
    mean = {name: torch.zeros_like(value) for name, value in whole.weights.parameters.items()}
    for code in range(2**6):
        taken = torch.tensor([place for place in range(6) if code >> place & 1], dtype=torch.int64)
        chance = rate ** len(taken) * (1 - rate) ** (6 - len(taken))
        sampled = PLAIN.gradient(replace(whole, examples=whole.examples[taken]), generator(0))
        mean = {name: mean[name] + chance * value for name, value in sampled.items()}
    for name, value in replace(whole, expected=None).gradient().items():
        torch.testing.assert_close(mean[name], value, rtol=1e-4, atol=1e-6)


def test_a_step_without_examples_is_noise_alone() -> None:
    defense = DPSGD(max_norm=0.5, noise_multiplier=3.0, sampling="poisson", share=6)
    step = step_of(0, 4)
    noise = torch.cat([value.flatten() for value in defense.gradient(step, generator(0)).values()])
    assert noise.std() == pytest.approx(3.0 * 0.5 / 4, rel=0.02)
    facts = LocalTraining(
        batch_size=4, batches=3, sampling_rate=0.5, augmentation=('{"name": "RandomCrop", "size": 8}',)
    )

    def noised(step: Step) -> dict[str, torch.Tensor]:
        return defense.gradient(step, rng)

    rng = generator("a round")
    after = train_locally(step.task, step.weights, step.examples, facts, (0,), gradient=noised)
    moved = torch.cat([(after.parameters[n] - v).flatten() for n, v in step.weights.parameters.items()])
    assert float(moved.std()) == pytest.approx(defense.noise(facts), rel=0.02)


def test_the_guarantee_is_about_one_who_is_there_or_not_and_counts_every_step() -> None:
    found = guarantee({**SAMPLED, "noise_multiplier": 1.5}, rounds=3, batch_size=1, batches=2, epochs=2)
    parts = (Releases(noise_multiplier=1.5, sample=Poisson(rate=0.05), count=12),)
    assert found.epsilon(1e-5) == composed_epsilon(parts, 1e-5)
    assert found.terms(1e-5) == "add-or-remove example, Poisson samples at rate 0.05"
    assert found.statement(1e-5).startswith("epsilon 0.69 (")
    assert found.sentence == (
        "dp-sgd: noise multiplier 1.5 (add-or-remove example), 12 releases, each about a Poisson sample at rate 0.05"
    )


def test_who_was_in_the_sample_may_be_in_every_step_and_is_as_far_from_nobody_as_one_contribution() -> None:
    found = guarantee({**SAMPLED, "noise_multiplier": 1.5}, rounds=3, batches=2, epochs=2)
    assert found.over(1).shift == pytest.approx(math.sqrt(4) / 1.5)
    assert found.mu == pytest.approx(found.shift) == pytest.approx(math.sqrt(12) / 1.5)
    assert found.over(1).relation == found.relation == "add-or-remove example"
    assert not found.over(1).sampled(1e-5)
    all_in = guarantee({**SAMPLED, "noise_multiplier": 1.5}, batch_size=20)
    assert all_in.terms(1e-5) == "add-or-remove example, no sampling credit"


@pytest.mark.slow
def test_noise_is_found_for_an_epsilon_of_all_rounds_under_its_relation() -> None:
    asked = {**SAMPLED, "epsilon": 30.0, "delta": 1e-5}
    found = guarantee(asked, rounds=5, utility={"rounds": 20, "batch_size": 2})
    whole = sum((one.rounds * one.mechanism.releases for one in found.phases), start=0)
    assert whole == 25
    assert 30.0 * (1 - 0.01) < found.epsilon(1e-5) <= 30.0
    assert found.terms(1e-5).endswith("Poisson samples at rate 0.05, then 0.1")


def test_examples_that_others_mix_first_void_it_as_they_do_with_fixed_batches() -> None:
    run = parse_settings(PlanSettings, {"task": "digits-mlp", "federation": {"batch_size": 4}})
    chain = Chain.build(({"use": "mixup"}, {**SAMPLED, "noise_multiplier": 1.0}))
    found = chain.planned(run.phases).guarantee(run.phases, task_of("digits-mlp"))
    assert isinstance(found, Unproven)
    assert "'mixup' changes the examples first" in found.reason


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"share": None}, "there is no share; give share, the examples of the smallest client"),
        ({"sampling": "shuffle"}, "chain.0.sampling: expected 'poisson'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Chain.build(({name: value for name, value in {**SAMPLED, **options}.items() if value is not None},))


def test_a_batch_larger_than_the_share_and_a_client_with_less_are_refused() -> None:
    defense = DPSGD(sampling="poisson", share=20, noise_multiplier=1.0)
    with pytest.raises(ConfigError, match="batch_size = 21 is more than share = 20"):
        defense.settings(FederationSettings(batch_size=21)).training()
    with pytest.raises(ConfigError, match="counts on share = 20 examples or more"):
        defense.require_examples(19)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FederationPlan:
    """Three clients of 20 examples each; batches of one in two steps, so that some rounds take nobody."""
    folder = tmp_path_factory.mktemp("poisson")
    tree = {
        "task": "digits-mlp",
        "federation": {"clients": 3, "rounds": 5, "examples": 20, "batches": 2, "release": "last"},
        "chain": [{**SAMPLED, "noise_multiplier": 0.5}],
        "recordings": str(folder / "recordings" / "none"),
        "vault": str(folder / "vault" / "none"),
    }
    plan = parse_settings(FederationPlan, tree)
    run_federation(plan)
    return plan


def test_nothing_that_leaves_tells_how_many_were_drawn(run: FederationPlan) -> None:
    recordings = [read_recording(path) for path in find_recordings(Path(run.recordings)) if "client" in path.stem]
    drawn = {len(withdraw(Path(run.vault), one.round, one.cohort[0]).examples) for one in recordings}
    assert len(recordings) == 15
    assert 0 in drawn
    assert len(drawn) > 2
    assert {one.num_examples for one in recordings} == {2}
    assert {tuple(one.metrics) for one in recordings} == {()}


def test_every_update_is_replayed_from_the_examples_that_were_drawn(run: FederationPlan) -> None:
    checks = verify(Path(run.recordings).parents[1])
    assert Counter(check.verdict for check in checks) == {"agrees": 15, "released": 1}


def test_who_gets_the_model_is_told_how_many_are_expected_in_all_rounds(run: FederationPlan) -> None:
    message = Message.at(next(path for path in find_recordings(Path(run.recordings)) if path.stem == "model"))
    view, _ = observe(message, Terms(adversary=run.adversary), attacks.build("loss-threshold", {}))
    assert isinstance(view, Released)
    assert view.num_examples == 3 * round(20 * (1 - 0.95**10))
    assert view.num_examples != len(message.truth)


def test_checks_of_models_find_nothing_in_a_round_that_took_nobody() -> None:
    checks = [{"use": "loss-watch", "on_alarm": "report"}, {"use": "d-snr", "on_alarm": "report"}]
    seen = capture("digits-mlp", clients=3, rounds=2, batches=2, examples=20, defense=[*checks, SAMPLED])
    assert 0 in {len(one.truth) for one in seen}


def test_without_noise_there_is_no_loss_in_the_clear_either(tmp_path: Path) -> None:
    tree = {
        "task": "digits-mlp",
        "federation": {"clients": 1, "examples": 20},
        "chain": [{**SAMPLED, "noise_multiplier": 0.0}],
        "recordings": str(tmp_path / "recordings"),
        "vault": str(tmp_path / "vault"),
    }
    [path] = run_federation(parse_settings(FederationPlan, tree)).recordings
    recording = read_recording(path)
    assert (recording.num_examples, recording.metrics) == (1, {})


@pytest.mark.slow
def test_attacks_guess_as_many_as_are_expected_and_are_scored_by_those_who_were_there() -> None:
    table = {**SAMPLED, "noise_multiplier": 0.1}
    seen = capture("digits-mlp", clients=4, examples=20, batch_size=2, defense=[table])
    sizes = {len(one.truth) for one in seen}
    assert sizes - {0, 2}, "the seed draws another number than is expected"
    for one in seen:
        if not len(one.truth):
            continue
        guess = attack(one, "prior")
        assert guess.inputs is not None
        assert len(guess.inputs) == 2
        [found] = score(guess, one, ["psnr"])
        assert len(found.per_sample) == len(one.truth)
        assert sum(math.isfinite(value) for value in found.per_sample) == min(2, len(one.truth))
