"""Laws of sharing examples among clients: by each partitioner of flwr-datasets, as it does itself."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fedleak.data.partitioning import partition
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.settings.federation import FederationSettings
from fedleak.settings.partitioners import PARTITIONERS, UNSUITED

EXAMPLES = Batch(torch.linspace(0, 1, 400).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2), torch.arange(400) % 10)
LABELS = EXAMPLES.labels
OPTIONS: dict[str, dict[str, Any]] = {
    "IidPartitioner": {},
    "LinearPartitioner": {},
    "SquarePartitioner": {},
    "ExponentialPartitioner": {},
    "SizePartitioner": {"partition_sizes": [10, 20, 30, 340]},
    "DirichletPartitioner": {"alpha": 0.5},
    "InnerDirichletPartitioner": {"partition_sizes": [10, 90, 100, 200], "alpha": 0.5},
    "PathologicalPartitioner": {"num_classes_per_partition": 5},
    "ShardPartitioner": {"num_shards_per_partition": 2, "shard_size": 20},
    "DistributionPartitioner": {
        "distribution_array": [[1.0, 2.0]] * 10,
        "num_unique_labels_per_partition": 2,
        "preassigned_num_samples_per_label": 1,
    },
    "ContinuousPartitioner": {"partition_by": "brightness", "strictness": 0.9},
    "NaturalIdPartitioner": {},
    "GroupedNaturalIdPartitioner": {"group_size": 3},
}
"""With what each needs for four clients; those that go by the labels need as many clients as there are."""
CLIENTS = {"NaturalIdPartitioner": 10, "DistributionPartitioner": 10}
UNEQUAL = ("LinearPartitioner", "SquarePartitioner", "ExponentialPartitioner", "SizePartitioner")
KINDS = ["IidPartitioner", "DirichletPartitioner", "PathologicalPartitioner"]


def shares(seed: int = 0, kind: str = "IidPartitioner", **settings: Any) -> list[torch.Tensor]:
    table = {"partitioner": kind, "partitioner_options": OPTIONS.get(kind, {}), "clients": CLIENTS.get(kind, 4)}
    return partition(EXAMPLES, FederationSettings(**{**table, **settings}), seed)


def test_every_partitioner_of_flwr_datasets_is_tried_or_refused_with_a_reason() -> None:
    from flwr_datasets import partitioner

    assert set(PARTITIONERS) == OPTIONS.keys()
    assert OPTIONS.keys() | UNSUITED.keys() == set(partitioner.__all__) - {"Partitioner"}
    for name in UNSUITED:
        with pytest.raises(ConfigError, match=f"federation.partitioner: {name} (needs a function|shares out columns)"):
            shares(kind=name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIONS)
def test_shares_are_disjoint_and_each_has_a_batch(kind: str) -> None:
    given_out = shares(kind=kind)
    together = torch.cat(given_out)
    assert len(given_out) == CLIENTS.get(kind, 4)
    assert len(together.unique()) == len(together)
    assert min(len(share) for share in given_out) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@hypothesis_settings(deadline=None, max_examples=15)
@given(clients=st.integers(1, 12), seed=st.integers(0, 2**40))
def test_so_it_is_whatever_the_clients_and_the_seed(kind: str, clients: int, seed: int) -> None:
    options = {"num_classes_per_partition": 1} if kind == "PathologicalPartitioner" else OPTIONS[kind]
    given_out = shares(seed, kind, clients=clients, batch_size=2, partitioner_options=options)
    together = torch.cat(given_out)
    assert len(given_out) == clients
    assert len(together.unique()) == len(together)
    assert min(len(share) for share in given_out) >= 2
    if kind != "PathologicalPartitioner":  # which leaves out the classes that no client was given
        assert len(together) == len(LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIONS)
def test_the_same_seed_gives_the_same_shares_and_another_others(kind: str) -> None:
    once, again, other = (shares(seed, kind) for seed in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(once, other, strict=True))


@pytest.mark.parametrize("kind", UNEQUAL)
def test_some_give_each_client_more_than_the_one_before(kind: str) -> None:
    sizes = [len(share) for share in shares(kind=kind)]
    assert sizes == sorted(set(sizes))
    assert kind != "SizePartitioner" or sizes == [10, 20, 30, 340]


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_the_pathological_one_gives_each_client_so_many_classes(classes: int) -> None:
    options = {"num_classes_per_partition": classes, "class_assignment_mode": "first-deterministic"}
    for share in shares(kind="PathologicalPartitioner", clients=10, partitioner_options=options):
        assert len(LABELS[share].unique()) == classes


def test_a_strict_continuous_one_sorts_by_brightness() -> None:
    options = {"partition_by": "brightness", "strictness": 1.0}
    given_out = shares(kind="ContinuousPartitioner", partitioner_options=options)
    means = [float(EXAMPLES.inputs[share].mean()) for share in given_out]
    assert max(means) - min(means) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_capped_share_is_so_many_of_the_whole_one_by_chance(kind: str) -> None:
    whole, capped = shares(kind=kind), shares(kind=kind, examples=20)
    assert [len(share) for share in capped] == [20] * 4
    for all_of_it, kept in zip(whole, capped, strict=True):
        assert set(kept.tolist()) < set(all_of_it.tolist())
        assert kept.tolist() != all_of_it[:20].tolist()
    assert [share.tolist() for share in capped] == [share.tolist() for share in shares(kind=kind, examples=20)]


def test_a_cap_beyond_the_share_or_below_a_batch_is_refused() -> None:
    least = min(len(share) for share in shares())
    shares(examples=least)
    with pytest.raises(ConfigError, match=f"federation.examples: expected at most the {least} examples of client"):
        shares(examples=least + 1)
    with pytest.raises(ConfigError, match=r"client 0 has 3 examples and needs 4 .* more examples"):
        shares(examples=3, batch_size=4)


def test_iid_shares_are_equal_to_within_one_and_mixed() -> None:
    given_out = shares(clients=3)
    sizes = {len(share) for share in given_out}
    assert max(sizes) - min(sizes) <= 1
    assert all(len(LABELS[share].unique()) == 10 for share in given_out)


@pytest.mark.slow
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
        given_out = shares(kind="DirichletPartitioner", partitioner_options={"alpha": alpha})
        counts = torch.stack([LABELS[share].bincount(minlength=10) for share in given_out]).double()
        return float((counts / counts.sum(1, keepdim=True)).std(0).mean())

    assert unevenness(0.1) > 2 * unevenness(100.0)


@pytest.mark.slow
def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for kind in OPTIONS:
        shares(kind=kind)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize(
    ("kind", "settings", "sentence"),
    [
        (
            "IidPartitioner",
            {"clients": 50, "batch_size": 3, "batches": 4},
            "federation: 50 clients need 12 examples each (batch_size x batches), and there are 400 in all; "
            "take fewer clients or smaller batches",
        ),
        (
            "SizePartitioner",
            {"batch_size": 30},
            "federation: client 0 has 10 examples and needs 30 (batch_size x batches); take fewer clients, smaller "
            "batches or other options of SizePartitioner",
        ),
        (
            "NaturalIdPartitioner",
            {"clients": 4},
            "federation.partitioner: NaturalIdPartitioner makes 10 shares of these examples, and there are 4 clients; "
            "set federation.clients to that",
        ),
        (
            "PathologicalPartitioner",
            {"partitioner_options": {"num_classes_per_partition": 11}},
            "federation: cannot share 400 examples among 4 clients by PathologicalPartitioner (",
        ),
        (
            "DirichletPartitioner",
            {"clients": 20, "batch_size": 15, "partitioner_options": {"alpha": 0.01}},
            "federation: cannot share 400 examples among 20 clients by DirichletPartitioner (The max number of "
            "attempts (10) was reached. Please update the values of alpha and try again); take other options",
        ),
        (
            "DirichletPartitioner",
            {"partitioner_options": {}},
            "federation.partitioner_options: DirichletPartitioner needs alpha",
        ),
        (
            "DirichletPartitioner",
            {"partitioner_options": {"alfa": 1.0}},
            "federation.partitioner_options.alfa: unknown option of DirichletPartitioner; did you mean 'alpha'?",
        ),
        (
            "DirichletPartitioner",
            {"partitioner_options": {"alpha": "much"}},
            "federation.partitioner_options.alpha: expected a valid ",
        ),
        (
            "DirichletPartitioner",
            {"partitioner_options": {"alpha": 1.0, "num_partitions": 5}},
            "federation.partitioner_options.num_partitions: expected federation.clients = 4, got 5; leave it out",
        ),
        (
            "ContinuousPartitioner",
            {"partitioner_options": {"strictness": 0.5, "partition_by": "age"}},
            "federation.partitioner_options.partition_by: expected 'label' or 'brightness', got 'age'",
        ),
        (
            "DistributionPartitioner",
            {"partitioner_options": {**OPTIONS["DistributionPartitioner"], "distribution_array": [[1.0], [1.0, 2.0]]}},
            "federation.partitioner_options.distribution_array: expected numbers, as many in each row, got ",
        ),
        ("DirichletPartitoner", {}, "federation.partitioner: flwr-datasets has no 'DirichletPartitoner'; did you mean"),
        ("iid", {}, "federation.partitioner: flwr-datasets has no 'iid'"),
    ],
)
def test_what_cannot_be_shared_out_is_said_in_one_sentence(kind: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        shares(kind=kind, **settings)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_all_batches_need_one() -> None:
    assert len(shares(clients=40, batch_size=10, batches="all")) == 40


def test_of_examples_with_several_labels_each_set_is_a_class() -> None:
    sets = torch.stack([LABELS % 2, LABELS % 3 == 0], dim=1).long()
    several = Batch(EXAMPLES.inputs, sets)
    options = {"num_classes_per_partition": 1, "class_assignment_mode": "deterministic"}
    table = {"partitioner": "PathologicalPartitioner", "partitioner_options": options, "clients": 4}
    for share in partition(several, FederationSettings(**table), 0):
        assert len({tuple(row) for row in sets[share].tolist()}) == 1
