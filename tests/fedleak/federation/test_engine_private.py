"""What a federation records, and what its clients put away, is for its owner alone, in folders for its owner alone."""

from pathlib import Path
from typing import Any

import pytest

from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import parse_settings

IMPRINT = {"server": {"name": "imprint", "chain": [{"use": "imprint"}]}}
PLANS: dict[str, dict[str, Any]] = {
    "released": {"federation": {"rounds": 2, "release": "last"}},
    "columns": {"federation": {"partition": "columns", "batch_size": 16, "cut": 3}},
    "masked": {"chain": [{"use": "secure-aggregation"}], **IMPRINT},
    "watched": {"chain": [{"use": "weight-watch", "on_alarm": "report"}], **IMPRINT},
    "tampered": {"federation": {"release": "last", "examples": 20}, "adversary": {"does": [{"use": "lsb-encoding"}]}},
    "secret": {"task": "pydoc-gru", "federation": {"canary": {"format": "my pin is {digits}"}}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_others_on_the_machine_read_neither_recordings_nor_truth(tmp_path: Path, name: str) -> None:
    places = {part: tmp_path / "run" / part / "d" for part in ("recordings", "vault")}
    tree = {"task": "digits-mlp", **{part: str(place) for part, place in places.items()}, **PLANS[name]}
    run_federation(parse_settings(FederationPlan, tree))
    for place in places.values():
        found = [place, *place.rglob("*")]
        assert len(found) > 3
        wanted = {path: 0o700 if path.is_dir() else 0o600 for path in found}
        assert {path: path.stat().st_mode & 0o777 for path in found} == wanted
