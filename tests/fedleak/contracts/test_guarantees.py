"""What chains prove, in which view, and what voids it."""

import math
from typing import Any

import pytest
from dp_accounting import dp_event
from dp_accounting.pld import pld_privacy_accountant

from fedleak.accounting.composition import Releases, composed_epsilon
from fedleak.accounting.gaussian import noise_multiplier_for
from fedleak.accounting.guarantee import Guarantee, Proven, ResponseGuarantee, Unproven
from fedleak.accounting.mechanism import Vantage
from fedleak.accounting.sampling import Sample
from fedleak.contracts.chain import Chain
from fedleak.settings.base import Table, parse_settings
from fedleak.settings.federation import FederationSettings, PlanSettings
from fedleak.tasks import task_of

LOCAL: Table = {"use": "local-dp", "epsilon": 2.0, "delta": 1e-5, "max_norm": 0.5}
USERS: Table = {"use": "user-level-dp", "noise_multiplier": 1.0, "max_norm": 0.5, "clients": 4}
STEPS: Table = {"use": "dp-sgd", "noise_multiplier": 1.5}
CENTRAL: Table = {"use": "central-dp", "noise_multiplier": 1.0}
MASKS: Table = {"use": "secure-aggregation"}
WHOLE: Table = {**MASKS, "threshold": 4}
"""The sum of all four, or none."""


def of(
    *tables: Table,
    task: str = "digits-mlp",
    view: Vantage | None = None,
    utility: dict[str, Any] | None = None,
    beside: tuple[str, ...] = (),
    **federation: Any,
) -> Proven | Unproven:
    run = parse_settings(PlanSettings, {"task": task, "federation": federation, "utility": utility or {}})
    chain = Chain.build(tables).planned(run.phases)
    return chain.guarantee(run.phases, chain.task(task_of(task)), view=view, beside=beside)


def proven(*tables: Table, **facts: Any) -> Guarantee:
    found = of(*tables, **facts)
    assert isinstance(found, Guarantee), found
    return found


def test_one_round_of_local_dp_has_the_epsilon_that_was_asked_for_and_more_have_more() -> None:
    assert proven(LOCAL).epsilon(1e-5) == pytest.approx(2.0, rel=1e-6)
    assert 2.0 < proven(LOCAL, rounds=4).epsilon(1e-5) < 8.0


def test_clipping_and_noise_are_local_dp_and_the_other_way_round_proves_nothing() -> None:
    std = proven(LOCAL).mechanism.noise
    clip, noise = {"use": "clipping", "max_norm": 0.5}, {"use": "gaussian-noise", "std": std}
    assert proven(clip, noise).epsilon(1e-5) == pytest.approx(2.0, rel=1e-6)
    assert isinstance(of(noise, clip), Unproven)
    assert isinstance(of(noise), Unproven)


def test_shared_noise_proves_more_of_the_sum_than_of_a_message() -> None:
    message, total = proven(USERS), proven(USERS, WHOLE)
    assert total.mechanism.noise_multiplier == pytest.approx(1 / 2)
    assert message.mechanism.noise_multiplier == pytest.approx(1 / 4)
    assert total.epsilon(1e-5) < message.epsilon(1e-5)


def test_a_smaller_cohort_has_less_of_the_shared_noise() -> None:
    half = proven(USERS, {**MASKS, "threshold": 2}, strategy_options={"fraction_train": 0.5})
    assert half.mechanism.noise_multiplier == pytest.approx(1 / 2 / math.sqrt(2))
    assert half.mechanism.sample is None  # the server knows whom it asked
    more = proven(USERS, MASKS, strategy_options={"fraction_train": 0.5, "min_train_nodes": 4})
    assert more == proven(USERS, MASKS)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("z", [2.0, 5.0])
def test_shared_noise_of_a_sum_is_never_declared_greater_than_those_that_stay_put_in(lost: float, z: float) -> None:
    users = {**USERS, "clients": 10, "noise_multiplier": z}
    declared = proven(users, {**MASKS, "threshold": 6}, clients=10, dropouts=lost, rounds=3).epsilon(1e-5)
    really = z * math.sqrt((10 - round(10 * lost)) / 10) / 2  # of the sensitivity, which is twice the norm
    event = dp_event.SelfComposedDpEvent(dp_event.GaussianDpEvent(really), 3)
    theirs = pld_privacy_accountant.PLDAccountant().compose(event).get_epsilon(1e-5)
    assert declared >= theirs * (1 - 1e-6)
    if lost == 0.4:  # as many as the threshold bears with
        assert declared == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize("coarse", [{"fraction_bits": 1}, {"ring_bits": 32, "max_value": 100.0}])
def test_shared_noise_proves_nothing_of_parts_that_are_rounded_or_cut_before_they_are_added(coarse: Table) -> None:
    found = of(USERS, {**WHOLE, **coarse})
    assert isinstance(found, Unproven)
    assert "parts of a sum must be rounded to much finer steps than their noise" in found.reason


def test_of_the_model_shared_noise_counts_those_that_the_experiment_lets_stay() -> None:
    stay = [proven(USERS, view="model", dropouts=lost).mechanism.noise for lost in (0.0, 0.25, [{"client": 1}])]
    assert stay[1] == stay[2] == pytest.approx(stay[0] * math.sqrt(3 / 4))


def test_a_mean_that_goes_by_the_number_of_examples_voids_the_sum() -> None:
    found = of(USERS, MASKS, batches="all")
    assert isinstance(found, Unproven)
    assert "they weigh by their numbers of examples" in found.reason


def test_central_dp_proves_something_of_the_model_and_nothing_to_the_server() -> None:
    assert proven(CENTRAL, view="model").epsilon(1e-5) < math.inf
    found = of(CENTRAL)
    assert isinstance(found, Unproven)
    assert "not from the server" in found.reason


@pytest.mark.parametrize(
    ("federation", "words"),
    [
        ({"batches": "all"}, "here they do not"),
        ({"strategy_options": {"weighted_by_key": "train_loss"}}, "here they do not"),
        ({"strategy": "FedAvgM"}, "FedAvgM makes something else of updates"),
    ],
)
def test_central_noise_is_for_a_plain_mean_of_equals(federation: dict[str, Any], words: str) -> None:
    found = of(CENTRAL, view="model", **federation)
    assert isinstance(found, Unproven)
    assert words in found.reason


def test_asking_some_clients_costs_those_who_see_the_model_less() -> None:
    facts: dict[str, Any] = {"view": "model", "rounds": 20, "clients": 40}
    strong = {**CENTRAL, "noise_multiplier": 4.0}
    some = proven(strong, strategy_options={"fraction_train": 0.05}, **facts)
    assert some.mechanism.sample == Sample(size=2, population=40)
    assert some.epsilon(1e-5) < proven(strong, **facts).epsilon(1e-5)
    assert some.sampled(1e-5)


def test_an_example_is_in_one_batch_of_each_epoch() -> None:
    facts: dict[str, Any] = {"rounds": 3, "epochs": 2, "batch_size": 5, "batches": 2}
    known, secret = proven(STEPS, **facts), proven({**STEPS, "share": 200}, **facts)
    assert known.mu == secret.mu == pytest.approx(2 * math.sqrt(6) / 1.5)
    [part] = secret.parts
    sample = Sample(size=10, population=200)
    assert part == Releases(noise_multiplier=1.5 / 2 / math.sqrt(2), sample=sample, count=3)
    assert secret.epsilon(1e-5) == composed_epsilon(secret.parts, 1e-5) < known.epsilon(1e-5)
    assert "6 releases, 3 times a secret sample of 10 of 200" in secret.sentence


def test_an_epsilon_names_relation_and_sampling() -> None:
    noise, facts = 1.5, {"rounds": 3, "batch_size": 10}
    assert proven({**STEPS, "noise_multiplier": noise}, **facts).statement(1e-5) == (
        "epsilon 12.0 (replace-one example, no sampling credit), delta 1e-5"
    )
    secret = proven({**STEPS, "noise_multiplier": noise, "share": 200}, **facts)
    assert secret.terms(1e-5) == "replace-one example, secret samples of 10 of 200 without replacement"
    assert proven(LOCAL).terms(1e-5) == "replace-one client, no sampling credit"


def test_the_epsilon_of_dp_sgd_is_twice_as_far_as_under_its_own_relation() -> None:
    """What is 8 where an example may be left out is 19.1 where it has another in its place."""
    old = noise_multiplier_for(8.0, 1e-5)
    assert proven({**STEPS, "noise_multiplier": old}).epsilon(1e-5) == pytest.approx(19.1, abs=0.05)


def test_sampling_hides_nothing_of_what_was_in_the_batch_and_nothing_where_all_are() -> None:
    secret = proven({**STEPS, "share": 200}, rounds=3, epochs=2, batch_size=10)
    assert secret.over(1).shift == pytest.approx(math.sqrt(2) / 1.5)
    assert secret.over(1).mechanism.sample is None
    assert proven({**STEPS, "share": 200}, batches="all").mechanism.sample is None


def test_rounds_after_the_recorded_ones_add_up_with_them() -> None:
    recorded = proven(STEPS, rounds=2)
    whole = proven(STEPS, rounds=2, utility={"rounds": 5, "epochs": 3, "batch_size": 8})
    assert whole.mu == pytest.approx(2 * math.sqrt(2 + 15) / 1.5)
    assert whole.shift == pytest.approx(math.hypot(recorded.shift, math.sqrt(15) / 1.5))
    assert recorded.epsilon(1e-5) < whole.epsilon(1e-5)
    assert whole.over(2).epsilon(1e-5) == recorded.epsilon(1e-5)
    assert whole.sentence.endswith("2 releases; then noise multiplier 0.75 (replace-one example), 15 releases")
    same = proven(STEPS, rounds=2, utility={"rounds": 5})
    assert same.epsilon(1e-5) == pytest.approx(proven(STEPS, rounds=7).epsilon(1e-5))


def test_sampled_parts_compose_with_the_rest() -> None:
    steps = {**STEPS, "share": 100}
    whole = proven(steps, rounds=4, batch_size=5, utility={"rounds": 3, "batch_size": 100})
    assert [part.sample for part in whole.parts] == [Sample(size=5, population=100), None]
    some, rest = proven(steps, rounds=4, batch_size=5), proven(steps, rounds=3, batch_size=100)
    assert rest.epsilon(1e-5) < whole.epsilon(1e-5) < some.epsilon(1e-5) + rest.epsilon(1e-5)


def test_what_does_not_hold_later_is_not_proved_of_the_run() -> None:
    assert isinstance(of(USERS, MASKS, utility={"rounds": 1}), Guarantee)
    found = of(USERS, MASKS, utility={"rounds": 1, "batches": "all"})
    assert isinstance(found, Unproven)
    assert "give batches as a number" in found.reason


@pytest.mark.slow
@pytest.mark.parametrize("share", [None, 100])
@pytest.mark.parametrize("utility", [{}, {"rounds": 30, "batch_size": 20, "epochs": 2}])
def test_dp_sgd_has_the_epsilon_over_the_whole_run_that_was_asked_for(
    share: int | None, utility: dict[str, Any]
) -> None:
    asked: Table = {"use": "dp-sgd", "max_norm": 1.0, "epsilon": 8.0, "delta": 1e-5}
    found = proven({**asked, **({"share": share} if share else {})}, rounds=3, batch_size=4, utility=utility)
    assert found.epsilon(1e-5) == pytest.approx(8.0, rel=0.01)


@pytest.mark.parametrize(
    "compressed",
    [
        {"use": "top-k", "fraction": 0.1},
        {"use": "random-k", "fraction": 0.1},
        {"use": "sign-sgd"},
    ],
)
def test_what_makes_a_clipped_update_no_longer_leaves_the_proof_as_it_is(compressed: Table) -> None:
    clip, noise = {"use": "clipping", "max_norm": 0.5}, {"use": "gaussian-noise", "std": 2.0}
    assert proven(clip, compressed, noise).epsilon(1e-5) == proven(clip, noise).epsilon(1e-5)
    assert isinstance(of(compressed, noise), Unproven)


@pytest.mark.parametrize("longer", [{"use": "qsgd"}, {"use": "random-k", "fraction": 0.1, "scaled": True}])
def test_what_makes_it_longer_weakens_the_proof(longer: Table) -> None:
    clip, noise = {"use": "clipping", "max_norm": 0.5}, {"use": "gaussian-noise", "std": 2.0}
    assert proven(clip, noise).epsilon(1e-5) < proven(clip, longer, noise).epsilon(1e-5) < math.inf


def test_the_loss_is_a_secret_where_something_is_proved_to_the_server() -> None:
    told = {
        name: Chain.build(tables).reports_loss(FederationSettings())
        for name, tables in {
            "none": (),
            "noise alone": ({"use": "gaussian-noise", "std": 1.0},),
            "no noise": ({**STEPS, "noise_multiplier": 0.0},),
            "central": (CENTRAL,),
            "clipped": ({"use": "clipping", "max_norm": 1.0}, {"use": "gaussian-noise", "std": 1.0}),
            "local": (LOCAL,),
            "steps": (STEPS,),
        }.items()
    }
    assert [name for name, tells in told.items() if tells] == ["none", "noise alone", "no noise", "central"]


def test_the_strongest_of_several_counts() -> None:
    weak = {**LOCAL, "epsilon": 50.0}
    assert proven(LOCAL, weak).defense == "local-dp"
    assert proven(LOCAL, weak).epsilon(1e-5) == pytest.approx(2.0, rel=1e-6)


def test_buffers_that_leave_as_they_are_void_it() -> None:
    found = of(LOCAL, task="photos-resnet18")
    assert isinstance(found, Unproven)
    assert "leaves clients as training made it" in found.reason


def test_what_models_have_in_their_buffers_voids_it_too_unless_the_noise_is_on_them() -> None:
    facts: dict[str, Any] = {"task": "photos-resnet18", "view": "model"}
    for own in (LOCAL, USERS):
        found = of(own, **facts)
        assert isinstance(found, Unproven)
        assert "leaves clients as training made it" in found.reason
    assert proven({"use": "withhold-batch-norm"}, LOCAL, **facts).defense == "local-dp"
    assert proven(LOCAL, CENTRAL, **facts).defense == "central-dp"  # a wrapper has noise on all arrays of the record
    assert proven({"use": "pate", "std": 20.0, "queries": 10}, **facts).defense == "pate"  # the student's are its own


def test_examples_that_are_mixed_first_void_what_is_proved_of_examples() -> None:
    assert isinstance(of({"use": "mixup"}, STEPS, batch_size=2), Unproven)
    assert isinstance(of({"use": "mixup"}, LOCAL, batch_size=2), Guarantee)


def test_without_noise_nothing_is_proved() -> None:
    assert isinstance(of(), Unproven)
    assert isinstance(of({**LOCAL, "epsilon": math.inf}), Unproven)
    assert isinstance(of({**STEPS, "noise_multiplier": 0.0}), Unproven)


def test_training_code_that_does_more_voids_what_acts_before_the_update_alone() -> None:
    beside = ("sign-encoding", "property-poison")
    found = of(STEPS, beside=beside)
    assert isinstance(found, Unproven)
    assert found.reason.startswith("the training code does sign-encoding and property-poison, which 'dp-sgd' does not")
    answers: Table = {"use": "rappor", "columns": ["sex"], "epsilon": 1.0}
    assert isinstance(of(answers, task="diabetes-mlp"), ResponseGuarantee)
    assert isinstance(of(answers, task="diabetes-mlp", beside=beside), Unproven)  # the code reads what was there before
    for whole in (
        (LOCAL,),
        (STEPS, LOCAL),
        ({"use": "clipping", "max_norm": 1.0}, {"use": "gaussian-noise", "std": 1.0}),
    ):
        assert proven(*whole, beside=beside).mechanism.protects == "client"
    assert proven(STEPS, LOCAL, beside=beside) == proven(LOCAL)
    assert proven(CENTRAL, view="model", beside=beside) == proven(CENTRAL, view="model")


@pytest.mark.parametrize(
    ("check", "voids"),
    [
        ({"use": "weight-watch"}, True),
        ({"use": "weight-watch", "looks_at": ["change", "alike"]}, False),
        ({"use": "d-snr"}, True),
        ({"use": "d-snr", "on_alarm": "report"}, False),
        ({"use": "model-consistency"}, False),
    ],
)
def test_who_leaves_a_round_by_its_own_examples_says_something_of_them(check: Table, voids: bool) -> None:
    found = of(check, LOCAL, rounds=2, batch_size=4)
    assert isinstance(found, Unproven) is voids
    if isinstance(found, Unproven):
        assert "leave rounds by what it finds in their examples, which no noise covers" in found.reason
    else:
        assert found == of(LOCAL, rounds=2, batch_size=4)
