"""Laws of the claims of an experiment: they are what its chains prove."""

import pytest

from fedleak.accounting.composition import Releases, composed_epsilon
from fedleak.accounting.gaussian import epsilon_of, noise_multiplier_for
from fedleak.accounting.sampling import Poisson
from fedleak.claims.claimed import Claimed
from fedleak.claims.file import claims_of

EXPERIMENT = """
name = "claims"
task = "digits-mlp"
[federation]
rounds = 4
[[attacks]]
use = "dlg"
[[defenses]]
name = "local"
chain = [{ use = "local-dp", epsilon = 2.0, delta = 1e-5, max_norm = 0.5 }]
[[defenses]]
name = "sgd"
chain = [{ use = "dp-sgd", epsilon = 5.0, delta = 1e-6 }]
[[defenses]]
name = "drawn"
chain = [{ use = "dp-sgd", noise_multiplier = 2.0, sampling = "poisson", share = 20 }]
[[defenses]]
name = "noise alone"
chain = [{ use = "gaussian-noise", std = 0.1 }]
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Claimed]:
    path = tmp_path_factory.mktemp("claims") / "experiment.toml"
    path.write_text(EXPERIMENT)
    return {one.use: one for one in claims_of(path, {})}


def test_an_epsilon_of_a_round_is_held_to_a_round(found: dict[str, Claimed]) -> None:
    local = found["local"]
    assert local.kept == ("add-or-remove", "zero-out", "replace-one")
    assert local.figures[2].round.epsilon == pytest.approx(2.0, rel=1e-3)
    mu = 1 / noise_multiplier_for(2.0, 1e-5)
    assert local.figures[2].run.epsilon == pytest.approx(epsilon_of(1e-5, 2 * mu), rel=1e-6)


def test_an_epsilon_of_the_run_is_held_to_the_run(found: dict[str, Claimed]) -> None:
    sgd = found["sgd"]
    assert (sgd.protects, sgd.verdict) == ("example", "holds")
    assert sgd.figures[2].run.epsilon == pytest.approx(5.0, rel=1e-3)
    # A batch of one has another example in its place, where one is removed.
    assert sgd.figures[0].run.epsilon == pytest.approx(sgd.figures[2].run.epsilon, rel=1e-6)


def test_noise_without_a_bound_claims_nothing_and_proves_nothing(found: dict[str, Claimed]) -> None:
    alone = found["noise alone"]
    assert (alone.verdict, alone.figures) == ("nothing claimed", ())
    assert "for what it bounds" in alone.wrong[0]


def test_poisson_samples_earn_credit_under_every_relation_and_least_is_that_of_their_own(
    found: dict[str, Claimed],
) -> None:
    figures = {one.relation: one.run for one in found["drawn"].figures}
    part = Releases(noise_multiplier=2.0, sample=Poisson(rate=0.05), count=4)
    assert figures["add-or-remove"].epsilon == composed_epsilon((part,), 1e-5)
    assert figures["add-or-remove"].credit == figures["zero-out"].credit == "Poisson samples"
    assert figures["add-or-remove"].epsilon < figures["replace-one"].epsilon
