"""Attack terms: what `fedleak attack` has to be told for an attack, and what it is told for nothing."""

from dataclasses import replace
from typing import Any

from fedleak.contracts.attack import Attack
from fedleak.contracts.cut import cut_attack_in
from fedleak.contracts.served import Served
from fedleak.contracts.splitting import columns_of_others
from fedleak.errors import ConfigError
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms
from fedleak.experiment.access import tells_shares
from fedleak.experiment.columns import require_reach
from fedleak.settings.adversary import AdversarySettings


def with_hidden_columns(terms: Terms, attack: Attack[Any], message: Message) -> Terms:
    """The terms with the columns hidden that the active party of a joint network lacks, where none are said to be."""
    if terms.adversary.hidden or "columns" not in attack.targets or not message.of_model:
        return terms
    hidden = columns_of_others(message.recording.task.space, message.recording.split)
    return replace(terms, adversary=terms.adversary.model_copy(update={"hidden": hidden}))


def require_terms(attack: Attack[Any], adversary: AdversarySettings) -> None:
    """Raises `ConfigError` where an attack is not told what it works on, or told what has nothing to do with it."""
    name, asks = attack.name, attack.sees is Served
    _require(
        asks,
        adversary.queries is not None,
        f"{name} asks a prediction API; say how many inputs, as in --queries 1000",
        f"--queries: {name} asks no prediction API; leave it out",
    )
    cut = cut_attack_in(attack)
    if cut is None and (adversary.known_labels or adversary.bottoms != "unknown"):
        raise ConfigError(f"--known-labels, --bottoms: {name} is no attack on split training; leave them out")
    if cut is not None:
        require_reach(cut, adversary, name)
    _require(
        "columns" in attack.targets and cut is None,
        bool(adversary.hidden),
        f"{name} guesses hidden columns; say which, as in --hidden sex",
        f"--hidden: {name} guesses no hidden columns; leave it out",
    )
    _require(
        tells_shares(attack.sees, attack.targets),
        bool(adversary.property),
        f"{name} tells shares of a property apart; say of which, as in --property sex=Female --share 0.3 --share 0.6",
        f"--property: {name} tells no shares of a property apart; leave it out",
    )
    _require(
        "explanations" in attack.requires,
        adversary.explanations,
        f"{name} reads explanations of answers; say by --explanations that there are such",
        f"--explanations: {name} reads none; leave it out",
    )
    if adversary.masked and "secrets" not in attack.targets:
        raise ConfigError(f"--masked: {name} asks for no secret; leave it out")


def _require(needed: bool, told: bool, missing: str, idle: str) -> None:
    if needed != told:
        raise ConfigError(missing if needed else idle)
