"""Opacus' PrivacyEngine: DP-SGD on each client, made anew in each round as apps do."""

import math
import warnings
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fedleak.accounting.declared import Declared
from fedleak.accounting.relations import Noised
from fedleak.accounting.sampling import Poisson, Sampling, Shuffled
from fedleak.claims.claimed import Claimed, figures_of
from fedleak.claims.local_dp_mod import CLEAR
from fedleak.claims.setting import DELTA, Delta, DpSetting
from fedleak.formatting import counted
from fedleak.settings.base import GOT, Amount, Count, Rate


class PrivacyEngineSetting(DpSetting):
    """`make_private` and `make_private_with_epsilon`: clipped gradients of examples, and noise on the sum of a batch.

    With Poisson sampling an example is in a step with chance 1 / batches of an epoch; without, it is in one batch of
    every epoch. Sources: https://arxiv.org/abs/1607.00133, https://arxiv.org/abs/2109.12298.
    """

    use: Literal["make_private", "make_private_with_epsilon"]
    uses: ClassVar = ("make_private", "make_private_with_epsilon")
    noise_multiplier: Amount | None = None
    max_grad_norm: Rate | Annotated[list[Rate], Field(min_length=1)]
    """A list is one for each layer."""
    clipping: str = "flat"
    poisson_sampling: bool = True
    target_epsilon: Annotated[float, Field(gt=0)] | None = None
    target_delta: Delta | None = None
    epochs: Count = 1
    """Local epochs of a round; of `make_private_with_epsilon`, those that it makes noise for."""
    local_epochs: Count | None = None
    """Local epochs of a round, where they are others than `epochs`."""
    batch_size: Count | None = None
    examples: Count | None = None
    """That the client with the fewest has."""
    drop_last: bool = False
    """Of the DataLoader: whether an epoch has no batch of what is left over."""
    epsilon: Annotated[float, Field(gt=0)] | None = None
    """As is claimed, or reported in the app's metrics, of one round."""
    delta: Delta = DELTA
    module: Any = None
    optimizer: Any = None
    data_loader: Any = None
    criterion: Any = None
    batch_first: Any = None
    loss_reduction: Any = None
    noise_generator: Any = None
    grad_sample_mode: Any = None

    @model_validator(mode="after")
    def _noise_one_way(self) -> "PrivacyEngineSetting":
        if (self.noise_multiplier is None) == (self.target_epsilon is None):
            wanted = "noise_multiplier, or target_epsilon with target_delta"
            raise PydanticCustomError("noise", wanted, {GOT: "both" if self.target_epsilon else "neither"})
        if (self.target_epsilon is None) != (self.target_delta is None):
            raise PydanticCustomError("delta", "target_epsilon and target_delta together", {GOT: "one of them"})
        return self

    @property
    def batches(self) -> int | None:
        """Of an epoch; None where it is not known."""
        if self.batch_size is None or self.examples is None:
            return None
        batches = self.examples / self.batch_size
        return max(math.floor(batches), 1) if self.drop_last else math.ceil(batches)

    @property
    def trained(self) -> int:
        """Epochs of a round."""
        return self.local_epochs or self.epochs

    @property
    def sampling(self) -> Sampling:
        """How batches are drawn; where nobody knows how large they are, no credit is taken."""
        if not self.poisson_sampling or self.batches is None:
            return Shuffled() if not self.poisson_sampling else None
        return Poisson(rate=1 / self.batches)

    @property
    def multiplier(self) -> float:
        """Noise on the sum of a batch, as a multiple of the norm that an example's whole gradient is clipped to."""
        if self.noise_multiplier is not None:
            return self.noise_multiplier
        if self.batches is None:
            return 0.0
        # Opacus imports torch, which takes seconds.
        from opacus.accountants.utils import get_noise_multiplier

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Optimal order is the", UserWarning)
            found = get_noise_multiplier(
                target_epsilon=self.target_epsilon or 0.0,
                target_delta=self.target_delta or 0.0,
                sample_rate=1 / self.batches,
                epochs=self.epochs,
                accountant="prv",
            )
        return float(found)

    def claimed(self) -> Claimed:
        delta = self.target_delta or self.delta
        told = self.target_epsilon or self.epsilon
        steps = self.trained * (self.batches or 1) if isinstance(self.sampling, Poisson) else self.trained
        known = self.batches is not None or not self.poisson_sampling
        part = Noised(noise_multiplier=self.multiplier, sampling=self.sampling, count=steps)
        return Claimed(
            use=self.use,
            protects="example",
            against="the server, which sees single updates",
            declared=None if told is None else Declared(epsilon=told, delta=delta),
            rounds=self.rounds,
            delta=delta,
            figures=figures_of([part], self.rounds, delta) if self.multiplier and known else (),
            wrong=tuple(self._wrong()),
            mind=(
                f"an engine made anew in each round reports the epsilon of one, and each of the {self.rounds} has it",
            )
            * (self.rounds > 1),
            provided=(CLEAR, "no example is held twice", f"{counted(self.trained, 'local epoch')} a round{self._size}"),
            also="a client as a whole has no guarantee: all of its examples together go beyond any of these figures",
        )

    @property
    def _size(self) -> str:
        return "" if self.batch_size is None else f", in batches of {self.batch_size}"

    def _wrong(self) -> list[str]:
        found = []
        if not self.poisson_sampling:
            found.append(
                "poisson_sampling = False: batches are cut from a shuffled order, and the accountant that Opacus runs "
                "reckons with Poisson samples"
            )
        elif self.batches is None:
            found.append(
                "steps and sampling rate go by batch_size and examples (of the client with the fewest), which are not "
                "known; give --set examples=NUMBER, and --set batch_size=NUMBER where no DataLoader has it"
            )
        if self.target_epsilon is not None and self.trained > self.epochs:
            found.append(
                f"noise is made for {counted(self.epochs, 'epoch')}, and a round has {self.trained}; give it all "
                "epochs that are trained"
            )
        if self.noise_multiplier == 0:
            found.append("noise_multiplier = 0: there is no noise")
        return found
