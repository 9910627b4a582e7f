"""Tables: scikit-learn's diabetes and breast cancer, Adult from its files, and a user's own."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.data.loader import Loader, loaders
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source
from fedleak.learning.space import require_table, space_of_source
from fedleak.tables.described import described, frame_of
from fedleak.tables.encoding import encoded


@dataclass(frozen=True, kw_only=True)
class TableLoader(Loader):
    """The rows of a table, by the columns that its public rows describe."""

    def read(self, source: Source) -> Batch:
        table = require_table(space_of_source(described(source)), f"'{source.name}'")
        return Batch(*encoded(frame_of(source), table), given=table)

    def parts(self, source: Source) -> Int[Tensor, " rows"]:
        """As the columns were described by: the rows that are public there, and no others, are so here."""
        return torch.from_numpy(frame_of(source).parts())


@loaders.register("diabetes")
@dataclass(frozen=True, kw_only=True)
class Diabetes(TableLoader):
    """442 patients: age, sex, body mass, blood pressure, six of blood serum; whether the disease went far in a year."""

    paper: ClassVar = "https://doi.org/10.1214/009053604000000067"
    cites: ClassVar = "efron2004least"


@loaders.register("breast-cancer")
@dataclass(frozen=True, kw_only=True)
class BreastCancer(TableLoader):
    """569 samples of breast tissue, thirty numbers of the nuclei of its cells; malignant (0) or benign (1)."""

    paper: ClassVar = "https://doi.org/10.24432/C5DW2B"
    cites: ClassVar = "wolberg1993breast"


@loaders.register("adult")
@dataclass(frozen=True, kw_only=True)
class Adult(TableLoader):
    """48,842 people of the census of 1994 with fourteen columns; whether they earn more than 50,000 dollars a year."""

    paper: ClassVar = "https://doi.org/10.24432/C5XW20"
    cites: ClassVar = "becker1996adult"


@loaders.register("csv")
@dataclass(frozen=True, kw_only=True)
class Csv(TableLoader):
    """The rows of a file of comma-separated values, whose columns are numbers and categories as they show."""

    paper: ClassVar = "https://www.rfc-editor.org/rfc/rfc4180"
    cites: ClassVar = "shafranovich2005csv"
