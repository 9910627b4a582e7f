from dataclasses import replace

import pytest

from fedleak.accounting.mechanism import Mechanism
from fedleak.dp_audit.causes import Evidence, named

CLAIMED = Mechanism(noise=2.0, contribution=1.0, protects="client")
SOUND = Evidence(given=1e6, whole=1.0, longer=1.0, layers=1.0, layer=1.0, quiet=2.0, loud=2.0, later=9.0)


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("noise after aggregation", {"quiet": 0.0, "loud": 0.0}),
        ("no noise", {"quiet": 0.0, "loud": 0.0, "later": 0.0}),
        ("noise before the clip", {"loud": 0.01}),
        ("clipped layer by layer", {"layers": 2.0, "whole": 1.4, "longer": 1.4}),
        ("nothing bounds the update", {"whole": 16.0, "longer": 1e6, "layers": 1e6, "layer": 1e6}),
        ("sensitivity apart from the clip", {"whole": 16.0, "longer": 50.0, "layers": 50.0, "layer": 50.0}),
        ("too little noise", {"quiet": 1.0, "loud": 1.0}),
        ("more than is accounted for", {}),
    ],
)
def test_lengths_and_noise_name_the_cause(cause, changes):
    found, sentence = named(replace(SOUND, **changes), CLAIMED)
    assert found == cause
    assert sentence


def test_a_sensitivity_of_one_contribution_is_replace_one_forgotten():
    assert named(SOUND, replace(CLAIMED, apart=1.0))[0] == "replace-one forgotten"
