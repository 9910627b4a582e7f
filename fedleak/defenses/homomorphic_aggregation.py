"""Homomorphic aggregation: the server adds up ciphertexts that it cannot read, and a client opens the sum."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fedleak.accounting.mechanism import Vantage, cohort_of
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError, FederationError, NonFiniteError
from fedleak.learning.mean_change import MeanChange, changes
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.federation import FederationSettings

SPARE_BITS = 1
"""Of the first prime, for the sign."""


@defenses.register("homomorphic-aggregation")
@dataclass(frozen=True, kw_only=True)
class HomomorphicAggregation(Defense):
    """Encrypts each update under CKKS with one key that all clients share and the server has not.

    The cross-silo setting: changes of weights and buffers times the number of examples, and that number, leave each
    client encrypted; the server adds ciphertexts and has a client decrypt the sum, which it then sees. Every client can
    decrypt everything: one that helps the server, or whom it gives a single ciphertext to open, opens that update.
    """

    paper: ClassVar = "https://doi.org/10.1007/978-3-319-70694-8_15"
    cites: ClassVar = "cheon2017homomorphic"
    protocol: ClassVar[str | None] = "homomorphic-aggregation"
    reveals: ClassVar[Vantage] = "sum"
    adaptive_strategy: ClassVar[str] = "matches the sum, as the update of one large batch; single messages are noise"
    poly_modulus_degree: Literal[4096, 8192, 16384, 32768] = 8192
    """Of the ring; half as many entries share a ciphertext."""
    coeff_mod_bit_sizes: tuple[Annotated[int, Field(ge=20, le=60)], ...] = (60, 40, 60)
    """Bits of the primes of the modulus."""
    scale_bits: Annotated[int, Field(ge=10, le=50)] = 40
    """Binary places of the scale that entries are encoded at."""

    def __post_init__(self) -> None:
        if len(self.coeff_mod_bit_sizes) < 2:
            raise ConfigError("expected coeff_mod_bit_sizes of two primes or more: the last is for keys alone")

    @property
    def caveat(self) -> str:
        return (
            "every client holds the one secret key: a server that has one client's help, or lies about what it gives "
            "it to decrypt, opens any single update; the sum is in the clear"
        )

    def settings(self, federation: FederationSettings) -> FederationSettings:
        if cohort_of(federation) < 2:
            raise ConfigError(
                f"'{self.name}' needs 2 clients or more in a round, and a round of this federation has "
                f"{cohort_of(federation)}; raise federation.clients or the strategy's fraction_train"
            )
        return federation

    @property
    def least_survivors(self) -> int:
        """Clients below which the server has no sum opened."""
        return 2

    @property
    def grid(self) -> float:
        """CKKS is exact to about the last place of its scale."""
        return 2.0**-self.scale_bits

    @property
    def limit(self) -> float:
        """What no entry of a sum may reach."""
        return float(2.0 ** (sum(self.coeff_mod_bit_sizes[:-1]) - self.scale_bits - SPARE_BITS))

    def encoded_bytes(self, sent: Update) -> int:
        """Two polynomials for each half degree of entries, eight bytes a coefficient and prime; unpacked."""
        entries = sum(value.numel() for value in sent.tensors.values()) + 1
        ciphertexts = -(-entries // (self.poly_modulus_degree // 2))
        return ciphertexts * 2 * self.poly_modulus_degree * (len(self.coeff_mod_bit_sizes) - 1) * 8

    # The vector that is encrypted.

    def vector(self, before: Weights, after: Weights, examples: int, cohort: int) -> NDArray[np.float64]:
        """A client's changes times its examples, then the examples; raises where a sum could overflow."""
        values = changes(before, after) * examples
        if not np.isfinite(values).all():
            raise NonFiniteError(f"{self.name}: the update is not finite; lower federation.learning_rate")
        if np.abs(values).max(initial=examples) * cohort >= self.limit:
            raise ConfigError(
                f"{self.name}: a sum over {cohort} clients could reach {self.limit:.3g}, where it overflows; lower "
                "scale_bits or clip before it"
            )
        return np.append(values, float(examples))

    def opened(self, total: NDArray[np.float64], before: Weights) -> tuple[NamedTensors, int]:
        """The mean weights and buffers, and the examples behind them; raises where a sum cannot be one."""
        entries = sum(value.numel() for value in before.state_dict().values())
        if len(total) != entries + 1 or not np.isfinite(total).all() or round(total[-1]) < 1:
            raise FederationError(
                f"{self.name}: expected the sum of {entries + 1} entries, the last a count of examples; got another"
            )
        mean = MeanChange(total[:-1] / round(total[-1]), round(total[-1]))
        return mean.state(before), mean.examples
