"""Client share: its part of the data, and which examples of it a round uses."""

from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.data.canary import secret_of, with_canary
from fedleak.data.partitioning import partition
from fedleak.data.planted import with_planted
from fedleak.data.splits import load
from fedleak.defenses.pate import PATE
from fedleak.errors import ConfigError
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch, label_counts
from fedleak.learning.layers import batch_norms
from fedleak.learning.poisson import taken_at_all
from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.source import Source
from fedleak.learning.training import LocalTraining, batches_in, require_values_to_normalize
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.vault.secrets import TypedSecret


def share_of(plan: FederationPlan, client: int) -> Batch:
    """All examples of one client, with what was planted, and with the canary where it types one."""
    share, federation = load(plan.source).clients[places_of(plan, client)], plan.federation
    if federation.planted:
        share = with_planted(
            share, load(plan.source).auxiliary, federation.planted, federation.clients, plan.seed, client
        )
    return share if secret_typed(plan, client) is None else with_canary(share, plan.federation.canary, plan.seed)


def places_of(plan: FederationPlan, client: int) -> Int[Tensor, " share"]:
    """Where they are among those of all clients, but for the canary and what was planted."""
    shares = _shares(plan.source, plan.federation.model_dump_json(), plan.seed)
    if client >= len(shares):
        raise ConfigError(f"federation.clients = {len(shares)}, so there is no client {client}; start as many nodes")
    return shares[client]


def _as_it_was(plan: FederationPlan, client: int) -> bool:
    """Whether its share is of the data alone, so that no more of these need be taken than are asked for."""
    return secret_typed(plan, client) is None and not plan.federation.planted


def _held(plan: FederationPlan, client: int) -> int:
    """How many they are."""
    return len(places_of(plan, client) if _as_it_was(plan, client) else share_of(plan, client))


def secret_typed(plan: FederationPlan, client: int) -> TypedSecret | None:
    """The secret that a client types into its text; None where it types none."""
    canary = plan.federation.canary
    if not canary.format or canary.client != client:
        return None
    format = SecretFormat.of(canary.format, canary.digits)
    return TypedSecret(format=format, secret=secret_of(canary, plan.seed))


def held_by(plan: FederationPlan, client: int) -> tuple[int, ...]:
    """How many of them have each label."""
    alone = _as_it_was(plan, client)
    labels = load(plan.source).clients.labels[places_of(plan, client)] if alone else share_of(plan, client).labels
    return tuple(label_counts(labels, plan.public_task().classes).tolist())


def examples_of(plan: FederationPlan, client: int, round: int) -> tuple[Batch, LocalTraining]:
    """The examples that a client trains on in a round, and how; not in those before the recorded ones."""
    chosen, training = chosen_of(plan, client, round)
    if chosen is not None and _as_it_was(plan, client):
        return load(plan.source).clients[places_of(plan, client)[chosen]], training
    share = share_of(plan, client)
    return share if chosen is None else share[chosen], training


def prepared_of(plan: FederationPlan, client: int, round: int) -> Batch | None:
    """What the defenses had made of these examples before any training, the same in each round; None: nothing."""
    chain = plan.defenses()
    if not chain.prepares:
        return None
    chosen, _ = chosen_of(plan, client, round)
    share = chain.prepared(plan.public_task(), share_of(plan, client), (plan.seed, "client", client))
    return share if chosen is None else share[chosen]


def chosen_of(plan: FederationPlan, client: int, round: int) -> tuple[Int[Tensor, " chosen"] | None, LocalTraining]:
    """Which of its share a client trains on in a round, in that order, None for all of it as it is; and how.

    Of Poisson samples those that some step takes, maybe none.
    """
    (_, left), settings = _halves(plan, client), plan.training(round)
    held = _held(plan, client) if left is None else len(left)
    _require_examples(plan, held)
    rng, training = generator(plan.seed, "examples", client, round), settings.training()
    if training.sampling_rate:
        taken = taken_at_all(held, training, rng)
        return taken if left is None else left[taken], training
    order = torch.randperm(held, generator=rng)
    order = order if left is None else left[order]
    if settings.batches == "all":
        batches = batches_in(held, training)
        # What a single epoch leaves out is in no update, and so no truth behind one.
        left_out = settings.drop_last and settings.epochs == 1
        return order[: settings.batch_size * batches] if left_out else left, settings.training(batches)
    needed = settings.batch_size * settings.batches
    if needed > held:
        table = "federation" if plan.recorded(round) else "utility"
        rest = "" if left is None else " that it did not train on before the recorded rounds"
        raise ConfigError(
            f"{table}: client {client} has {held} examples{rest} and a round takes {needed} (batch_size x batches); "
            "lower either, or take fewer clients"
        )
    return order[:needed], training


def trained_before(plan: FederationPlan, client: int) -> Int[Tensor, " chosen"] | None:
    """Which of its share a client trains on before the recorded rounds, None for all of it."""
    return _halves(plan, client)[0]


def _halves(plan: FederationPlan, client: int) -> tuple[Int[Tensor, " before"] | None, Int[Tensor, " after"] | None]:
    """Which of its share a client trains on before the recorded rounds, and in them; None for all of it."""
    first = plan.model.trained_examples
    if first is None:
        return None, None
    held = _held(plan, client)
    if first >= held:
        raise ConfigError(
            f"model.trained_examples: client {client} has {held} examples, so that {first} leave none for the recorded "
            "rounds; lower it, or take fewer clients"
        )
    order = torch.randperm(held, generator=generator(plan.seed, "held back", client))
    return order[:first].sort().values, order[first:].sort().values


def pretraining_of(plan: FederationPlan, client: int) -> tuple[Batch, LocalTraining]:
    """What a client trains on before the recorded rounds: one epoch over its share, or over what of it is for that."""
    share, chosen = share_of(plan, client), trained_before(plan, client)
    examples = share if chosen is None else share[chosen]
    model = plan.model
    return examples, LocalTraining(
        batch_size=model.trained_batch_size,
        batches=-(-len(examples) // model.trained_batch_size),
        learning_rate=model.trained_learning_rate,
        momentum=model.trained_momentum,
    )


def public_of(plan: FederationPlan, teaching: PATE) -> Batch:
    """The public examples that are voted on; raises `ConfigError` where there are fewer."""
    public = load(plan.source).auxiliary
    teaching.require_public(len(public), plan.source.name)
    return public[torch.arange(teaching.queries)]


def require_share(plan: FederationPlan, client: int) -> None:
    """Refuses, before anything is trained, a share that some round of the run could not be trained on (`ConfigError`).

    That is one of fewer examples than a defense counts on, or one that makes batches of one under BatchNorm.
    """
    if client >= plan.federation.clients:
        return
    left = _halves(plan, client)[1]
    share = _held(plan, client) if left is None else len(left)
    _require_examples(plan, share)
    if isinstance(teaching := plan.defenses().protocol, PATE):
        public_of(plan, teaching)
    task = plan.public_task()
    if not batch_norms(task.network):
        return
    if plan.model.trained_rounds:
        examples, training = pretraining_of(plan, client)
        require_values_to_normalize(task, len(examples), training)
    for phase in plan.phases:
        settings = plan.defenses().settings(phase)
        taken = share if settings.batches == "all" else settings.batch_size * settings.batches
        require_values_to_normalize(task, taken, settings.training())


def _require_examples(plan: FederationPlan, held: int) -> None:
    for defense in plan.defenses():
        defense.require_examples(held)


@lru_cache(maxsize=8)
def _shares(source: Source, settings: str, seed: int) -> list[Int[Tensor, " _"]]:
    # Settings as JSON: they hold a table of options, which cannot be a key.
    return partition(load(source).clients, FederationSettings.model_validate_json(settings), seed)
