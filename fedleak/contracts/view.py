"""View: what an adversary holds. An update, a released model, or a service that answers; nothing private in any."""

from dataclasses import dataclass, field
from typing import ClassVar

from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Manipulation
from fedleak.contracts.tampering import Tampering
from fedleak.learning.batch import Batch
from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.task import Task


@dataclass(frozen=True, kw_only=True)
class View:
    """What every adversary knows, whatever it looks at: the public problem, the defenses, what it is asked."""

    reader: ClassVar[str]
    """Who holds such a thing, for the threat model: words that a full stop ends."""
    task: Task
    cohort: tuple[int, ...] = (0,)
    """The clients whose examples are in what is seen."""
    round: int = 1
    defense: Chain = field(default_factory=Chain)
    """The defenses in the order they are applied: algorithm and parameters are public (Kerckhoffs), draws are not."""
    auxiliary: Batch | None = None
    """Public data of the same kind as the clients' (disjoint from it), where the adversary has some."""
    candidates: Batch | None = None
    """Records that the adversary is asked about: which of them are behind what is seen? Mixed up are examples behind
    it, others that clients hold, and such as nobody trained on. Only for attacks that say so in `Attack.requires`."""
    classes: tuple[int, ...] = ()
    """The classes that the adversary is asked to give a representative of."""
    rows: Batch | None = None
    """Rows of a table that the adversary knows but for the `hidden` columns, whose values are NaN: what are these?
    Mixed up are rows that were trained on and others. Only for attacks that target `columns`; they get no candidates.
    """
    hidden: tuple[str, ...] = ()
    """The columns that are hidden of `rows`."""
    property: str = ""
    """What a share of all that is behind a model has, `COLUMN=CATEGORY` or `label=CLASS`: which of `shares` is it? Only
    for attacks on models that target `properties`; empty: that is not asked."""
    shares: tuple[float, ...] = ()
    """The shares that the adversary tells apart, the nearest of which to the true one is right."""
    secret: SecretFormat | None = None
    """What is known of a secret that a client typed into its text: which is it? Only for attacks that target `secrets`.
    """

    tampering: tuple[Tampering, ...] = ()
    """What the clients' training code did beside training, with all options: the adversary wrote it. Of the code alone;
    what it met at a client is no part of it."""
    manipulations: tuple[Manipulation, ...] = ()
    """What the server did beside averaging, with all options: the adversary is the server."""

    def __post_init__(self) -> None:
        if not isinstance(self.defense, Chain):  # any defenses in order will do, as `observe` takes them
            object.__setattr__(self, "defense", Chain(tuple(self.defense)))
