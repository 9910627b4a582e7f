"""A readout of an imprint gives back what chance leaves alone: more is a mistake of the run, and ends it as one."""

import re
from typing import Any

import numpy as np
import pytest

from fedleak.analysis.singleton_bounds import SingletonBound, distribution, singleton_bounds
from fedleak.errors import BoundError
from fedleak.experiment.grid import parse_campaign
from fedleak.statistics.singletons import most_singletons, most_together

IMPRINT: dict[str, Any] = {"use": "imprint", "bins": 512}
SETTING = {"server": "imprint"}


def campaign(federation=(), chain=(IMPRINT,), defense=(), **more):
    tree = {
        "name": "one",
        "task": "digits-mlp",
        "attacks": [{"use": "imprint-readout"}],
        "servers": [{"name": "imprint", "chain": list(chain), "begins": more.pop("begins", 1)}],
        "defenses": [{"name": "summed", "chain": [*defense, {"use": "secure-aggregation"}]}],
        "federation": {"clients": 8, "batch_size": 8, **dict(federation)},
        **more,
    }
    return parse_campaign(tree)


@pytest.fixture
def rows(make_row):
    """The sum over 64 images in each of five seeds, of which so many came back exactly."""

    def made(exact, seeds=5, **changed):
        changed = {"attack": "imprint-readout", "algorithm": "imprint-readout", **changed}
        place = {"defense": "summed", "client": "aggregate", "setting": SETTING}
        return [make_row(*[60.0] * exact, *[12.0] * (64 - exact), seed=seed, **{**place, **changed})
                for seed in range(seeds)]  # fmt: skip

    return made


def beaten(found: list[SingletonBound]) -> list[bool]:
    return [one.exact > one.most for one in found]


def test_a_planted_result_that_is_too_good_is_told_with_what_was_expected_and_what_came(rows):
    [bound] = singleton_bounds(rows(63), campaign())
    assert (bound.exact, bound.asked, bound.most) == (315, 320, most_singletons(64, 512, 5) + 1)
    words = (
        "a readout gave back more than chance leaves to be read, so the readout or the scoring of this run is wrong, "
        "or the truth leaked to the attack: 315 of 320 images came back exactly (40 dB or more), where 284.0 are "
        f"expected alone in a bin, or nearly, and more than {bound.most} are once in 1,000 figures"
    )
    with pytest.raises(BoundError, match=re.escape(words)) as refused:
        bound.require()
    assert refused.value.exit_status == 1
    assert bound.where == "imprint-readout on the sum under summed (digits-mlp, server=imprint), round 1"


def test_what_chance_leaves_alone_is_no_mistake(rows):
    [bound] = singleton_bounds(rows(57), campaign())
    bound.require()
    assert beaten(singleton_bounds(rows(60), campaign())) == [False]
    assert beaten(singleton_bounds(rows(62), campaign())) == [True]


def test_of_a_network_that_was_trained_a_bin_may_give_back_one_of_several(rows):
    for told in ({"model": {"trained_rounds": 3}}, {"begins": 2, "federation": {"rounds": 2}}):
        found = singleton_bounds(rows(62, round=2), campaign(**told))
        assert (beaten(found), [one.fresh for one in found]) == ([False], [False])
        assert beaten(singleton_bounds(rows(64, round=2), campaign(**told))) == [True]
    assert not singleton_bounds(rows(64), campaign(begins=2, federation={"rounds": 2})), "nothing was planted yet"


@pytest.mark.parametrize(
    "told",
    [
        {"federation": {"epochs": 2}},
        {"defense": [{"use": "more-local-steps", "times": 3}]},
        {"chain": [{"use": "stealthy", "manipulation": IMPRINT, "jitter": 0.3}]},
        {"chain": [{"use": "stealthy", "manipulation": IMPRINT, "over": 2}], "federation": {"rounds": 2}},
        {"chain": [{"use": "stealthy", "manipulation": {**IMPRINT, "form": "linear"}, "alive": 0.1}]},
        {"chain": [IMPRINT, {"use": "inconsistency", "victim": 0}]},
    ],
    ids=["several steps", "several by a defense", "noise", "half way", "peeled", "two manipulations"],
)
def test_where_images_come_back_in_other_ways_there_is_no_bound(rows, told):
    federation = told.pop("federation", {})
    assert not singleton_bounds(rows(64), campaign(federation=federation, **told))


@pytest.mark.parametrize("form", ["linear", "weights", "one-shot"])
def test_other_forms_have_one(rows, form):
    made = campaign(chain=[{**IMPRINT, "form": form, "bins": 64}], task="digits-wide-mlp")
    alike = rows(64, task="digits-wide-mlp")
    assert beaten(singleton_bounds(alike, made)) == [True]


def test_only_the_readout_by_the_metric_in_decibels_counts_and_what_guessing_has_does_not(rows):
    assert not singleton_bounds(rows(64, attack="dlg", algorithm="dlg"), campaign())
    assert not singleton_bounds(rows(64, metric="mse"), campaign())
    assert not singleton_bounds(rows(64, split="tuning"), campaign())
    assert beaten(singleton_bounds(rows(64, prior_per_sample=(60.0,) * 64), campaign())) == [False]
    honest = campaign(servers=[{"name": "honest"}], attacks=[{"use": "prior"}])
    assert not singleton_bounds(rows(64, setting={}), honest)


def test_rounds_are_judged_by_themselves_and_err_no_oftener_together(rows):
    two = [*rows(57), *rows(63, round=2)]
    found = singleton_bounds(two, campaign(federation={"rounds": 2}))
    assert beaten(found) == [False, True]
    assert found[0].most >= most_singletons(64, 512, 5)
    assert found[0].most == most_together([distribution(64, 512, fresh=True)] * 5, 5e-4)


def test_bins_of_any_width_stay_below_it():
    """Drawn many times, of more examples than bins too, where unequal bins leave more alone than equal ones."""
    rng, draws = np.random.default_rng(0), 400
    for examples, bins in ((24, 96), (24, 6)):
        most = most_together([distribution(examples, bins, fresh=True)] * 5)
        beyond = 0
        for _ in range(draws):
            widths = rng.dirichlet(np.full(bins, 2.0)) if bins > examples else np.full(bins, 1 / examples)
            thrown = rng.multinomial(examples, np.append(widths, 1 - widths.sum()).clip(0), size=5)[:, :bins]
            beyond += int((thrown == 1).sum() > most)
        assert beyond <= 2
    assert most_singletons(24, 6, 5) < most_together([distribution(24, 6, fresh=True)] * 5)
    assert most_together([distribution(24, 6, fresh=False)] * 5) == 5 * 6
