"""A message under Flower's own secure aggregation is opened by its masks, from a recording of a federation."""

import base64
import hashlib
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
from flwr.supercore.primitives.asymmetric import generate_key_pairs

from fedleak.attacks.gradient_matching.inverting_gradients import InvertingGradients
from fedleak.attacks.wrappers.mask_search import MaskSearch
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.federation.secagg_plus import folded
from fedleak.randomness import generator
from fedleak.recording.files import read_recording
from fedleak.recording.recording import Recording
from fedleak.settings.base import parse_settings

SEEDS = 2**16
SHORT = InvertingGradients(steps=3, restarts=1)
CHAIN = {"use": "secure-aggregation-flower"}


@lru_cache
def easy(key: bytes) -> bytes:
    """A key of Flower's kind, made of another, whose seed is among the first that are tried."""
    for count in range(2**28):
        other = base64.urlsafe_b64encode(hashlib.sha256(key + count.to_bytes(4)).digest())
        seed = folded(other)
        if seed >> 16 < SEEDS >> 14:
            return other
    raise AssertionError


def recordings(folder: Path, chain: list[dict[str, Any]], **federation: Any) -> list[Recording]:
    tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "v"), "chain": chain}
    report = run_federation(parse_settings(FederationPlan, {**tree, "federation": {"batch_size": 8, **federation}}))
    return [read_recording(path) for path in report.recordings]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clients", "options"), [(2, {}), (3, {}), (5, {"num_shares": 3, "reconstruction_threshold": 2})]
)
def test_it_hands_the_update_in_the_clear_to_the_attack_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clients: int, options: dict[str, Any]
) -> None:
    mod = import_module("flwr.client.mod.secure_aggregation.secaggplus_mod")  # its package has a function of that name
    monkeypatch.setattr(mod, "generate_shared_key", lambda *keys: easy(generate_shared_key(*keys)))
    seen: list[Observation] = []
    original = InvertingGradients.reconstruct

    def watched(self: InvertingGradients, observation: Observation, rng: torch.Generator) -> Any:
        seen.append(observation)
        return original(self, observation, rng)

    monkeypatch.setattr(InvertingGradients, "reconstruct", watched)
    clear = recordings(tmp_path / "clear", [], clients=clients)
    masked = recordings(tmp_path / "masked", [{**CHAIN, **options}], clients=clients)
    guess = MaskSearch(attack=SHORT, seeds=SEEDS).run(masked[1].observation(), generator("test"))
    assert guess.failure is None
    assert guess.inputs is not None
    assert (guess.note or "").startswith("opened by mask seed")
    truth, (opened,) = clear[1].observation(), seen
    assert not opened.masked
    assert len(opened.defense) == 0
    assert opened.num_examples == truth.num_examples == 8
    step = 16 / 2**22 / 0.008
    assert (opened.update.vector() - truth.update.vector()).abs().max() < 1.01 * step
    assert truth.update.vector().abs().max() > 10 * step


@pytest.fixture(scope="module")
def message(tmp_path_factory: pytest.TempPathFactory) -> Observation:
    """A message under masks whose seeds may be anywhere."""
    return recordings(tmp_path_factory.mktemp("masked"), [CHAIN], clients=2)[0].observation()


def refusal(observation: Observation) -> str:
    return MaskSearch(attack=SHORT, seeds=SEEDS).run(observation, generator("test")).failure or ""


def test_seeds_that_were_not_tried_are_left(message: Observation) -> None:
    assert "none of 65,536 seeds" in refusal(message)


@pytest.mark.parametrize("peers", [None, 0, 3])
def test_more_masks_than_two_are_refused(message: Observation, peers: int | None) -> None:
    assert message.masked_vector is not None
    assert "2 at most" in refusal(replace(message, masked_vector=replace(message.masked_vector, peers=peers)))


def test_a_lost_round_and_an_unknown_count_are_refused(message: Observation) -> None:
    assert message.masked_vector is not None
    lost = replace(message, masked_vector=replace(message.masked_vector, own_seed=None))
    for observation in (lost, replace(message, num_examples=None)):
        assert "too many seeds" in refusal(observation)


def test_other_protocols_and_sums_are_refused(message: Observation) -> None:
    other = Chain.build(({"use": "secure-aggregation"},))
    for observation in (replace(message, defense=other), replace(message, masked=False, masked_vector=None)):
        assert "there is no mask to search for" in refusal(observation)


def test_it_adapts_to_the_protocol_and_asks_for_what_the_attack_within_does() -> None:
    attack = attacks.build("mask-search", {"attack": {"use": "source-inference"}})
    assert attack.adapts_to(Chain.build((CHAIN,)))
    assert not attack.adapts_to(Chain())
    assert attack.requires == {"others", "candidates"}
    assert attack.targets == {"membership"}


def test_any_key_that_two_of_flower_s_clients_agree_on_has_a_seed_that_is_tried() -> None:
    """As its bytes are below 128: all 2^28 such seeds are tried by default."""
    private = generate_key_pairs()[0]
    seeds = np.array([folded(generate_shared_key(private, generate_key_pairs()[1])) for _ in range(300)], np.uint32)
    assert not (seeds & np.uint32(0x80808080)).any()
    assert np.bitwise_or.reduce(seeds) == 0x7F7F7F7F
    assert MaskSearch(attack=SHORT).seeds == 2**28
