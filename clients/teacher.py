"""Teacher of PATE: the votes of a client that keeps its model to itself, and the student that one of them trains."""

from dataclasses import replace

import numpy as np
import torch
from flwr.app import Message
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.defenses.pate import PATE
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.federation.reply import reply
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, one_thread

from .client import Client
from .history import require_planned
from .share import public_of


def teaching_in(chain: Chain) -> PATE | None:
    """The protocol of a chain in which clients are teachers."""
    return chain.protocol if isinstance(chain.protocol, PATE) else None


def votes_of(client: Client, teaching: PATE, teacher: Weights) -> Float[Tensor, "queries classes"]:
    """What the client says of the public examples, as it leaves the client."""
    public = public_of(client.plan, teaching)
    rng = generator(*client.seed_key, "votes")
    with one_thread():
        return teaching.votes(client.task, teacher, public.inputs, client.plan.federation.clients, rng)


def student_of(client: Client, message: Message) -> Weights:
    """The student, trained from the model in the message on the public examples with the labels in it."""
    plan, teaching = client.plan, teaching_in(client.plan.defenses())
    require_planned(plan, client.round)
    if teaching is None:
        raise FederationError("the server asks for a student, and the run has no teachers; this client refuses")
    public, said = public_of(plan, teaching), wire.question_of(message.content)
    labels = torch.from_numpy(np.frombuffer(said, "<i8").copy()) if isinstance(said, bytes) else torch.zeros(0)
    if labels.shape != public.labels.shape or labels.min() < 0 or labels.max() >= client.task.classes:
        raise FederationError(
            f"expected {len(public)} labels of {client.task.classes} classes for a student, got others; this client "
            "refuses"
        )
    before = client.task.split(wire.to_tensors(wire.arrays_of(message.content)))
    labeled, training = replace(public, labels=labels), teaching.student_training(plan.training(client.round))
    seed_key = (plan.seed, "student")
    return reply(client.task, before, labeled, training, Chain(), seed_key, device=plan.device).weights
