"""Behind a model: what a client did for it, deposited for scoring; which examples it used, and what was done to it."""

from pathlib import Path

from fedleak.federation.plan import FederationPlan
from fedleak.vault.secrets import deposit_secret
from fedleak.vault.shares import deposit_hidden, deposit_use

from .share import chosen_of, secret_typed, share_of, trained_before
from .tampering import tampered_of


def deposit_behind_model(plan: FederationPlan, client: int, round: int, *, pretraining: bool) -> None:
    """Deposits which examples a round used, the secret that a client typed, and what tampered code hid of it."""
    vault, when = Path(plan.vault), 0 if pretraining else round
    chosen = trained_before(plan, client) if pretraining else chosen_of(plan, client, when)[0]
    deposit_use(vault, share_of(plan, client), client, when, chosen)
    typed = secret_typed(plan, client)
    if typed is not None:
        deposit_secret(vault, typed)
    tampered = None if pretraining else tampered_of(plan, client, when)
    for name, hidden in tampered.hidden() if tampered else ():
        deposit_hidden(vault, client, name, hidden)
