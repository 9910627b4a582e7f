"""Release of a joint network on a party: its part where the plan has it leave, and in the vault what trained for it."""

from dataclasses import replace
from pathlib import Path

import torch
from flwr.app import Context
from jaxtyping import Int
from torch import Tensor

from fedleak.contracts.splitting import places_of, source_on
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch
from fedleak.learning.space import space_of_source
from fedleak.learning.weights import NamedTensors
from fedleak.vault.shares import deposit_use

from .columns import columns_of, split_of
from .party import Party, Place

OVER = 2**62
"""In the place of the last step of a round after which no other follows."""
USED = "fedleak.party-used"
"""The record in the party's state of the rows that its round has used so far."""
UNKNOWN = -1
"""In the place of a label in what a party deposits that has none."""


def part_of(party: Party) -> NamedTensors:
    """The weights that it holds; refuses where the plan has the joint network stay, or they are of another round.

    With that the round is over: who asks in the middle of it gets no second version.
    """
    round = party.place.round
    if not party.plan.released(round):
        raise FederationError(
            f"the joint network does not leave this federation after round {round}, so that party {party.own} keeps "
            "its part; see federation.release"
        )
    if party.held.last.round != round:
        raise FederationError(
            f"party {party.own} has weights of round {party.held.last.round}, and is asked for those after round "
            f"{round}; this party refuses"
        )
    _deposit(party.plan, party.own, *_used(party.context))
    replace(party.held, last=Place(round=round, step=OVER)).keep(party.context)
    return party.held.weights.state_dict()


def note_use(party: Party) -> None:
    """Remembers the rows of a step; deposits those of the round with its last, and of one that broke off with the next.

    Only as long as the joint network is still to leave. Rounds before the recorded ones are one, round 0.
    """
    round, rows = max(party.place.round, 0), party.rows
    if "model" not in party.plan.records or round > max(party.plan.models, default=0):
        return
    before, used = _used(party.context)
    if before == round and (party.place.step > 1 or round == 0):
        rows = torch.cat([used, rows])
    elif len(used):
        _deposit(party.plan, party.own, before, used)
    party.context.state[USED] = wire.to_arrays({wire.ROUND: torch.tensor(round), wire.ROWS: torch.unique(rows)})
    if party.place.step == party.place.steps:
        _deposit(party.plan, party.own, round, rows)


def _used(context: Context) -> tuple[int, Int[Tensor, " used"]]:
    """A round, and which rows it used so far; at first none of none."""
    if USED not in context.state:
        return 0, torch.zeros(0, dtype=torch.int64)
    kept = wire.to_tensors(context.state.array_records[USED])
    return int(kept[wire.ROUND]), kept[wire.ROWS]


def _deposit(plan: FederationPlan, party: int, round: int, rows: Int[Tensor, " used"]) -> None:
    """The party's columns of all rows, once, and which rows the round used."""
    own, space = columns_of(plan, party), space_of_source(plan.source)
    labels = torch.full((len(own),), UNKNOWN) if own.labels is None else own.labels
    places = places_of(space, split_of(plan))[party]
    share = Batch(own.inputs, labels, space_of_source(source_on(plan.source, space, places)))
    deposit_use(Path(plan.vault), share, party, round, torch.unique(rows))
