"""Masking: a client's part in secure aggregation; its private key never leaves this process."""

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from fedleak.defenses.secure_aggregation import SecureAggregation, contribution, mask, private_key, public_key
from fedleak.errors import FederationError
from fedleak.federation import wire

from .client import Client, Trained


def agree(client: Client) -> ConfigRecord:
    """The public key of this client for this round."""
    return ConfigRecord({wire.PUBLIC_KEY: public_key(_private(client))})


def masked(client: Client, defense: SecureAggregation, content: RecordDict, trained: Trained) -> ArrayRecord:
    """The client's contribution under the masks it shares with each other client of the cohort."""
    private = _private(client)
    cohort = _cohort(content)
    if cohort.get(client.partition) != public_key(private):
        raise FederationError("secure-aggregation: the cohort that the server names lacks this client's own key")
    smallest = max(defense.smallest_cohort, client.floor.smallest_cohort)
    if len(cohort) < smallest:
        raise FederationError(
            f"secure-aggregation: the server asks for a sum over {len(cohort)} clients, and this client refuses below "
            f"{smallest}"
        )
    if len(set(cohort.values())) < len(cohort):
        raise FederationError(
            "secure-aggregation: the cohort that the server names holds one key twice, and clients have each their own"
        )
    values = defense.quantize(contribution(trained.before, trained.after, trained.examples), len(cohort))
    # The model is part of it: between clients that were sent different models nothing cancels.
    model = wire.digest_of(RecordDict({wire.ARRAYS: wire.arrays_of(content)}))
    context = f"{client.plan.task.label}/{client.plan.defense}/{client.plan.seed}/{client.round}/{model}"
    return wire.from_ring(mask(values, client.partition, private, cohort, context))


def _private(client: Client) -> bytes:
    # Bound to the whole plan: the masks of two experiments with one seed must differ, or their difference is in clear.
    # Rounds for utility are left out of recorded ones, which are the same whatever comes after them.
    later = {"utility"} if client.plan.recorded(client.round) else set()
    usual = {"device"} if client.plan.device == "cpu" else set()
    plan = client.plan.model_dump_json(exclude={"recordings", "vault", "tapped", *later, *usual})
    return private_key(*client.seed_key, plan)


def _cohort(content: RecordDict) -> dict[int, bytes]:
    """Each client of the round with its public key, as the server relays them."""
    record = content.config_records.get(wire.COHORT)
    if record is None:
        raise FederationError("secure-aggregation: the server asks for an update before keys were agreed on")
    return {int(client): bytes.fromhex(str(key)) for client, key in record.items()}
