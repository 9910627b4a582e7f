"""`fedleak attack`: one attack on a kept recording, alone, on any machine, with or without the truth."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fedleak.cli.attack_terms import options_of, require_terms, with_defenses, with_hidden_columns
from fedleak.cli.options import AttackName, DeviceName
from fedleak.cli.progress_bar import shown
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.contracts.view import View
from fedleak.errors import ConfigError, DataError, FedleakError, OutputError
from fedleak.evaluation import adversary, scoring
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.cuts import CutMessage, asked_rows, message_at
from fedleak.evaluation.exhibits import exhibits_of
from fedleak.evaluation.message import Message
from fedleak.evaluation.narrowed import as_many, narrowed, require_somebody, within
from fedleak.evaluation.views import Terms, observe
from fedleak.experiment.access import require_classes
from fedleak.experiment.canonical import placed
from fedleak.experiment.hidden import require_columns
from fedleak.experiment.secrets import require_masked
from fedleak.figures.panels import Panel, beside, draw
from fedleak.figures.representatives import classes_beside
from fedleak.learning.batch import Batch
from fedleak.learning.device import asked, dealt, take
from fedleak.learning.having import require_property
from fedleak.randomness import one_thread
from fedleak.results.row import Place
from fedleak.runs.folder import stem_name
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table, parse_settings

WIDTH = 17
"""Of the names of metrics, at least."""


def attack_recording(
    path: Path, table: Table, seed: int | None, terms: Terms, out: Path | None, device: str | None, defense: str | None
) -> None:
    """Attacks, prints, draws. The same seed and options give the guess that the run had."""
    attack = attacks.from_table(table, "--use")
    message = message_at(Message.at(path))
    terms = with_hidden_columns(terms, attack, message)
    require_terms(attack, terms.adversary)
    if device is not None:
        kind, index = asked(device)
        own = placed({"use": attack.name, **attack.options()}, table, kind)
        for gpu in dealt({kind}, index)[:1]:
            take(gpu)
        attack = attacks.from_table(own, "--use")
    recording, who = message.diary if isinstance(message, CutMessage) else message.recording, message.sender
    require_classes(terms.adversary, recording.task.classes, "--lacks")
    require_columns(terms.adversary.hidden, recording.task.space, "--hidden")
    if message.canary is not None:
        require_masked(terms.adversary, len(message.canary.secret), "--masked")
    if terms.adversary.property:
        require_property(recording.task.space, terms.adversary.property, recording.task.classes, "--property")
    picture = out or Path(f"{table['use']}-{stem_name(who)}.png")
    if picture.suffix != ".png":
        raise ConfigError(f"--out: expected the name of a .png file, got {picture}")
    terms, row = with_defenses(terms, message, defense)
    place = Place(
        algorithm=attack.name,
        task=recording.settings.label,
        attack=attack.name,
        defense=row,
        client=who,
        round=recording.round,
        seed=recording.seed if seed is None else seed,
    )
    observation, challenge = _observe(message, terms, attack)
    if (about := attack.subject(observation)) is not None:
        message = narrowed(message, about)
        observation, challenge = _observe(message, terms, attack)
    guess, seconds = _guess(observation, {"use": attack.name, **attack.options()}, place)
    if guess.failure is not None:
        raise FedleakError(f"{attack.name} on {path}: {guess.failure}")
    _print_guess(guess, seconds)
    truth, beside_it = _truth(message), as_many(observation, message)
    guess = guess if truth is None else within(guess, message, observation)
    scores = [] if truth is None else _scores(beside_it, guess, message, challenge, place, attack.reads)
    if truth is not None:
        _print_scores(scores)
    title = f"{attack.name} on {stem_name(who)}"
    if guess.inputs is not None:
        known = None if truth is None else message.news
        typer.echo(f"picture   {_draw(picture, beside(title, guess.inputs, known, observation.task.space))}")
    elif guess.representatives is not None:
        exhibits = exhibits_of(observation, truth, place.seed, place.round, place.client)
        typer.echo(f"picture   {_draw(picture, classes_beside(title, guess, exhibits, scores))}")


def _observe(message: Message, terms: Terms, attack: Attack[Any]) -> tuple[View, Challenge | None]:
    """Public data is a help, not a need: a machine without the data set can still attack, but nobody can be asked."""
    try:
        return observe(message, terms, attack)
    except DataError as error:
        typer.echo(f"no public data for the adversary: {error}", err=True)
        alone = terms.adversary.model_copy(update={"auxiliary": 0})
        return observe(replace(message, vault=None), replace(terms, adversary=alone), attack)


def _guess(observation: View, table: Table, place: Place) -> tuple[Reconstruction, float]:
    started = time.perf_counter()
    with shown(table["use"], "iterations"), one_thread():
        guess = adversary.guess(observation, table, place)
    return guess, time.perf_counter() - started


def _print_guess(guess: Reconstruction, seconds: float) -> None:
    loss = "none" if math.isnan(guess.mismatch) else f"{guess.mismatch:.4g}"
    typer.echo(f"own loss  {loss}   ({seconds:.1f} s)")
    if guess.certificate:
        typer.echo(f"proved    {guess.certificate}")
    if guess.diagnosis is not None:
        typer.echo(f"no match  {guess.diagnosis.words}")
    if guess.note:
        typer.echo(f"note      {guess.note}")
    if guess.labels is not None:
        typer.echo(f"labels    {' '.join(str(label) for label in guess.labels.tolist())}")


def _truth(message: Message) -> Batch | None:
    if message.vault is None:
        typer.echo("no vault beside the recording, so no scores: the attacker's own loss is all there is")
        return None
    return require_somebody(message.truth)


def _scores(
    observation: View,
    guess: Reconstruction,
    message: Message,
    challenge: Challenge | None,
    place: Place,
    reads: frozenset[str],
) -> list[Score]:
    public, unseen = adversary.public_and_unseen(observation)
    seed_key = place.seed, place.round, place.client
    return scoring.score(
        guess,
        asked_rows(message, challenge) or message.behind(guess.guesses),
        tuple(cls() for cls in metrics),
        adversary.prior_guess(observation, place),
        adversary.baselines(observation, *seed_key),
        challenge,
        class_mean=adversary.class_means_of(observation, guess, *seed_key),
        public=public,
        unseen=unseen,
        seen=message.seen,
        view=observation,
        private=message.truth,
        secret=None if message.canary is None else message.canary.secret,
        payloads=message.payloads(reads),
    )


def _print_scores(scores: list[Score]) -> None:
    """What the metrics say that can judge such a guess, or of none of them why not."""
    judged = [one for one in scores if one.applicable] or scores
    width = max([WIDTH, *(len(one.metric) for one in judged)])
    for score in judged:
        better = "higher" if score.higher_is_better else "lower"
        if math.isnan(score.value):
            typer.echo(f"{score.metric:<{width}} -  ({score.reason})")
        else:
            figure = f"{score.value:.4g} {score.unit}".strip()
            typer.echo(f"{score.metric:<{width}} {figure} ({_beside(score)}; {better} means more leakage)")


def _beside(score: Score) -> str:
    """What guesses get, and what references reach that only the truth can choose."""
    figures = {
        "prior": score.baseline,
        "no access": score.no_access,
        "class mean": score.class_mean,
        "oracles: single color": score.single_color,
        "nearest public": score.nearest_public,
    }
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if not math.isnan(value))


def _draw(path: Path, panel: Panel) -> Path:
    if path.parent.exists() and not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: {path.parent} is not a folder")
    return draw(panel, path)


def command(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="Either file of a recording.")],
    use: AttackName,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the attack, as in steps=400; repeatable."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The attack's dice; those of the recording's run by default.")
    ] = None,
    auxiliary: Annotated[int, typer.Option(min=0, help="Public examples that the adversary holds.")] = 256,
    lacks: Annotated[
        list[int] | None, typer.Option(min=0, help="A class that none of these is of, and is asked about; repeatable.")
    ] = None,
    hidden: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column of a table that is asked about; repeatable.")
    ] = None,
    property: Annotated[
        str, typer.Option(metavar="COLUMN=VALUE", help="What a share of all training data has, or label=CLASS.")
    ] = "",
    share: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="A share of it that is told from the others; repeatable.")
    ] = None,
    queries: Annotated[
        int | None, typer.Option(min=0, help="Of an attack on a prediction API: inputs that it may ask.")
    ] = None,
    masked: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="PLACE", help="A digit of a secret not known, from 0; repeatable."),
    ] = None,
    explanations: Annotated[
        bool, typer.Option("--explanations", help="Whether the prediction API explains its answers.")
    ] = False,
    known_labels: Annotated[
        int, typer.Option(min=0, metavar="ROWS", help="Of split training: rows whose labels are known.")
    ] = 0,
    bottoms: Annotated[
        str, typer.Option(help="Of split training, of others' networks: unknown, queries or weights.")
    ] = "unknown",
    defense: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a model: the row whose defenses it left under.")
    ] = None,
    device: DeviceName = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PNG", help="Picture of the guess; by default beside you.")
    ] = None,
) -> None:
    """Attack a recording. Scores are shown where the truth lies beside it; the attack never sees it."""
    asked = {"lacks": lacks or [], "hidden": hidden or [], "property": property, "shares": share or []}
    asked |= {"masked": masked or [], "explanations": explanations, "known_labels": known_labels, "bottoms": bottoms}
    known = parse_settings(AdversarySettings, {"auxiliary": auxiliary, "queries": queries, **asked})
    terms = Terms(adversary=known, seed_key=(seed, "service", use))
    attack_recording(recording, {"use": use, **options_of(settings or [], use)}, seed, terms, out, device, defense)
