"""Adversary settings: what it does not know, what public data it holds, and how often it may ask."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fedleak.settings.base import GOT, Count, Rate, Settings, Share, Table
from fedleak.settings.skew import A_PROPERTY, is_property

TrainingFact = Literal["batch_size", "batches", "epochs", "learning_rate", "momentum", "weight_decay", "mode"]


class AdversarySettings(Settings):
    """What the adversary does not know, and what public data it holds."""

    unknown: tuple[TrainingFact, ...] = ()
    auxiliary: Annotated[int, Field(ge=0)] = 256
    """Public examples of the same kind as the clients', disjoint from theirs."""
    lacks: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] = ()
    """Classes that the public examples have none of; the adversary is asked what these look like."""
    hidden: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Columns of a table that the adversary is asked about: of some rows it knows all others, and the label."""
    property: str = ""
    """`COLUMN=CATEGORY` of a table, or `label=CLASS` of any data: what share of all behind a model has it? Empty: not
    asked."""
    shares: Annotated[tuple[Share, ...], Field(strict=False)] = ()
    """The shares that it tells apart, each as likely as the others to it."""
    masked: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] = ()
    """Digits of a canary's secret, by their places from 0 on, that the adversary does not know; none: all of them."""
    queries: Annotated[int, Field(ge=0)] | None = None
    """Inputs that the model behind a prediction API may be asked; None: there is no such API."""
    patience: Rate | None = None
    """Days that it goes on asking, where a defense lets so many answers go a day."""
    explanations: bool = False
    """Whether the API explains answers by Shapley values, of which the adversary has those of the rows asked about."""
    does: Annotated[tuple[Table, ...], Field(strict=False)] = ()
    """What training code from somebody else does beside training: `{use = NAME, ...}` with a tampering's options."""
    known_labels: Annotated[int, Field(ge=0)] = 0
    """Of split training, rows whose labels the adversary knows from elsewhere, as many of each class as can be."""
    bottoms: Literal["unknown", "queries", "weights"] = "unknown"
    """Of split training, whether it can ask the networks of other parties as it likes, or has their weights, as where
    it shipped them."""
    victims: Count | None = None
    """How many clients' messages are recorded and attacked, the first so many; None: those of all."""

    @model_validator(mode="after")
    def _some_to_tell_apart(self) -> "AdversarySettings":
        if self.property and not is_property(self.property):
            raise PydanticCustomError("property", A_PROPERTY)
        if self.property and len(set(self.shares)) < max(2, len(self.shares)):
            wanted = "two shares or more that the property may have, each once, as in shares = [0.3, 0.6]"
            raise PydanticCustomError("shares", wanted, {GOT: list(self.shares)})
        if self.shares and not self.property:
            raise PydanticCustomError("shares", 'shares beside what they are of, as in property = "sex=Female"')
        return self

    def attacks(self, client: int) -> bool:
        """Whether a client is among the victims."""
        return self.victims is None or client < self.victims


OF_CUTS = ("known_labels", "bottoms")
"""Settings that say something of split training alone."""
ASKED_LATER = (
    *("auxiliary", "lacks", "hidden", "masked", "property", "shares", "queries", "patience", "explanations"),
    *OF_CUTS,
)
"""Settings of the adversary that matter only to who attacks what was recorded."""
CRAFTED_FROM = ("adversary.auxiliary", "adversary.lacks")
"""Of these what a server that sends crafted weights makes them from."""
ATTACKERS_SETTINGS = ("vary", *(f"adversary.{name}" for name in ASKED_LATER))
"""Varying settings that do not change a federation: it is run once and its messages are attacked under each."""
