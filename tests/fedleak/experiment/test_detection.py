"""A trial of detection is an experiment whose checks refuse nothing, with something to tell apart."""

from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.detection import reporting, require_enough
from fedleak.experiment.grid import parse_campaign

WATCHED = {"name": "watched", "chain": [{"use": "weight-watch", "on_alarm": "refuse"}, {"use": "top-k"}]}
SERVERS = [{"name": "honest"}, {"name": "imprint", "chain": [{"use": "imprint"}]}]


def tree(**changes: Any) -> dict[str, Any]:
    return {"defenses": [{"name": "none"}, WATCHED], "servers": SERVERS, **changes}


def test_every_check_reports_and_the_file_that_was_given_stays() -> None:
    given = tree(vary=[{"name": "small", "defenses": [{"name": "w", "chain": [{"use": "weight-watch"}]}]}])
    found = reporting(given)
    assert found["defenses"][1]["chain"] == [{"use": "weight-watch", "on_alarm": "report"}, {"use": "top-k"}]
    assert found["vary"][0]["defenses"][0]["chain"][0]["on_alarm"] == "report"
    assert WATCHED["chain"][0]["on_alarm"] == "refuse"  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"defenses": [{"name": "none"}]}, "expected a check"),
        ({"servers": []}, "got none"),
        ({"servers": [{"name": "honest"}]}, "got honest"),
        ({"servers": SERVERS[1:]}, "got imprint"),
    ],
)
def test_nothing_to_try_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        reporting(tree(**changes))


def test_fewer_honest_models_than_the_rate_needs_are_refused_before_anything_runs() -> None:
    servers = [
        {"name": "honest"},
        {"name": "liar", "chain": [{"use": "imprint", "form": "weights", "bins": 64}], "begins": 2},
    ]
    base = {"name": "n", "task": "digits-mlp", "seed": [0, 1], "servers": servers}
    campaign = parse_campaign({**base, "federation": {"clients": 5, "rounds": 3}})
    require_enough(campaign, 0.1)
    with pytest.raises(ConfigError, match=r"takes 20 honest models .* in the later rounds there are 10"):
        require_enough(campaign, 0.05)
