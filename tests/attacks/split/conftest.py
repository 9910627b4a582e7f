"""A small federation in which three parties hold strips of digits, cut at any depth, and its diaries as views."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedleak.contracts.cut import Asks, Cut
from fedleak.data.public import public_examples
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.cuts import CutMessage, cut_of
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.recording.diary import Holder, stem_of
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import parse_settings

Table = dict[str, Any]
Looks = Callable[..., tuple[Cut, Challenge]]


def looking(folder: Path, task: str = "digits-mlp", *, model: Table | None = None, **federation: Any) -> Looks:
    """Runs a federation; what is returned gives the view of a holder, and the answer."""
    own = {"partition": "columns", "clients": 2, "rounds": 1, "batch_size": 16, "batches": 3, **federation}
    tree = {"task": task, "federation": own, "model": model or {}}
    places = {"recordings": str(folder / "seen"), "vault": str(folder / "vault")}
    plan = parse_settings(FederationPlan, {**tree, **places})
    run_federation(plan)

    def look(who: Holder, asks: Asks, round: int = 1, **adversary: Any) -> tuple[Cut, Challenge]:
        settings = parse_settings(AdversarySettings, adversary)
        path = Path(plan.recordings) / stem_of(who, round)
        message = CutMessage(path=path, recordings=Path(plan.recordings), vault=Path(plan.vault))
        view, challenge = cut_of(message, asks, settings, public_examples(message.source, settings.auxiliary), None)
        assert challenge is not None
        return view, challenge

    return look


@pytest.fixture(scope="session")
def summed(tmp_path_factory: pytest.TempPathFactory) -> Looks:
    """Whole networks below the cut, of three parties."""
    return looking(tmp_path_factory.mktemp("summed"), clients=3, cut=4)


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Looks:
    """Two parties with a layer each, and another on top, after two rounds of training."""
    return looking(tmp_path_factory.mktemp("halves"), cut=3, model={"trained_rounds": 2})
