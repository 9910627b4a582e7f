"""Laws of sharing examples among clients."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fedleak.data.partitioning import partition
from fedleak.errors import ConfigError
from fedleak.settings import FederationSettings

LABELS = torch.arange(400) % 10
KINDS = ["iid", "dirichlet", "by-class"]


def shares(seed: int = 0, **options: Any) -> list[torch.Tensor]:
    return partition(LABELS, FederationSettings(**options), seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@hypothesis_settings(deadline=None, max_examples=15)
@given(clients=st.integers(1, 12), seed=st.integers(0, 2**40))
def test_shares_are_disjoint_and_each_has_a_batch(kind: str, clients: int, seed: int) -> None:
    given_out = shares(seed, partition=kind, clients=clients, batch_size=2)
    together = torch.cat(given_out)
    assert len(given_out) == clients
    assert len(together.unique()) == len(together)
    assert min(len(share) for share in given_out) >= 2
    if kind != "by-class":  # which leaves out the classes that no client was given
        assert len(together) == len(LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_shares_and_another_others(kind: str) -> None:
    once, again, other = (shares(seed, partition=kind) for seed in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(once, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1, 2, 5])
def test_by_class_gives_each_client_so_many_classes(classes: int) -> None:
    for share in shares(partition="by-class", clients=10, classes_per_client=classes):
        assert len(LABELS[share].unique()) == classes


def test_iid_shares_are_equal_to_within_one_and_mixed() -> None:
    given_out = shares(clients=3)
    sizes = {len(share) for share in given_out}
    assert max(sizes) - min(sizes) <= 1
    assert all(len(LABELS[share].unique()) == 10 for share in given_out)


@pytest.mark.parametrize("clients", [1, 3, 7, 400])
def test_iid_is_the_iid_partitioner_of_flwr_datasets(clients: int) -> None:
    from datasets import Dataset
    from flwr_datasets.partitioner import IidPartitioner

    order = torch.cat(shares(clients=clients)).tolist()
    theirs = IidPartitioner(clients)
    theirs.dataset = Dataset.from_dict({"place": order})
    ours = shares(clients=clients)
    assert [share.tolist() for share in ours] == [list(theirs.load_partition(i)["place"]) for i in range(clients)]


def test_a_small_alpha_makes_shares_less_alike() -> None:
    def unevenness(alpha: float) -> float:
        given_out = shares(partition="dirichlet", dirichlet_alpha=alpha)
        counts = torch.stack([LABELS[share].bincount(minlength=10) for share in given_out]).double()
        return float((counts / counts.sum(1, keepdim=True)).std(0).mean())

    assert unevenness(0.1) > 2 * unevenness(100.0)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for kind in KINDS:
        shares(partition=kind)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"clients": 50, "batch_size": 3, "batches": 4},
            "federation: 50 clients need 12 examples each (batch_size x batches), and there are 400 in all; "
            "take fewer clients or smaller batches",
        ),
        (
            {"partition": "by-class", "classes_per_client": 11},
            "federation.classes_per_client: expected at most 10, the classes there are, got 11",
        ),
        (
            {"partition": "by-class", "clients": 11, "classes_per_client": 1, "batch_size": 30},
            "federation: client 0 has 20 examples and needs 30 (batch_size x batches); "
            "take fewer clients or smaller batches, or more classes_per_client",
        ),
        (
            {"partition": "dirichlet", "clients": 20, "batch_size": 15, "dirichlet_alpha": 0.01},
            "federation: cannot share 400 examples among 20 clients by 'dirichlet' with a batch or more for each "
            "(The max number of attempts (10) was reached. Please update the values of alpha and try again); "
            "take fewer clients or smaller batches, or a greater dirichlet_alpha",
        ),
    ],
)
def test_shares_that_are_too_small_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        shares(**options)
    assert str(caught.value) == sentence


def test_all_batches_need_one() -> None:
    assert len(shares(clients=40, batch_size=10, batches="all")) == 40
