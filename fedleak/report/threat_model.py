"""Threat model: what the server sees, knows and holds, read from the settings of the campaign."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from fedleak.analysis.conditions import told_apart
from fedleak.contracts.cut import Cut
from fedleak.contracts.observation import Observation
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.experiment.access import looks_at
from fedleak.experiment.campaign import Campaign, distinct
from fedleak.experiment.canonical import attack_tables
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import counted, listed, opening, options_words
from fedleak.learning.facts import LocalTraining
from fedleak.learning.source import Source
from fedleak.report.cuts import held_at_cuts, parties, seen_at_cuts, told_of_whole_rows
from fedleak.report.servers import reader_of, server_facts
from fedleak.report.tampering import tampering_facts
from fedleak.settings.adversary import TrainingFact
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import source_of

OF: Mapping[type[View], str] = {
    Observation: "of updates",
    Released: "of models",
    Served: "of answers",
    Cut: "at the cut",
}
"""Which adversary it is, where there are several."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A term and what is to be said of it."""

    term: str
    words: str


def threat_model(campaign: Campaign) -> list[Fact]:
    """Who attacks, what it sees, what it knows, what it lacks."""
    experiments = [point.experiment for point in campaign.points]
    chains = dict.fromkeys(words for experiment in distinct(campaign) for words in _chains(experiment))
    return [Fact(term=term, words=words) for term, words in _facts(experiments, tuple(chains))]


def _facts(experiments: list[Experiment], chains: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    views = _views(experiments)
    for view in views:
        who = "adversary" if len(views) == 1 else f"adversary {OF[view]}"
        yield who, f"{opening(reader_of(view, experiments))}. It never sees the truth; only the scoring does."
        yield "it sees", _sees(view, experiments)
    yield from tampering_facts(experiments)
    yield from server_facts(experiments)
    yield "it knows the task", _tasks(experiments, views)
    if Observation in views:
        yield "it knows the training", _training(experiments)
    yield "it knows the defenses", f"Their algorithms and parameters: {'; '.join(chains)}."
    yield "it holds", " ".join(filter(None, [_holds(experiments), held_at_cuts(experiments) if Cut in views else ""]))
    yield from _caveats(experiments)
    yield "it does not know", _unknown(experiments, views)
    if all(experiment.federation.split for experiment in experiments):
        yield "parties", parties(experiments)
    else:
        yield "clients", _clients(experiments)


def _caveats(experiments: list[Experiment]) -> Iterator[tuple[str, str]]:
    """What defenses do not protect from, each said once; who learns what under a protocol, in the first setting."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for experiment in experiments:
        for name, chain in experiment.build_chains().items():
            for defense in chain:
                learnt = defense.disclosures(experiment.federation)
                if defense.caveat or learnt:
                    found.setdefault(name, (("", defense.caveat), *learnt))
    for name, lines in found.items():
        for who, what in lines:
            if what:
                yield f"there {who} learns" if who else f"“{name}” leaves open", f"{opening(what)}."


def _views(experiments: list[Experiment]) -> list[type[View]]:
    """What the attacks look at; updates, where a run only records."""
    seen = {looks_at(table) for experiment in experiments for table in attack_tables(experiment)} or {Observation}
    return [view for view in OF if view in seen]


def _unknown(experiments: list[Experiment], views: list[type[View]]) -> str:
    if views == [Cut]:
        return "What other parties hold: their columns, the labels, their networks and all dice."
    if Observation not in views:
        weights = "" if Released in views else ", the weights"
        return f"The clients' examples, their updates{weights}, and all dice."
    hidden = sorted({fact.replace("_", " ") for one in experiments for fact in one.adversary.unknown})
    facts = f"Of the training: {listed(hidden)}. " if hidden else ""
    return f"{facts}The clients' examples, their keys and their dice."


def _clients(experiments: list[Experiment]) -> str:
    many = _varied(experiments, _many)
    rounds = _varied(experiments, lambda e: counted(e.federation.rounds, "round"))
    partitioner = _varied(experiments, lambda e: e.federation.partitioner)
    strategy = _varied(experiments, lambda e: e.federation.strategy)
    models = _varied(experiments, _model)
    shared = f"{many}, {rounds}; examples shared out by {partitioner}, updates aggregated by {strategy}"
    return f"{shared}; the model {models}{_leaving(experiments)}."


def _leaving(experiments: list[Experiment]) -> str:
    """Who leaves rounds, where somebody does."""
    if not any(experiment.federation.dropouts for experiment in experiments):
        return ""
    tables = _varied(experiments, lambda e: json.dumps(e.federation.model_dump(mode="json")["dropouts"]))
    return f"; who leaves rounds before their end (a share of all, or by name): {tables}"


def _many(experiment: Experiment) -> str:
    victims = experiment.adversary.victims
    own = "" if victims is None else f", of which the messages of {counted(victims, 'victim')} are attacked"
    return f"{counted(experiment.federation.clients, 'client')}{own}"


def _sees(view: type[View], experiments: list[Experiment]) -> str:
    if view is Observation:
        return _sees_of_updates(experiments)
    if view is Cut:
        return seen_at_cuts(experiments)
    rounds = _varied(experiments, lambda e: listed(str(round) for round in e.models))
    if view is Released:
        return f"The weights of the model after round {rounds}, and no update."
    queries = _varied(experiments, lambda e: f"{e.adversary.queries:,}")
    patience = _varied(experiments, lambda e: "" if e.adversary.patience is None else f"{e.adversary.patience:g}")
    days = f" It goes on asking for {patience} days." if patience else ""
    told = " It has the explanations (Shapley values) that people were given of the answers about their whole rows, "
    told += "as leaked reports, and may ask for those of rows it knows: one question each, and one for each column."
    explained = told if any(e.adversary.explanations for e in experiments) else ""
    return (
        f"Answers of the model after round {rounds} to at most {queries} inputs of its own: how probable each class "
        f"is, or what the defenses leave of that.{days}{explained}{told_of_whole_rows(experiments)}"
    )


def _sees_of_updates(experiments: list[Experiment]) -> str:
    words = "Each client's reply in the clear: the weights after local training, and the number of examples."
    masking = [
        row.name
        for row in experiments[0].defenses
        if any(defense.protocol for defense in experiments[0].build_chains()[row.name])
    ]
    if not masking:
        return words
    sums = "masked or encrypted vectors, what the protocol says beside them, and the sum over those that stayed"
    return f"{words} Under {listed(masking)} {sums}."


def _tasks(experiments: list[Experiment], views: list[type[View]]) -> str:
    tasks = dict.fromkeys(experiment.task for experiment in experiments)
    described = [f"{task.label} ({_classes(source)}; {source.summary})" for task in tasks
                 for source in [source_of(task)]]  # fmt: skip
    losses = listed(list(dict.fromkeys(task.loss + options_words(task.loss_options) for task in tasks)))
    weights = "its weights before each round, " if Observation in views else ""
    return f"{'; '.join(described)}: the network, {weights}the loss ({losses}), the classes."


def _classes(source: Source) -> str:
    return f"{source.classes} {'labels, of which an example has any number' if source.several_labels else 'classes'}"


def _training(experiments: list[Experiment]) -> str:
    hidden = {fact for experiment in experiments for fact in experiment.adversary.unknown}
    known = [
        f"{fact.replace('_', ' ')} {_varied(experiments, lambda e, fact=fact: _as_words(getattr(e.federation, fact)))}"  # type: ignore[misc]
        for fact in (*get_args(TrainingFact), *_unusual(experiments))
        if fact not in hidden
    ]
    return f"{', '.join(known)}." if known else "nothing of it."


def _as_words(value: object) -> str:
    """A value as the file has it: tables and lists of them as JSON."""
    return json.dumps(value) if isinstance(value, dict | tuple) else str(value)


def _unusual(experiments: list[Experiment]) -> list[str]:
    """What else a file declares of local training, where it is not as usual."""
    usual, declared = FederationSettings(), FederationSettings.model_fields
    facts = [name for name in vars(LocalTraining()) if name in declared and name not in get_args(TrainingFact)]
    return [fact for fact in facts if any(getattr(e.federation, fact) != getattr(usual, fact) for e in experiments)]


def _holds(experiments: list[Experiment]) -> str:
    amounts = sorted({experiment.adversary.auxiliary for experiment in experiments})
    lacks = _varied([e for e in experiments if e.adversary.lacks], lambda e: listed(map(str, e.adversary.lacks), "or"))
    asked = f" None of them is of class {lacks}, and it is asked what examples of these look like." if lacks else ""
    hidden = _varied([e for e in experiments if e.adversary.hidden], lambda e: listed(e.adversary.hidden, "and"))
    rows = f" Of rows that it is asked about it knows the label and every column but {hidden}." if hidden else ""
    told = told_apart(experiments)
    if told:
        rows += f" It is asked about all that was trained on, and tells apart shares that are as likely to it: {told}."
    rows += _told_of_secrets(experiments)
    if amounts == [0]:
        return f"No public data.{rows}"
    many = " or ".join(counted(amount, "public example") for amount in amounts)
    most = "At most " if lacks else ""  # without the classes that it lacks there may be fewer
    first = _varied([e for e in experiments if e.federation.planted], lambda e: str(e.federation.planted))
    copies = (
        f" but for copies of the first {first}, each of which a coin gave to some client or to none" if first else ""
    )
    return f"{most}{many} of the same kind as the clients', disjoint from theirs{copies}.{asked}{rows}"


def _told_of_secrets(experiments: list[Experiment]) -> str:
    """What is known of a secret that a client types."""
    typing = [e for e in experiments if e.federation.canary.format]
    if not typing:
        return ""
    formats = _varied(typing, lambda e: f"“{e.federation.canary.format}” of {e.federation.canary.digits} digits")
    times = _varied(typing, lambda e: counted(e.federation.canary.times, "time"))
    masked = _varied([e for e in typing if e.adversary.masked], lambda e: _digits(e.adversary.masked))
    known = f", and all of its digits but {masked}" if masked else ""
    return f" Of a secret that a client types {times} into its text it knows the format, {formats}{known}."


def _digits(places: tuple[int, ...]) -> str:
    return listed([f"the {place + 1}." for place in places])


def _chains(experiment: Experiment) -> Iterator[str]:
    for name, chain in experiment.build_chains().items():
        steps = ", then ".join(f"{step.name}{options_words(step.options())}" for step in chain)
        yield f"“{name}” is {steps}" if chain else f"“{name}” does nothing"


def _model(experiment: Experiment) -> str:
    model = experiment.model
    if model.checkpoint is not None:
        return f"from the checkpoint {model.checkpoint}"
    if model.trained_rounds:
        return f"trained for {counted(model.trained_rounds, 'round')} beforehand"
    return "begins with fresh weights" if experiment.models else "with fresh weights, never trained"


def _varied(experiments: list[Experiment], of: Callable[[Experiment], object]) -> str:
    return listed((str(value) for value in dict.fromkeys(of(experiment) for experiment in experiments)), "or")
