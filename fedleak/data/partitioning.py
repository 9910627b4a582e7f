"""Partitioners: share the clients' examples out among them, as those of flwr-datasets do."""

import os
import warnings
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.errors import ConfigError
from fedleak.randomness import generator, seed_of
from fedleak.settings import FederationSettings


def partition(labels: Int[Tensor, " examples"], settings: FederationSettings, seed: int) -> list[Int[Tensor, " _"]]:
    """Which examples each client holds: disjoint indices into `labels`, one tensor a client.

    The same seed gives the same shares. Raises `ConfigError` where a client would have less than one batch (times
    `settings.batches`). Dirichlet follows Yurochkin et al. 2019, https://arxiv.org/abs/1905.12022, by-class Li et al.
    2021, https://arxiv.org/abs/2102.02079.
    """
    needed = settings.batch_size * (1 if settings.batches == "all" else settings.batches)
    _check_feasible(labels, settings, needed)
    order = torch.randperm(len(labels), generator=generator(seed, "partition"))
    shares = [order[places] for places in _PARTITIONS[settings.partition](labels[order], settings, seed, needed)]
    for client, share in enumerate(shares):
        if len(share) < needed:
            raise ConfigError(
                f"federation: client {client} has {len(share)} examples and needs {needed} (batch_size x batches); "
                f"{_advice(settings)}"
            )
    return shares


def _check_feasible(labels: Tensor, settings: FederationSettings, needed: int) -> None:
    if settings.clients * needed > len(labels):
        raise ConfigError(
            f"federation: {settings.clients} clients need {needed} examples each (batch_size x batches), and there are "
            f"{len(labels)} in all; take fewer clients or smaller batches"
        )
    classes = len(torch.unique(labels))
    if settings.partition == "by-class" and settings.classes_per_client > classes:
        raise ConfigError(
            f"federation.classes_per_client: expected at most {classes}, the classes there are, "
            f"got {settings.classes_per_client}"
        )


def _advice(settings: FederationSettings) -> str:
    milder = {"dirichlet": ", or a greater dirichlet_alpha", "by-class": ", or more classes_per_client"}
    return f"take fewer clients or smaller batches{milder.get(settings.partition, '')}"


def _iid(labels: Tensor, settings: FederationSettings, seed: int, needed: int) -> list[Tensor]:  # noqa: ARG001
    # What IidPartitioner does (a test compares them), without the seconds that importing flwr-datasets takes.
    return list(torch.tensor_split(torch.arange(len(labels)), settings.clients))


def _dirichlet(labels: Tensor, settings: FederationSettings, seed: int, needed: int) -> list[Tensor]:
    def partitioner() -> Any:
        from flwr_datasets.partitioner import DirichletPartitioner

        alpha, drawn = settings.dirichlet_alpha, _partitioner_seed(seed)
        return DirichletPartitioner(settings.clients, "label", alpha, min_partition_size=needed, seed=drawn)

    return _places(labels, settings, partitioner)


def _by_class(labels: Tensor, settings: FederationSettings, seed: int, needed: int) -> list[Tensor]:  # noqa: ARG001
    def partitioner() -> Any:
        from flwr_datasets.partitioner import PathologicalPartitioner

        classes, mode = settings.classes_per_client, "first-deterministic"
        return PathologicalPartitioner(
            settings.clients, "label", classes, class_assignment_mode=mode, seed=_partitioner_seed(seed)
        )

    return _places(labels, settings, partitioner)


_PARTITIONS: dict[str, Callable[[Tensor, FederationSettings, int, int], list[Tensor]]] = {
    "iid": _iid,
    "dirichlet": _dirichlet,
    "by-class": _by_class,
}


def _partitioner_seed(seed: int) -> int:
    return seed_of(seed, "partitioner") % 2**32


def _places(labels: Tensor, settings: FederationSettings, build: Callable[[], Any]) -> list[Tensor]:
    """Each client's places in `labels` by a partitioner of flwr-datasets, which is imported only here: it is slow."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    with warnings.catch_warnings():
        # It warns of Dirichlet draws that it repeats and of classes that no client gets: both are to be expected.
        warnings.simplefilter("ignore")
        from datasets import Dataset

        partitioner = build()
        partitioner.dataset = Dataset.from_dict({"place": range(len(labels)), "label": labels.tolist()})
        try:
            shares = [partitioner.load_partition(client)["place"] for client in range(settings.clients)]
        except ValueError as error:
            raise ConfigError(
                f"federation: cannot share {len(labels)} examples among {settings.clients} clients by "
                f"'{settings.partition}' with a batch or more for each ({str(error).rstrip('.')}); {_advice(settings)}"
            ) from error
    return [torch.tensor(list(places), dtype=torch.int64) for places in shares]
