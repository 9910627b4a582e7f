"""Holdings: how many examples of each class clients hold, and which they trained on in a round."""

from pathlib import Path

from fedleak.learning.batch import Batch, label_counts
from fedleak.results.schema import LARGEST
from fedleak.vault.batches import deposited, withdraw
from fedleak.vault.shares import trained_until


def holdings_in(vault: Path) -> dict[int, tuple[int, ...]]:
    """By client how many examples of each class it holds; without those of whom that is not known.

    Where no batch was deposited they are those that it trained on in any round; raises `RecordingError`.
    """
    if not deposited(vault):
        return _trained_on(vault)
    first = {client: withdraw(vault, round, client).held for round, client in reversed(deposited(vault))}
    return {client: held for client, held in sorted(first.items()) if held}


def batches_of(vault: Path, round: int) -> dict[int, Batch]:
    """By client the examples that it took into a round; raises `RecordingError`."""
    return {client: withdraw(vault, own, client).examples for own, client in deposited(vault) if own == round}


def _trained_on(vault: Path) -> dict[int, tuple[int, ...]]:
    used = trained_until(vault, LARGEST)
    labels = {client: own.labels for client, own in used.items() if (own.labels >= 0).all()}  # parties may have none
    classes = max(own.shape[1] if own.dim() > 1 else int(own.max()) + 1 for own in labels.values())
    return {client: tuple(label_counts(own, classes).tolist()) for client, own in labels.items()}
