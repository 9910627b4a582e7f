"""Attack terms: what `fedleak attack` has to be told for an attack, and what it is told for nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from fedleak.contracts.attack import Attack
from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import cut_attack_in
from fedleak.contracts.served import Served
from fedleak.contracts.splitting import columns_of_others
from fedleak.errors import ConfigError, RecordingError, did_you_mean
from fedleak.evaluation.cuts import CutMessage
from fedleak.evaluation.message import Message
from fedleak.evaluation.released import releasing
from fedleak.evaluation.views import Terms
from fedleak.experiment.access import tells_shares
from fedleak.experiment.columns import require_reach
from fedleak.experiment.overrides import key_and_value
from fedleak.formatting import listed
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import read_campaign
from fedleak.settings.adversary import AdversarySettings


def with_hidden_columns(terms: Terms, attack: Attack[Any], message: Message) -> Terms:
    """The terms with the columns hidden that the active party of a joint network lacks, where none are said to be."""
    if terms.adversary.hidden or "columns" not in attack.targets or not message.of_model:
        return terms
    hidden = columns_of_others(message.recording.task.space, message.recording.split)
    return replace(terms, adversary=terms.adversary.model_copy(update={"hidden": hidden}))


def with_defenses(terms: Terms, message: Message, name: str | None) -> tuple[Terms, str]:
    """The terms with all defenses of a row, those of a model that leaves too, where the run of a model lies beside it.

    Without a name it is the row that the recording's folder is named after, the first of those that share it; which
    one, a person is told. Returns its name as well.
    """
    if isinstance(message, CutMessage) or not message.of_model:
        if name is not None:
            raise ConfigError("--defense: only a model leaves under a row's defenses; leave it out")
        return terms, (message.diary if isinstance(message, CutMessage) else message.recording).defense
    try:
        rows = rows_of(message.recordings)
    except RecordingError as error:
        if name is not None:
            raise
        typer.echo(f"defenses of a model before it leaves, and of answers, are not applied: {error}", err=True)
        return terms, message.recording.defense
    chosen = name or message.recordings.name
    if chosen not in rows:
        raise ConfigError(f"--defense: no row with this recording is called '{chosen}'{did_you_mean(chosen, rows)}")
    others = [f"'{other}'" for other in rows if other != chosen]
    more = f"; --defense takes {listed(others, 'or')}, of the same recording" if others else ""
    if others or len(releasing(rows[chosen])):
        typer.echo(f"defenses  those of '{chosen}'{more}")
    return replace(terms, chain=rows[chosen]), chosen


def rows_of(recordings: Path) -> dict[str, Chain]:
    """The chain of each row that shares the recordings of a folder; raises `RecordingError` where it is of no run."""
    for above in recordings.parents[:2]:  # a campaign keeps the recordings of each setting in a folder of its own
        folder = RunFolder(above.parent)
        if above.name == "recordings" and folder.experiment.exists():
            break
    else:
        raise RecordingError(f"{recordings} lies in no run folder, whose experiment.toml would name them")
    federation = "" if recordings.parent == above else recordings.parent.name
    found = {
        name: chain
        for point in read_campaign(folder).points
        if federation in (point.federation, point.twin)
        for name, chain in point.experiment.build_chains().items()
        if folder.recordings(name, federation) == recordings
    }
    if not found:
        raise RecordingError(f"{folder.experiment} has no row whose recordings are in {recordings}")
    return found


def options_of(settings: list[str], use: str) -> dict[str, Any]:
    """The options of the attack; which one it is, `--use` alone says."""
    options = dict(key_and_value(setting, "option=value, as in --set steps=400") for setting in settings)
    if "use" in options:
        raise ConfigError(f"--set use: the attack is named by --use {use}; leave one of the two out")
    return options


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
