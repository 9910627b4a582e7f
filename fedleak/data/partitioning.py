"""Shares the clients' examples out among them, with the partitioners of flwr-datasets."""

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
    `settings.batches`). By class follows Li et al. 2021, https://arxiv.org/abs/2102.02079, Dirichlet Yurochkin et al.
    2019, https://arxiv.org/abs/1905.12022.
    """
    needed = settings.batch_size * (1 if settings.batches == "all" else settings.batches)
    _check_feasible(labels, settings, needed)
    order = torch.randperm(len(labels), generator=generator(seed, "partition"))
    shares = [order[places] for places in _places(labels[order], settings, seed_of(seed, "partition") % 2**32, needed)]
    for client, share in enumerate(shares):
        if len(share) < needed:
            raise ConfigError(
                f"federation: client {client} has {len(share)} examples and needs {needed} (batch_size x batches); "
                f"take fewer clients or smaller batches{_MILDER[settings.partition]}"
            )
    return shares


_MILDER = {"iid": "", "dirichlet": ", or a greater dirichlet_alpha", "by-class": ", or more classes_per_client"}
"""What else makes small shares larger, by partition."""


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


def _places(labels: Tensor, settings: FederationSettings, seed: int, needed: int) -> list[Tensor]:
    """Each client's places in `labels`, by the partitioner that the settings name."""
    # Imported here: flwr-datasets takes seconds to import and nothing else needs it. No hub is ever asked.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    with warnings.catch_warnings():
        # Dirichlet draws that are repeated, classes nobody gets: both are what the user asked for.
        warnings.simplefilter("ignore")
        from datasets import Dataset

        partitioner = _PARTITIONERS[settings.partition](settings, seed, needed)
        partitioner.dataset = Dataset.from_dict({"place": range(len(labels)), "label": labels.tolist()})
        try:
            shares = [partitioner.load_partition(client)["place"] for client in range(settings.clients)]
        except ValueError as error:
            raise ConfigError(
                f"federation: cannot share {len(labels)} examples among {settings.clients} clients with {needed} or "
                f"more each ({str(error).rstrip('.')}); "
                f"take fewer clients or smaller batches{_MILDER[settings.partition]}"
            ) from error
    return [torch.tensor(list(places), dtype=torch.int64) for places in shares]


def _iid(settings: FederationSettings, seed: int, needed: int) -> Any:  # noqa: ARG001
    from flwr_datasets.partitioner import IidPartitioner

    return IidPartitioner(settings.clients)


def _dirichlet(settings: FederationSettings, seed: int, needed: int) -> Any:
    from flwr_datasets.partitioner import DirichletPartitioner

    alpha = settings.dirichlet_alpha
    return DirichletPartitioner(settings.clients, "label", alpha, min_partition_size=needed, seed=seed)


def _by_class(settings: FederationSettings, seed: int, needed: int) -> Any:  # noqa: ARG001
    from flwr_datasets.partitioner import PathologicalPartitioner

    return PathologicalPartitioner(
        settings.clients, "label", settings.classes_per_client, class_assignment_mode="first-deterministic", seed=seed
    )


_PARTITIONERS: dict[str, Callable[[FederationSettings, int, int], Any]] = {
    "iid": _iid,
    "dirichlet": _dirichlet,
    "by-class": _by_class,
}
