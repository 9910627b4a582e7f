"""Tampering: what the training code does in a client's round beside what the client asked of it, and where it stands.

The code is of whoever wrote the app, so it knows what the plan says of everybody.
"""

from fedleak.contracts.tampered import Tampered, sent_parameters
from fedleak.contracts.tampering import Standing
from fedleak.federation.plan import FederationPlan
from fedleak.vault.batches import KnownToCode

from .share import chosen_of, share_of


def tampered_of(plan: FederationPlan, client: int, round: int) -> Tampered | None:
    """What is done to a client in a round; None: nothing."""
    does = plan.tampering()
    if not does:
        return None
    task = plan.public_task()
    counts = [_trained_on(plan, other, round) for other in range(plan.federation.clients)]
    standing = Standing(
        task=task,
        share=share_of(plan, client),
        client=client,
        clients=len(counts),
        weight=counts[client] / sum(counts),
        round=round,
        rounds=plan.rounds,
        sent=sent_parameters(task, plan.defenses().local),
        seed_key=(plan.seed, "client", client, round),
    )
    return Tampered(does=does, standing=standing)


def known_of(plan: FederationPlan, client: int, round: int) -> KnownToCode | None:
    """What of that is needed to recompute what the client sends; None where nobody tampers."""
    tampered = tampered_of(plan, client, round)
    if tampered is None:
        return None
    at = tampered.standing
    return KnownToCode(share=at.share, clients=at.clients, weight=at.weight, rounds=at.rounds)


def _trained_on(plan: FederationPlan, client: int, round: int) -> int:
    """How many examples a client reports."""
    chosen = chosen_of(plan, client, round)[0]
    return len(share_of(plan, client)) if chosen is None else len(chosen)
