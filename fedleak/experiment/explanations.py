"""Explanations: where an experiment may offer them, one sentence each where it may not."""

from collections.abc import Mapping, Sequence

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError
from fedleak.formatting import listed
from fedleak.learning.space import require_table, space_of_source
from fedleak.settings.base import Table
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import source_of


def require_explanations(settings: PlanSettings, tables: Sequence[Table], chains: Mapping[str, Chain]) -> None:
    """Raises `ConfigError` for attacks on explanations where none are offered, and for such as nobody reads or gives.

    Nor are any offered beside defenses of answers, which they would undo. `tables` are the attacks without labels.
    """
    offered = settings.adversary.explanations
    reading = [i for i, one in enumerate(tables) if "explanations" in attacks.from_table(one).requires]
    if reading and not offered:
        raise ConfigError(
            f"attacks.{reading[0]}: {tables[reading[0]]['use']} reads explanations, and none are offered; set "
            "adversary.explanations = true"
        )
    if not offered:
        return
    if tables and not reading:
        raise ConfigError(
            "adversary.explanations: explanations are offered, and no attack here reads them; add one such as "
            "shapley-inversion, or leave explanations out"
        )
    require_table(space_of_source(source_of(settings.task)), "adversary.explanations", ConfigError)
    for i, (name, chain) in enumerate(chains.items()):
        if len(chain.answering):
            raise ConfigError(
                f"defenses.{i}.chain: '{name}' changes answers ({listed(one.name for one in chain.answering)}), and "
                "explanations would be offered that sum to the answer it changes; set adversary.explanations = false, "
                "or leave it out"
            )
