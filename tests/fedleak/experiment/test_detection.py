"""A trial of detection is an experiment whose checks refuse nothing, with something to tell apart."""

from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.detection import reporting

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
