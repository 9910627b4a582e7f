"""Fitting: the attacks and defenses that a campaign could have had, by what its clients hold and who sees what."""

from functools import cache

from fedleak.contracts.at_cut import ANYWHERE, AT_CUT
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.catalogue import entries
from fedleak.contracts.cut import Cut
from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.tampered import built
from fedleak.contracts.view import View
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.servers import SOMETHING, deeds_of
from fedleak.learning.input_space import InputSpace
from fedleak.learning.space import space_of_source
from fedleak.learning.table import Table
from fedleak.learning.text import Text
from fedleak.tasks import source_of

OF_DATA: dict[Kind, type[InputSpace]] = {"columns": Table, "secrets": Text}
"""What is guessed of one kind of examples alone."""
AT_SERVICE, AT_RELEASE = "answers", "release"


def fitting_attacks(campaign: Campaign) -> list[str]:
    """The attacks that look at something there is, by name; of those that read what was planted, what somebody did."""
    experiments = [point.experiment for point in campaign.points]
    views = frozenset[type[View]]().union(*map(views_of, experiments))
    done = frozenset[str]().union(*map(_done, experiments))
    tasks = {repr(one.task): one.task for one in experiments}
    spaces = {type(space_of_source(source_of(task))) for task in tasks.values()}
    return [
        cls.name
        for cls in attacks
        if (cls.declared is View or cls.declared in views) and _readable(cls.name, done) and _told(cls.name, spaces)
    ]


def fitting_defenses(campaign: Campaign) -> list[str]:
    """The defenses that act on something there is, by name."""
    views = frozenset[type[View]]().union(*(views_of(point.experiment) for point in campaign.points))
    return [cls.name for cls in defenses if _acts(cls, views)]


def views_of(experiment: Experiment) -> frozenset[type[View]]:
    """What somebody sees of a federation: updates or a cut, models that leave it, answers of a service."""
    seen: set[type[View]] = {Observation if experiment.federation.split is None else Cut}
    if experiment.federation.releases:
        seen.add(Released)
    if experiment.adversary.queries is not None:
        seen.add(Served)
    return frozenset(seen)


def _done(experiment: Experiment) -> frozenset[str]:
    """What servers and training code do beside what they are for, by name."""
    return deeds_of(experiment.server) | {one.name for one in built(experiment.adversary.does)}


def _readable(name: str, done: frozenset[str]) -> bool:
    made = _built().get(name)
    return made is None or not made.reads or bool(made.reads & done)


def _told(name: str, spaces: set[type[InputSpace]]) -> bool:
    """Whether examples here are of the kind that it guesses something of; at a cut labels are a column of any."""
    made = _built().get(name)
    return (
        made is None or made.declared is Cut or all(OF_DATA[kind] in spaces for kind in made.targets & OF_DATA.keys())
    )


@cache
def _built() -> dict[str, Attack[View]]:
    """Each attack that can be built without more being said than what is wrapped."""
    plain = [entry for entry in entries("attack") if entry.needed in ((), ("attack",))]
    return {one.name: attacks.build(one.name, dict.fromkeys(one.needed, SOMETHING)) for one in plain}


def _acts(cls: type[Defense], views: frozenset[type[View]]) -> bool:
    acts = cls.acts_on
    if AT_SERVICE in acts:
        return Served in views
    if AT_RELEASE in acts:
        return bool({Released, Served} & views)
    return Cut in views if acts & AT_CUT else Observation in views or acts <= ANYWHERE
