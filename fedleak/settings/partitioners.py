"""Partitioners of flwr-datasets: those that can be named in an experiment."""

from fedleak.errors import ConfigError, did_you_mean

_SHARING = (
    "Continuous Dirichlet Distribution Exponential GroupedNaturalId Iid InnerDirichlet Linear NaturalId Pathological "
    "Shard Size Square"
)
PARTITIONERS = tuple(f"{kind}Partitioner" for kind in _SHARING.split())
"""Of flwr-datasets, which takes seconds to import: those that share out rows."""
UNSUITED = {
    "IdToSizeFncPartitioner": "needs a function, which a file cannot hold; SizePartitioner takes the sizes themselves",
    "VerticalEvenPartitioner": "shares out columns, and clients here share out rows",
    "VerticalSizePartitioner": "shares out columns, and clients here share out rows",
}
"""Partitioners that there are, and why they cannot be taken."""


def known_partitioner(name: str) -> str:
    """The name, if it is one; raises `ConfigError`."""
    if name in UNSUITED:
        raise ConfigError(f"federation.partitioner: {name} {UNSUITED[name]}")
    if name not in PARTITIONERS:
        raise ConfigError(f"federation.partitioner: flwr-datasets has no '{name}'{did_you_mean(name, PARTITIONERS)}")
    return name
