"""Secure aggregation: the server learns the sum over the clients that stayed, and no smaller one."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from fedleak.accounting.mechanism import Vantage, cohort_of
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.masking_disclosures import masking_disclosures
from fedleak.errors import ConfigError, FederationError, NonFiniteError
from fedleak.learning.mean_change import MeanChange, changes
from fedleak.learning.update import Update
from fedleak.learning.weights import Weights
from fedleak.secure_aggregation.graph import Degree
from fedleak.secure_aggregation.messages import Session
from fedleak.secure_aggregation.planning import Neighbours, degree
from fedleak.secure_aggregation.ring import Elements, FixedPoint, most_places
from fedleak.settings.base import Share
from fedleak.settings.federation import FederationSettings

PLACES = 40
"""Binary places in the ring of 64 bits, where nothing else is asked for."""


def _even_or_word(value: Any, handler: Callable[[Any], Any]) -> Any:
    """One complaint in place of one for each alternative."""
    try:
        return handler(value)
    except ValidationError as error:
        raise PydanticCustomError("neighbours", 'an even number above 0, "all" or "auto"') from error


@defenses.register("secure-aggregation")
@dataclass(frozen=True, kw_only=True)
class SecureAggregation(Defense):
    """Hides each update under masks that cancel in the sum over the clients that stayed to the end of the round.

    The active protocol of the paper (figure 4) on the sparse graph of Bell et al. (CCS'20): X25519, HKDF-SHA256, a key
    stream over Z_2^64 or Z_2^32, Shamir shares of every secret, a signed list of survivors. Weight deltas, buffers and
    the number of examples are all masked. Without a registry of identity keys a lying server can be all the others.
    """

    paper: ClassVar = "https://doi.org/10.1145/3133956.3133982"
    cites: ClassVar = "bonawitz2017practical"
    protocol: ClassVar[str | None] = "secure-aggregation"
    reveals: ClassVar[Vantage] = "sum"
    adaptive_strategy: ClassVar[str] = "matches the sum, as the update of one large batch; single messages are noise"
    neighbours: Annotated[Neighbours, WrapValidator(_even_or_word)] = "all"
    """With how many others each client has masks: all, an even number, or the fewest that withstand what follows."""
    threshold: Annotated[int, Field(ge=2)] | None = None
    """How many of a client and its neighbours open what it shares with them; None: above two thirds of them."""
    corrupt: Share = 0.05
    """Share of the clients that may help the server: what neighbours = "auto" withstands."""
    dropouts: Share = 0.05
    """Share of the clients that may leave a round: what neighbours = "auto" withstands."""
    server: Literal["curious", "lying"] = "curious"
    """Whom neighbours = "auto" withstands; a lying server takes identity keys that are registered."""
    binds_model: bool = True
    """Whether masks are bound to the model received, so that a sum of updates of different models does not open. False:
    as in the paper, and a server that sends others dead layers reads a single client's update (Pasquini, CCS'22)."""
    smallest_cohort: Annotated[int, Field(ge=2)] = 2
    """Clients below which no sum is opened: over one it is no secret, and one of two can subtract itself. With fewer
    neighbours than all at least two thirds of a round."""
    keys: Literal["system", "seeded"] = "system"
    """Secrets of the operating system, or of the experiment's seed: repeatable, and who knows the seed unmasks."""
    registry: bool = False
    """Whether nodes know everybody's identity key, by a way that the server has no hand in: from files or, with seeded
    keys, from the seed, which the server then does not use."""
    cipher: Literal["aes-256-ctr", "chacha20"] = "aes-256-ctr"
    """Of the key streams; ChaCha20 is faster where a processor has no instructions for AES."""
    ring_bits: Literal[64, 32] = 64
    """64: exact, never clipped. 32: half the bytes; values beyond max_value are cut to it, counted and reported."""
    max_value: Annotated[float, Field(ge=1e-30, le=1e30, allow_inf_nan=False)] | None = None
    """With ring_bits = 32, the greatest entry of an update times the number of examples."""
    fraction_bits: Annotated[int, Field(ge=1, le=60)] | None = None
    """Binary places: the quantization step is 2^-fraction_bits. None: 40, with ring_bits = 32 the most that fit."""

    def __post_init__(self) -> None:
        if (self.ring_bits == 32) is (self.max_value is None):
            raise ConfigError(
                "expected a max_value with ring_bits = 32, which cuts what is beyond it"
                if self.max_value is None
                else "expected no max_value with ring_bits = 64, which clips nothing; set ring_bits = 32"
            )

    @property
    def caveat(self) -> str:
        told = {
            "masks are not bound to the model, so a server that sends several opens one": not self.binds_model,
            "keys follow from the seed, so whoever knows it unmasks": self.keys == "seeded",
            "without a registry of identity keys a lying server can be all the other clients": not self.registry,
        }
        return "; ".join(words for words, holds in told.items() if holds)

    def disclosures(self, federation: FederationSettings) -> tuple[tuple[str, str], ...]:
        """The threat model, in numbers (figure 4 of the paper): what the server gets, and how many help it to more."""
        cohort = cohort_of(federation)
        own = self._for(cohort)
        facts = {"seeded": self.keys == "seeded", "registered": self.registry}
        return masking_disclosures(own.degree, own.least_survivors, cohort, **facts)

    @property
    def degree(self) -> Degree:
        """Neighbours and threshold of a planned defense."""
        assert self.neighbours != "auto"
        return Degree(self.threshold or 0, None if self.neighbours == "all" else self.neighbours)

    @property
    def outline(self) -> str:
        others = "all others" if self.neighbours == "all" else f"{self.neighbours} neighbours"
        bits = f"{self.ring_bits} bits with {self.fraction_bits} binary places"
        return f"each client has masks with {others}, and {self.threshold} open what it shares; {bits}"

    def settings(self, federation: FederationSettings) -> FederationSettings:
        self._for(cohort_of(federation))
        return federation

    def planned(self, phases: tuple[FederationSettings, ...]) -> "SecureAggregation":
        """With neighbours, threshold and binary places as numbers, which all sides then agree on."""
        return self._for(cohort_of(phases[0]))

    def _for(self, cohort: int) -> "SecureAggregation":
        if cohort < self.smallest_cohort:
            raise ConfigError(
                f"'{self.name}' needs {self.smallest_cohort} clients or more in a round, and a round of this "
                f"federation has {cohort}; raise federation.clients or the strategy's fraction_train"
            )
        try:
            found = degree(
                cohort,
                self.neighbours,
                self.threshold,
                corrupt=self.corrupt,
                dropouts=self.dropouts,
                lying=self.server == "lying",
            )
        except FederationError as error:
            raise ConfigError(str(error)) from error
        # On a sparse graph a neighbourhood is no bound: without this a server could split a round into many small sums.
        most = 0 if found.neighbours is None else 2 * cohort // 3 + 1
        return replace(
            self,
            neighbours=found.neighbours or "all",
            threshold=found.threshold,
            smallest_cohort=max(self.smallest_cohort, most),
            fraction_bits=self._places(cohort),
        )

    @property
    def grid(self) -> float:
        """Between two values that a client's part can have in a sum; infinite where values are cut besides."""
        return math.inf if self.max_value is not None else 2.0**-self.numbers.places

    def _places(self, cohort: int) -> int:
        if self.max_value is None:
            return PLACES if self.fraction_bits is None else self.fraction_bits
        most = most_places(self.ring_bits, self.max_value, cohort)
        if most < max(self.fraction_bits or 1, 1):
            places = f"fraction_bits = {self.fraction_bits}" if self.fraction_bits else "one binary place"
            raise ConfigError(
                f"'{self.name}': the sum over {cohort} clients of values up to max_value = {self.max_value:g} "
                f"overflows {self.ring_bits} bits with {places}; lower either, or set ring_bits = 64"
            )
        return most if self.fraction_bits is None else self.fraction_bits

    @property
    def least_survivors(self) -> int:
        """Clients below which no sum is opened; of a planned defense."""
        return max(self.threshold or 0, self.smallest_cohort)

    def bound_to(self, model: bytes) -> bytes:
        """What masks are bound to besides the session, of the SHA-256 of a model: that, or 32 bytes of nothing."""
        return model if self.binds_model else bytes(len(model))

    def session(self, name: bytes) -> Session:
        """What both sides agree on before a round; of a planned defense. `name`: 32 bytes that no other round has."""
        return Session(
            name=name,
            degree=self.degree,
            smallest_cohort=self.smallest_cohort,
            ring_bits=self.ring_bits,
            cipher=self.cipher,
        )

    # The vector that is masked.

    @property
    def numbers(self) -> FixedPoint:
        """How entries are written in the ring; of a planned defense."""
        return FixedPoint(self.ring_bits, PLACES if self.fraction_bits is None else self.fraction_bits)

    @property
    def counters(self) -> int:
        """Whole numbers behind the entries: of examples and, in 32 bits, of values that were cut."""
        return 1 if self.max_value is None else 2

    def entries(self, before: Weights) -> int:
        """Elements of the vector of every client."""
        return sum(value.numel() for value in before.state_dict().values()) + self.counters

    def vector(self, before: Weights, after: Weights, examples: int, cohort: int) -> Elements:
        """What a client puts into the sum: its delta and its change of buffers, times its examples, then the counts.

        Raises where a sum over the cohort could overflow; in 32 bits values beyond `max_value` are cut and counted.
        """
        values = changes(before, after) * examples
        if not np.isfinite(values).all():
            raise NonFiniteError("secure aggregation: the update is not finite; lower federation.learning_rate")
        counts = [examples]
        if self.max_value is not None:
            cut = int((np.abs(values) > self.max_value).sum())
            counts.append(min(cut, (2**31 - 1) // cohort))
            values = np.clip(values, -self.max_value, self.max_value)
        greatest, limit = float(np.abs(values).max(initial=0.0)), self.numbers.limit(cohort)
        if greatest >= limit:
            raise ConfigError(
                f"secure-aggregation: the update times the number of examples must stay below {limit:.3g} with "
                f"fraction_bits = {self.numbers.places} and {cohort} clients, and does not; lower fraction_bits or "
                "clip before it"
            )
        return np.concatenate([self.numbers.elements(values), self.numbers.counts(*counts)])

    def opened(self, total: Elements) -> MeanChange:
        """What the sum of vectors says; raises where it cannot be one."""
        entries, counts = total[: -self.counters], total[-self.counters :].view(f"i{self.ring_bits // 8}")
        examples, *cut = (int(count) for count in counts)
        if examples < 1:
            raise FederationError(
                f"secure-aggregation: a sum must be of one example or more, and it counts {examples}; a client sent "
                "something else than its masked vector"
            )
        return MeanChange(self.numbers.values(entries) / examples, examples, *cut)

    def encoded_bytes(self, sent: Update) -> int:
        """A ring element for each entry and each counter."""
        return self.ring_bits // 8 * (sum(value.numel() for value in sent.tensors.values()) + self.counters)


def masking_of(chain: Chain) -> SecureAggregation | None:
    """The secure aggregation of a chain, if it has one."""
    return chain.protocol if isinstance(chain.protocol, SecureAggregation) else None
