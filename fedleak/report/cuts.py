"""Cuts in the threat model: who holds which columns, what crosses the cut, what is known of others beforehand."""

import json
from collections.abc import Callable, Iterable

from fedleak.contracts.attack import attacks
from fedleak.experiment.canonical import attack_tables
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import counted, listed

BOTTOMS = {
    "unknown": "",
    "queries": "It may ask the bottom networks of the parties whose embeddings it sees whatever it likes.",
    "weights": "It has the bottom networks of the parties whose embeddings it sees, as they were when the round began.",
}


def seen_at_cuts(experiments: list[Experiment]) -> str:
    """What a holder of a diary has of a round."""
    rounds = _varied(experiments, lambda one: counted(one.federation.rounds, "round"))
    return (
        f"Of {rounds}, batch by batch: a passive party what it sends and the gradients that return, beside its own "
        "columns and network; the active party what all others send, beside its own and the labels; the relay what "
        "passes through it, and neither columns nor labels."
    )


def held_at_cuts(experiments: list[Experiment]) -> str:
    """What it knows from elsewhere, a sentence each; nothing where it knows none."""
    known = _varied((one for one in experiments if one.adversary.known_labels), _known)
    told = f"It knows the labels of {known} from elsewhere, as many of each class as can be." if known else ""
    access = {one.adversary.bottoms for one in experiments}
    return " ".join(filter(None, [told, *(words for name, words in BOTTOMS.items() if name in access)]))


def told_of_whole_rows(experiments: list[Experiment]) -> str:
    """Who has answers about rows of which it lacks some columns; nothing where no attack goes by such."""
    tables = [table for experiment in experiments for table in attack_tables(experiment)]
    if not any("predictions" in attacks.from_table(table).requires for table in tables):
        return ""
    split = any(experiment.federation.split is not None for experiment in experiments)
    who = "It is the active party, which holds columns of its own and the labels" if split else "It holds some columns"
    return (
        f" {who}: it names rows, of which others give what it lacks without its seeing that, and has an answer about "
        "each as a whole, which is one question. It has the released weights too."
    )


def parties(experiments: list[Experiment]) -> str:
    """Who trains, on which columns, and where the network is cut."""
    many = _varied(experiments, lambda one: f"{one.federation.clients} parties")
    columns = _varied(experiments, lambda one: _columns(one.federation.columns))
    cut = _varied(experiments, lambda one: _place(one.federation.cut))
    rounds = _varied(experiments, lambda one: counted(one.federation.rounds, "round"))
    before = _varied((one for one in experiments if one.model.trained_rounds), _before)
    trained = f" {before} before these." if before else ""
    return (
        f"{many}, {rounds}. Each holds {columns} of all rows and the layers below the cut, {cut}; party 0 has the "
        f"labels and the layers above it too. A server relays.{trained}"
    )


def _known(experiment: Experiment) -> str:
    return counted(experiment.adversary.known_labels, "row")


def _before(experiment: Experiment) -> str:
    return f"{counted(experiment.model.trained_rounds, 'round')} of training"


def _columns(columns: object) -> str:
    if isinstance(columns, str):
        return {"halves": "half of the columns", "strips": "a strip of columns"}[columns]
    return f"columns of its own ({json.dumps(columns)})"


def _place(cut: object) -> str:
    if cut is None:
        return "before the last layer"
    return f"after layer {cut}" if isinstance(cut, int) else f"after '{cut}'"


def _varied(experiments: Iterable[Experiment], of: Callable[[Experiment], object]) -> str:
    return listed((str(value) for value in dict.fromkeys(of(one) for one in experiments)), "or")
