"""The contract of a defense, the registry that finds defenses by name, and chains of them."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Generator

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.accounting.mechanism import Mechanism, Situation, View
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.update import Update, dense_bytes
from fedleak.settings import FederationSettings, Table


def planned(chain: tuple[Defense, ...], phases: tuple[FederationSettings, ...]) -> tuple[Defense, ...]:
    """The chain as it acts in a run; `phases` as the experiment has them, before defenses have a say in training."""
    trained = tuple(trained_with(phase, chain) for phase in phases)
    return tuple(defense.planned(trained) for defense in chain)


def protect(update: Update, chain: tuple[Defense, ...], rng: Generator) -> Update:
    """Applies the defenses to an update in order, for a client that kept nothing."""
    for defense in chain:
        update = defense.protect(update, rng)
    return update


def public_task(task: Task, chain: tuple[Defense, ...]) -> Task:
    """The task as it is trained under a chain; raises `ConfigError` where a defense does not fit the network."""
    for defense in chain:
        defense.require(task)
        task = defense.harden(task)
    _require_shared(task, chain)
    return task


def _require_shared(task: Task, chain: tuple[Defense, ...]) -> None:
    """Refuses a chain that withholds what it replaces itself, or all that there is; `task` is the hardened one."""
    withholding = [defense for defense in chain if type(defense).withheld is not Defense.withheld]
    for defense in withholding:
        if not defense.withheld(task):
            raise ConfigError(
                f"'{defense.name}' withholds layers that a later defense of the chain replaces, so that it would "
                "withhold nothing; leave one of them out"
            )
    if withheld_from(task, chain).issuperset(name for name, _ in task.network.named_parameters()):
        names = " and ".join(f"'{defense.name}'" for defense in withholding)
        raise ConfigError(
            f"{names} withhold every parameter of '{task.name}', so that clients would share nothing; "
            "leave out one layer at least"
        )


def shapes_the_network(defense: Defense) -> bool:
    """Whether a defense asks something of the network or changes it."""
    return type(defense).require is not Defense.require or type(defense).harden is not Defense.harden


def trained_with(federation: FederationSettings, chain: tuple[Defense, ...]) -> FederationSettings:
    """How clients train under a chain."""
    for defense in chain:
        federation = defense.settings(federation)
    return federation


def withheld_from(task: Task, chain: tuple[Defense, ...]) -> frozenset[str]:
    """Names of the parameters and buffers that never leave a client; `task` is the hardened one."""
    return frozenset(name for defense in chain for name in defense.withheld(task))


def encoded_bytes(sent: Update, chain: tuple[Defense, ...]) -> int:
    """What an update takes as the last defense of a chain encodes it that changes updates or has an encoding."""
    plain = (Defense.protect, Defense.encoded_bytes)
    acting = [one for one in chain if (type(one).protect, type(one).encoded_bytes) != plain]
    return acting[-1].encoded_bytes(sent) if acting else dense_bytes(sent.tensors)


def protocol_of(chain: tuple[Defense, ...]) -> Defense | None:
    """The defense of the chain that needs a wire protocol, if there is one; raises when it is not the only and last."""
    needing = [defense for defense in chain if defense.protocol is not None]
    if not needing:
        return None
    if len(needing) > 1 or chain[-1] is not needing[0]:
        raise ConfigError(
            f"'{needing[0].name}' masks what the other defenses produced, so it must come once and last in a chain; "
            f"got {', '.join(defense.name for defense in chain)}"
        )
    return needing[0]


def of_the_gradient(chain: tuple[Defense, ...]) -> Defense | None:
    """The defense of the chain that says what gradient a step follows; raises where there are two."""
    acting = [defense for defense in chain if type(defense).gradient is not Defense.gradient]
    if len(acting) > 1:
        names = " and ".join(f"'{defense.name}'" for defense in acting)
        raise ConfigError(f"{names} each say what gradient a local step follows and cannot be chained; keep one")
    return acting[0] if acting else None


def build_chain(chain: tuple[Table, ...], where: str = "chain") -> tuple[Defense, ...]:
    """The defenses of a chain in order, from the tables of an experiment; refuses what cannot be chained."""
    built = tuple(defenses.from_table(table, f"{where}.{i}") for i, table in enumerate(chain))
    try:
        protocol_of(built)
        of_the_gradient(built)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return built


# What a whole chain of defenses proves to each client, and what voids it.

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
