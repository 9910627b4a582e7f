"""A client's share: what defenses make of it once, what is kept of it, and that it is replayed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.clients.share import examples_of, held_by, prepared_of, share_of
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.space import require_table
from fedleak.settings.base import parse_settings
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import verify

RAPPOR = {"use": "rappor", "columns": ["sex"], "epsilon": 1.0}
FEDERATION = {"clients": 2, "rounds": 2, "batch_size": 8, "batches": "all", "examples": 24}


def plan_in(folder: Path, *chain: dict[str, Any], **changes: Any) -> FederationPlan:
    places = {"recordings": str(folder / "recordings" / "none"), "vault": str(folder / "vault" / "none")}
    tree = {"task": "diabetes-mlp", "federation": FEDERATION, "chain": list(chain), **places, **changes}
    return parse_settings(FederationPlan, tree)


def by_row(plan: FederationPlan, round: int) -> dict[tuple[float, ...], tuple[float, ...]]:
    (raw, _), prepared = examples_of(plan, 0, round), prepared_of(plan, 0, round)
    assert prepared is not None
    return dict(zip(map(tuple, raw.inputs.tolist()), map(tuple, prepared.inputs.tolist()), strict=True))


def test_an_example_says_the_same_in_every_round_though_others_are_with_it(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, RAPPOR, federation={**FEDERATION, "batches": 2})
    one, two = by_row(plan, 1), by_row(plan, 2)
    assert one.keys() != two.keys()
    assert len(one.keys() & two.keys()) > 4
    assert all(one[row] == two[row] for row in one.keys() & two.keys())
    assert any(raw != prepared for raw, prepared in one.items())


def test_other_clients_and_seeds_cast_their_own_dice(tmp_path: Path) -> None:
    turned = []
    for client, seed in ((0, 0), (1, 0), (0, 1)):
        plan = plan_in(tmp_path, RAPPOR, seed=seed)
        place = require_table(plan.public_task().space, "a test").places("sex")
        prepared = prepared_of(plan, client, 1)
        assert prepared is not None
        order = examples_of(plan, client, 1)[0]
        turned.append((order.inputs != prepared.inputs)[:, place].flatten().tolist())
    assert turned[0] != turned[1]
    assert turned[0] != turned[2]


def test_nothing_is_made_of_it_where_no_defense_does(tmp_path: Path) -> None:
    assert prepared_of(plan_in(tmp_path), 0, 1) is None


def test_the_vault_has_the_raw_rows_and_the_round_is_replayed_from_what_was_made_of_them(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, RAPPOR, {"use": "sanitisation", "coarse": ["age"], "among": ["age"], "k": 3})
    report = run_federation(plan)
    assert not report.failures
    truth = withdraw(Path(plan.vault), 2, 1)
    raw, _ = examples_of(plan, 1, 2)
    assert torch.equal(truth.examples.inputs, raw.inputs)
    assert truth.prepared is not None
    assert not torch.equal(truth.prepared.inputs, raw.inputs)
    assert {check.verdict for check in verify(tmp_path)} == {"agrees"}


def test_k_beyond_a_share_is_one_sentence(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, {"use": "sanitisation", "among": ["age"], "k": 25})
    with pytest.raises(ConfigError, match="wants k = 25 rows of each kind at each client, and one has 24 in all"):
        run_federation(plan)


def test_what_coins_gave_a_client_is_behind_its_examples_and_counts_among_them(tmp_path: Path) -> None:
    plain = plan_in(tmp_path)
    planted = plan_in(tmp_path, federation={**FEDERATION, "planted": 20})
    public, given = load(plain.source).auxiliary.inputs[:20], []
    for client in range(2):
        own, share = share_of(plain, client), share_of(planted, client)
        assert torch.equal(share.inputs[: len(own)], own.inputs)
        given += share.inputs[len(own) :].tolist()
        assert sum(held_by(planted, client)) == len(share) == len(examples_of(planted, client, 1)[0])
    assert 4 < len(given) < 16
    assert all(example in public.tolist() for example in given)
    assert len({str(example) for example in given}) == len(given)
    with pytest.raises(ConfigError, match=r"federation.planted: expected at most the \d+ public examples"):
        share_of(plan_in(tmp_path, federation={**FEDERATION, "planted": 5000}), 0)
