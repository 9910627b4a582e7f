"""Amounts that an experiment asks of its data: examples of each client's share, and public ones that teachers label;
and packages that its defenses ask for."""

from collections.abc import Iterable

from fedleak.data.loader import loaders
from fedleak.data.partitioning import partition
from fedleak.data.splits import load
from fedleak.data.torchvision_sets import TorchvisionLoader
from fedleak.defenses.pate import PATE
from fedleak.experiment.experiment import Experiment
from fedleak.learning.source import Source
from fedleak.tasks import source_of


def require_amounts(experiments: Iterable[Experiment], *, packaged: bool = False) -> None:
    """Raises `ConfigError` where there are fewer examples than are asked for, before anything runs.

    Each seed's shares are looked at, as dice may make them unequal. `packaged`: only of data that come with installed
    packages, so that nothing is downloaded. Raises `DataError` where the data cannot be read.
    """
    different = {repr((one.task, one.federation, one.defenses, one.seed)): one for one in experiments}
    for experiment in different.values():
        source, federation = source_of(experiment.task), experiment.federation
        for chain in experiment.build_chains().values():
            for defense in chain:
                defense.require_installed()
        if packaged and not _comes_packaged(source):
            continue
        if federation.examples is not None:
            partition(load(source).clients, federation, experiment.seed)
        for chain in experiment.build_chains().values():
            if isinstance(chain.protocol, PATE):
                chain.protocol.require_public(len(load(source).auxiliary), source.name)


def _comes_packaged(source: Source) -> bool:
    """Whether no file of the user's and no download is needed."""
    loader = loaders.build(source.loader or source.name, {})
    return source.path is None and not source.reference and not isinstance(loader, TorchvisionLoader)
