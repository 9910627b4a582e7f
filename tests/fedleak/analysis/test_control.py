"""What knowing a defense was worth is told by a control that was tuned as well."""

from fedleak.analysis.control import gains_of
from fedleak.experiment.grid import parse_campaign
from fedleak.statistics.group import Variant

ATTACK = {"use": "inverting-gradients"}
SMOOTH = {**ATTACK, "total_variation": 0.1, "label": "smooth"}
CAMPAIGN = parse_campaign({
    "name": "x", "task": "digits-mlp",
    "attacks": [
        ATTACK, SMOOTH, {"use": "plain", "attack": ATTACK, "label": "plain"},
        {"use": "plain", "attack": {**ATTACK, "total_variation": 0.1}, "label": "smooth plain"},
    ],
    "defenses": [{"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 0.1}]}],
})  # fmt: skip
FOUND = {"inverting-gradients": 20.0, "smooth": 21.0, "plain": 8.0, "smooth plain": 20.5}


def rows(make_row):
    algorithms = {label: "plain inverting-gradients" if "plain" in label else ATTACK["use"] for label in FOUND}
    return [
        make_row(value + seed, attack=label, algorithm=algorithms[label], defense="noisy", seed=seed)
        for label, value in FOUND.items()
        for seed in range(3)
    ]


def gains(rows, *tuned):
    place = {"task": "digits-mlp", "setting": (), "defense": "noisy", "sender": "client"}
    variants = {Variant(**place, algorithm=algorithm, attack=label) for algorithm, label in tuned}
    found = gains_of(CAMPAIGN, rows, variants)
    return {group.attack: (one.reference.attack, one.difference, one.pairs) for group, one in found.items()}


def test_the_control_of_an_attack_is_its_plain_form_with_the_same_options(make_row):
    found = gains(rows(make_row))
    assert found == {"inverting-gradients": ("plain", 12.0, 3), "smooth": ("smooth plain", 0.5, 3)}


def test_where_both_were_tuned_each_has_the_options_that_were_chosen_for_it(make_row):
    tuned = (("inverting-gradients", "inverting-gradients"), ("plain inverting-gradients", "smooth plain"))
    assert gains(rows(make_row), *tuned) == {"inverting-gradients": ("smooth plain", -0.5, 3)}
