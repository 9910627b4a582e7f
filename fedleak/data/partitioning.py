"""Partitioners: share the clients' examples out among them, by any of flwr-datasets that shares out rows."""

import os
import warnings
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.contracts.foreign import arguments_for, built, read_option
from fedleak.data.skew import skewed
from fedleak.errors import ConfigError, echo
from fedleak.learning.batch import Batch, label_keys
from fedleak.randomness import generator, seed_of
from fedleak.settings.federation import FederationSettings

IID = "IidPartitioner"
COLUMNS = ("label", "brightness")
"""What `partition_by` may name: the class of an example, or the mean of its intensities."""
REFUSALS = (ValueError, IndexError, KeyError, TypeError, AssertionError)
"""What partitioners raise where they cannot share these examples out in the way that was asked for."""
PLACE = "federation.partitioner_options"


def partition(examples: Batch, settings: FederationSettings, seed: int) -> list[Int[Tensor, " _"]]:
    """Which examples each client holds: disjoint indices into `examples`, one tensor a client.

    The same seed gives the same shares. Raises `ConfigError` where a client would have less than one batch (times
    `settings.batches`), or fewer examples than `settings.examples`.
    """
    order = _order(examples, seed)
    if settings.skew.property:
        order = order[torch.isin(order, skewed(examples, settings.skew, seed))]
    needed = settings.batch_size * (1 if settings.batches == "all" else settings.batches)
    if settings.clients * needed > len(order):
        raise ConfigError(
            f"federation: {settings.clients} clients need {needed} examples each (batch_size x batches), and there are "
            f"{len(order)} in all; take fewer clients or smaller batches"
        )
    shares = [order[places] for places in _places(examples[order], settings, seed, needed)]
    consecutive = examples.space.consecutive
    shares = [_capped(share, client, settings, seed, consecutive=consecutive) for client, share in enumerate(shares)]
    more = "fewer clients" if settings.examples is None else "more examples"
    for client, share in enumerate(shares):
        if len(share) < examples.space.fewest:
            raise ConfigError(
                f"federation: client {client} has {len(share)} characters, and a window is of {examples.space.fewest}; "
                f"take {more} or a shorter task.data_options.length"
            )
        if len(share) < needed:
            raise ConfigError(
                f"federation: client {client} has {len(share)} examples and needs {needed} (batch_size x batches); "
                f"take {more}, smaller batches or other options of {settings.partitioner}"
            )
    return shares


def _order(examples: Batch, seed: int) -> Int[Tensor, " examples"]:
    """By chance; where examples follow one another, as they do, from a beginning by chance on."""
    rng = generator(seed, "partition")
    if not examples.space.consecutive:
        return torch.randperm(len(examples), generator=rng)
    return torch.arange(len(examples)).roll(int(torch.randint(len(examples), (), generator=rng)))


def _capped(share: Tensor, client: int, settings: FederationSettings, seed: int, *, consecutive: bool) -> Tensor:
    """As many of a share as a client keeps, by chance; or from a place by chance on."""
    kept = settings.examples
    if kept is None:
        return share
    if kept > len(share):
        raise ConfigError(
            f"federation.examples: expected at most the {len(share)} examples of client {client}'s share, got {kept}; "
            "take fewer clients or fewer examples"
        )
    rng = generator(seed, "examples kept", client)
    if consecutive:
        first = int(torch.randint(len(share) - kept + 1, (), generator=rng))
        return share[first : first + kept]
    return share[torch.randperm(len(share), generator=rng)[:kept]]


def _places(examples: Batch, settings: FederationSettings, seed: int, needed: int) -> list[Tensor]:
    if settings.partitioner == IID and not settings.partitioner_options:
        # What it does (a test compares them), without the seconds that importing flwr-datasets takes.
        return list(torch.tensor_split(torch.arange(len(examples)), settings.clients))
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        # It warns of Dirichlet draws that it repeats and of classes that no client gets, which are to be expected, and
        # draws bars.
        warnings.simplefilter("ignore")
        partitioner = _built(settings, seed, needed)
        partitioner.dataset = _dataset(examples)
        try:
            _require_as_many(partitioner.num_partitions, settings)
            shares = [partitioner.load_partition(client)["place"] for client in range(settings.clients)]
        except REFUSALS as error:
            raise ConfigError(
                f"federation: cannot share {len(examples)} examples among {settings.clients} clients by "
                f"{settings.partitioner} ({str(error).rstrip('.') or type(error).__name__}); "
                "take other options, fewer clients or smaller batches"
            ) from error
    return [torch.tensor(list(places), dtype=torch.int64) for places in shares]


def _require_as_many(shares: int, settings: FederationSettings) -> None:
    if shares != settings.clients:
        raise ConfigError(
            f"federation.partitioner: {settings.partitioner} makes {shares} shares of these examples, and there are "
            f"{settings.clients} clients; set federation.clients to that"
        )


def _built(settings: FederationSettings, seed: int, needed: int) -> Any:
    """The partitioner, with what an experiment says anyway: how many clients, the seed, a batch for each at least."""
    cls = _class_of(settings.partitioner)
    ours = {
        "num_partitions": settings.clients,
        "partition_by": "label",
        "min_partition_size": needed,
        "seed": seed_of(seed, "partitioner") % 2**32,
    }
    values = arguments_for(cls, settings.partitioner_options, ours, PLACE, _read)
    if values.get("num_partitions", settings.clients) != settings.clients:
        raise ConfigError(
            f"{PLACE}.num_partitions: expected federation.clients = {settings.clients}, "
            f"got {echo(values['num_partitions'])}; leave it out"
        )
    if values.get("partition_by", "label") not in COLUMNS:
        raise ConfigError(
            f"{PLACE}.partition_by: expected {' or '.join(map(repr, COLUMNS))}, got {echo(values['partition_by'])}"
        )
    return built(cls, values, PLACE)


def _class_of(name: str) -> type:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    from flwr_datasets import partitioner as flower  # takes seconds

    found: type = getattr(flower, name)
    return found


def _read(value: Any, annotation: Any, place: str) -> Any:
    """An option; a list or a list of lists where an array of numbers is wanted."""
    arrays = [one for one in get_args(annotation) or (annotation,) if "ndarray" in str(one)]
    if not arrays or not isinstance(value, list):
        return read_option(value, annotation, place)
    try:
        return np.asarray(value, dtype=np.float64 if "float" in str(arrays) else np.int64)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{place}: expected numbers, as many in each row, got {echo(value)}") from error


def _dataset(examples: Batch) -> Any:
    from datasets import Dataset

    # Of examples with several labels each set is a class; a column has one type.
    labels = [key if isinstance(key, int) else str(key) for key in label_keys(examples.labels)]
    columns = {"place": range(len(examples)), "label": labels}
    return Dataset.from_dict({**columns, "brightness": examples.inputs.flatten(1).mean(1).tolist()})
