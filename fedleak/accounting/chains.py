"""What a whole chain of defenses proves to each client, and what voids it."""

from collections.abc import Iterator
from dataclasses import replace

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.accounting.mechanism import Mechanism, Situation, View
from fedleak.defense import Defense, protocol_of, trained_with, withheld_from
from fedleak.settings import FederationSettings
from fedleak.task import Task

_MODEL: View = "model"


def guarantee_of(
    chain: tuple[Defense, ...], phases: tuple[FederationSettings, ...], task: Task, *, view: View | None = None
) -> Guarantee | Unproven:
    """The strongest guarantee that one defense of a chain gives over all rounds of a run.

    `phases` are `PlanSettings.phases` or the first of them, as the experiment has them; `task` is the hardened one.
    The view is the server's by default: the sum under secure aggregation, else messages. What is proved is about
    weights, and clients under such a chain report no loss beside them (`tells_the_loss`). Not covered are the number of
    examples, and what clients report of the public test split with layers that they share with nobody.
    """
    acting = tuple(defense for defense in chain if defense.protocol is None)
    seen: View = view or ("message" if protocol_of(chain) is None else "sum")
    situations = [Situation(federation=trained_with(phase, chain), view=seen) for phase in phases]
    found = [dict(_mechanisms(acting, situation)) for situation in situations]
    always = [place for place in found[0] if all(place in later for later in found)]
    if not always:
        return Unproven(_nothing(acting, situations))
    leaving = [name for name, value in task.network.named_buffers() if value.is_floating_point()]
    bare = sorted(set(leaving) - withheld_from(task, acting))
    if bare and seen != _MODEL:
        return Unproven(
            f"the network's buffer '{bare[0]}' leaves clients as training made it, without noise; "
            "take a network with group normalisation, or withhold its buffers"
        )
    guarantees = [_composed(acting[place].name, phases, [one[place] for one in found]) for place in always]
    mixing = [defense.name for defense in acting if type(defense).examples is not Defense.examples]
    sound = [one for one in guarantees if not mixing or one.mechanism.protects == "client"]
    if not sound:
        return Unproven(
            f"'{mixing[0]}' changes the examples first, so that an original may be in several of those that "
            f"'{guarantees[0].defense}' protects"
        )
    return min(sound, key=lambda one: one.shift)


def tells_the_loss(chain: tuple[Defense, ...], federation: FederationSettings) -> bool:
    """Whether clients report their training loss in clear: not where a chain proves something that it would void."""
    acting = tuple(defense for defense in chain if defense.protocol is None)
    situation = Situation(federation=trained_with(federation, chain))
    return not any(True for _ in _mechanisms(acting, situation))


def _mechanisms(chain: tuple[Defense, ...], situation: Situation) -> Iterator[tuple[int, Mechanism]]:
    """The places in a chain that prove something, each with what it proves of one round."""
    for place, defense in enumerate(chain):
        mechanism = defense.mechanism(situation)
        if mechanism is not None and mechanism.noise_multiplier > 0:
            yield place, mechanism
        situation = replace(situation, norm=defense.bounded(situation.norm))


def _composed(name: str, phases: tuple[FederationSettings, ...], mechanisms: list[Mechanism]) -> Guarantee:
    later = _composed(name, phases[1:], mechanisms[1:]) if len(phases) > 1 else None
    return Guarantee(mechanism=mechanisms[0], rounds=phases[0].rounds, defense=name, later=later)


def _nothing(chain: tuple[Defense, ...], situations: list[Situation]) -> str:
    """Why no defense of a chain has a mechanism in this view, in every part of the run."""
    outside = [place for place, _ in _mechanisms(chain, replace(situations[0], view=_MODEL))]
    if outside and situations[0].view == "message":
        return (
            f"'{chain[outside[0]].name}' adds noise where the updates have arrived already: it protects from those who "
            "see the averaged model, and not from the server"
        )
    if any(True for _ in _mechanisms(chain, situations[0])):
        return "what it proves of the recorded rounds does not hold in those after them, where clients train otherwise"
    return "no defense of the chain adds noise that is large enough for what it bounds; see local-dp and dp-sgd"
