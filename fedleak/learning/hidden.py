"""Hidden: what tampered code hid of one client in a model."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Hidden:
    """What was hidden of one client in the model: the truth of the goal `payload`. A field is None without such."""

    inputs: Float[Tensor, "hidden *shape"]
    """The examples that were hidden, as the client has them."""
    exact: Float[Tensor, "hidden *shape"] | None = None
    """The same as they come back where no bit is wrong, where what is hidden are bits."""
    bits: Bool[Tensor, " bits"] | None = None
    """The bits of the payload, as a reader has them who corrected every error."""
    channel: Bool[Tensor, " written"] | None = None
    """The bits that were written into parameters, with those for correction."""
