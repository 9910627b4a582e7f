"""Sums over cohorts: the participation matrix of several rounds, and the combinations of sums that single clients out.

Secure aggregation reveals `s_r = Σ_i P_ri v_i` in round r: who took part, P, the server knows, for it invited them; v_i
is client i's update times its number of examples. Where the vector t of a cohort (1 for each member, 0 for the others)
is a combination `t = Pᵀ a` of rows of P, `Σ_r a_r s_r` is the sum over that cohort alone, as far as updates stay what
they were from round to round. Of all such a the one of least expected error is taken, which makes it the weighted
least-squares estimate of `P v = s`: difference of two sums and least squares over all rounds are one thing.
Sources: https://arxiv.org/abs/2106.03328, https://arxiv.org/abs/2106.06089
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, combinations
from math import comb

import torch
from jaxtyping import Float64
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.formatting import listed
from fedleak.learning.training import LocalTraining, batches_in

from .applicability import defect

EXACT = 1e-6
"""How far from whole numbers a combination of the rows of P may be and still make a cohort's."""
SPREAD = 1e5
"""How many times the error of the surest sum that of the least sure is at most: what is surer counts as this sure."""
LITTLE = 1e-3
"""What a sum must count in a combination to be named."""
TRIED = 20_000
"""Cohorts of one size that are looked through at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """The sums that the server held when a message came, beside that message."""

    at: Observation
    """The message under attack: its model is the one that updates are wanted at."""
    messages: tuple[Observation, ...]
    """The readable ones, each a sum over its cohort, by round; also those of a single client."""

    @classmethod
    def around(cls, observation: Observation) -> "Sums":
        """Those of an observation and the others with it; raises `NotApplicable` where there is none."""
        every = sorted((observation, *observation.others), key=lambda message: message.round)
        readable = tuple(message for message in every if _comparable(message, observation))
        if not readable:
            raise NotApplicable(
                "no sum over a cohort was revealed up to this round, so there is none to take apart: this attack is "
                "for messages under secure aggregation"
            )
        return cls(at=observation, messages=readable)

    @cached_property
    def clients(self) -> tuple[int, ...]:
        """All that took part in any of them."""
        return tuple(sorted(set(chain.from_iterable(message.cohort for message in self.messages))))

    @cached_property
    def participation(self) -> Float64[Tensor, "sums clients"]:
        """1 where a client took part in a sum."""
        rows = [[float(client in message.cohort) for client in self.clients] for message in self.messages]
        return torch.tensor(rows, dtype=torch.float64)

    @cached_property
    def examples(self) -> Float64[Tensor, " sums"]:
        """Of each sum how many examples are behind it."""
        return torch.tensor([float(message.examples()) for message in self.messages], dtype=torch.float64)

    @cached_property
    def movement(self) -> Float64[Tensor, " sums"]:
        """For each sum how far its model was from that of the message under attack (Euclidean)."""
        here = _vector(self.at)
        return torch.stack([(_vector(message) - here).norm() for message in self.messages])

    @cached_property
    def errors(self) -> Float64[Tensor, " sums"]:
        """How far off a sum may be: as the model moved, and by rounding and what defenses add, for each example.

        To first order a gradient changes in proportion to the weights. The factor is not known and taken to be 1, which
        matters only where a defense adds noise.
        """
        here, clients = _vector(self.at), self.participation.sum(1)
        noise = self.at.defense.noise_variance(self.at.training) * len(here) / clients
        rounding = (torch.finfo(torch.float32).eps * here.norm()).square() + 1e-300
        errors: Tensor = self.examples * (self.movement.square() + noise + rounding).sqrt()
        return errors.clamp(min=float(errors.max()) / SPREAD)

    @cached_property
    def _freedom(self) -> Float64[Tensor, "clients directions"]:
        """Directions in which the clients' updates could change and leave all sums as they are."""
        _, values, right = torch.linalg.svd(self.participation, full_matrices=True)
        rank = int((values > EXACT * values.max()).sum())
        freedom: Tensor = right[rank:].T
        return freedom

    def combination(self, cohort: tuple[int, ...]) -> Float64[Tensor, " sums"] | None:
        """The a of least expected error with `Pᵀ a = t` for a cohort; None where no combination makes it."""
        if not set(cohort) <= set(self.clients):
            return None
        wanted = torch.tensor([float(client in cohort) for client in self.clients], dtype=torch.float64)
        factors: Tensor = torch.linalg.pinv(self.participation.T / self.errors) @ wanted / self.errors
        if float((self.participation.T @ factors - wanted).abs().max()) > EXACT:
            return None
        return torch.where(factors.abs() > EXACT, factors, 0.0)

    def error(self, factors: Float64[Tensor, " sums"]) -> float:
        """The expected error of a combination for each of its examples, up to the factor common to all."""
        return float((factors * self.errors).norm() / (factors @ self.examples).abs().clamp_min(1e-300))

    def parts(self, largest: int) -> Iterator[tuple[int, ...]]:
        """Proper parts of the message's cohort that can be singled out: disjoint, the smallest and surest first."""
        free, least = set(self.at.cohort) & set(self.clients), len(self.at.cohort)
        for size in range(1, min(largest, least - 1) + 1):
            found = [(self._error_of(cohort), cohort) for cohort in self._separable(sorted(free), size)]
            for _, cohort in sorted(found):
                if free.issuperset(cohort):
                    free -= set(cohort)
                    yield cohort

    def _error_of(self, cohort: tuple[int, ...]) -> float:
        factors = self.combination(cohort)
        return float("inf") if factors is None else self.error(factors)

    def _separable(self, clients: list[int], size: int) -> list[tuple[int, ...]]:
        """The cohorts of a size among some clients whose sum no such direction changes."""
        if not clients or comb(len(clients), size) > TRIED:
            return []
        freedom = self._freedom[[self.clients.index(client) for client in clients]]
        places = torch.combinations(torch.arange(len(clients)), size)
        still = freedom[places].sum(1).abs().amax(1) < EXACT if freedom.shape[1] else torch.ones(len(places)).bool()
        every = combinations(clients, size)
        return [cohort for cohort, fits in zip(every, still.tolist(), strict=True) if fits]

    def observation(self, cohort: tuple[int, ...], factors: Float64[Tensor, " sums"]) -> Observation:
        """What the server would have seen of the cohort alone, as the combination says.

        The protocol is undone, so that it is no longer among the defenses; BatchNorm's statistics are not taken apart.
        """
        counted = float(factors @ self.examples)
        examples = round(counted)
        if examples < 1:
            raise NotApplicable(
                f"the sums say that {words_of(cohort)} had {counted:.3g} examples: clients must have as many in every "
                "round"
            )
        shares = factors * self.examples / examples
        used = [(share, message) for share, message in zip(shares, self.messages, strict=True) if share]
        total = sum((share * message.update.vector().double() for share, message in used), torch.zeros(()).double())
        update = self.at.update
        return replace(
            self.at,
            update=update.with_vector(total.to(update.vector().dtype)),
            buffers_after=None,
            cohort=cohort,
            num_examples=examples,
            training=_counted(self.at.training, examples, cohort),
            defense=self.at.defense.local,
            masked=False,
        )

    def words(self, cohort: tuple[int, ...], factors: Float64[Tensor, " sums"], alone: Observation) -> str:
        """How a cohort was singled out: `client 3 = round 2 - round 1 (...)`."""
        used = [place for place, factor in enumerate(factors.tolist()) if abs(factor) > LITTLE]
        rounds = {self.messages[place].round: float(factors[place]) for place in used}
        ones = sorted(rounds, key=lambda number: rounds[number], reverse=True)
        difference = len(used) == len(rounds) == 2 and abs(sum(rounds.values())) < EXACT
        how = (
            f"= round {ones[0]} - round {ones[1]}"
            if difference
            else f"by least squares over {'rounds' if len(ones) > 1 else 'round'} {listed(map(str, sorted(ones)))}"
        )
        moved = float(self.movement[used].max()) / max(float(alone.update.vector().double().norm()), 1e-300)
        return f"{words_of(cohort)} {how} (the model moved {moved:.2g} times that update in between)"


def words_of(cohort: tuple[int, ...]) -> str:
    """`client 3`, or `clients 3 and 5`."""
    return f"client{'s' if len(cohort) > 1 else ''} {listed(map(str, cohort))}"


def _comparable(message: Observation, observation: Observation) -> bool:
    """Whether a message can be read, and is of the same network and kind."""
    mine, theirs = observation.before.parameters, message.before.parameters
    alike = mine.keys() == theirs.keys() and all(mine[name].shape == theirs[name].shape for name in mine)
    return alike and not message.masked and message.update.kind is observation.update.kind and defect(message) is None


def _vector(message: Observation) -> Float64[Tensor, " entries"]:
    """The weights that a message starts from."""
    return torch.cat([value.double().reshape(-1) for value in message.before.parameters.values()])


def _counted(training: LocalTraining, examples: int, cohort: tuple[int, ...]) -> LocalTraining:
    """The facts, with the batches of a client that trains on its whole share: its number of examples tells them."""
    size = training.batch_size
    if training.batches is not None or size is None or len(cohort) > 1 or examples < size:
        return training
    return replace(training, batches=batches_in(examples, training))
