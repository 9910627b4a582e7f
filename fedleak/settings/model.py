"""Model settings: where the weights of the first round come from."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fedleak.settings.base import GOT, Count, Rate, Settings, Share, Table


class ModelSettings(Settings):
    """Where the weights of round 1 come from: fresh, from a checkpoint, or after some rounds nobody attacks."""

    checkpoint: str | None = None
    """A torch or safetensors `state_dict`."""
    trained_rounds: Annotated[int, Field(ge=0)] = 0
    """Rounds of ordinary federated averaging before the recorded ones."""
    trained_batch_size: Count = 32
    trained_learning_rate: Rate = 0.05
    trained_momentum: Share = 0.9
    trained_examples: Count | None = None
    """What each client trains on in them at most, drawn at random of its share; rounds after them take of the rest.
    None: all of it, and later rounds take of all."""

    @property
    def training(self) -> Table:
        """How parties that hold columns train in the rounds before the recorded ones."""
        return {
            "batch_size": self.trained_batch_size,
            "batches": "all",
            "epochs": 1,
            "learning_rate": self.trained_learning_rate,
            "momentum": self.trained_momentum,
        }

    @model_validator(mode="after")
    def _trained_at_all(self) -> "ModelSettings":
        if self.trained_examples is not None and not self.trained_rounds:
            wanted = "no trained_examples where trained_rounds is 0: nothing trains before the recorded rounds"
            raise PydanticCustomError("trained", wanted, {GOT: self.trained_examples})
        return self
