"""Differential-privacy guarantees of several defenses: the strongest that one of them gives, and what voids it."""

from collections.abc import Iterator
from dataclasses import replace

from fedleak.accounting.guarantee import Guarantee, Proven, ResponseGuarantee
from fedleak.accounting.mechanism import Beside, Mechanism, Response, Situation, Unproven, Vantage, cohort_of
from fedleak.contracts.defense import Defense, Place
from fedleak.formatting import listed
from fedleak.settings.dropouts import most_leaving
from fedleak.settings.federation import FederationSettings

PASSED_BY: frozenset[Place] = frozenset({"share", "examples", "gradient"})
"""Where a defense acts on less than all that training code can put into the update that is sent."""


def situation_under(
    federation: FederationSettings, view: Vantage, protocol: Defense | None, beside: Beside = ()
) -> Situation:
    """How clients train, seen from somewhere, under a protocol if there is one.

    Fewest clients that are in a sum are those that the protocol asks for, or that the experiment lets stay.
    """
    planned = None if protocol is None else protocol.planned((federation,))
    least = None if planned is None else planned.least_survivors
    leaving = most_leaving(federation.dropouts, federation.clients)
    summands = least if least is not None or not leaving else max(cohort_of(federation) - leaving, 1)
    grid = 0.0 if planned is None else planned.grid
    return Situation(federation=federation, view=view, survivors=summands, grid=grid, beside=beside)


def strongest_guarantee(
    defenses: tuple[Defense, ...],
    phases: tuple[FederationSettings, ...],
    situations: list[Situation],
    unprotected: str | None,
) -> Proven | Unproven:
    """The strongest guarantee that one of the defenses gives over all phases of a run, or why there is none.

    `situations` has how clients train in each phase under the whole chain; `unprotected` names a buffer that leaves
    clients as training made it, if there is one. One about whole examples or clients goes before a randomized response,
    which is about a few columns, and holds for whatever is made of it.
    """
    noisy = _strongest_noise(defenses, phases, situations, unprotected)
    if isinstance(noisy, Unproven):
        responses = [
            ResponseGuarantee(defense=defenses[place].name, response=claim)
            for place, claim in _claims(defenses, situations[0])
            if isinstance(claim, Response)
        ]
        return min(responses, key=lambda one: one.response.epsilon, default=noisy)
    return noisy


def _strongest_noise(
    defenses: tuple[Defense, ...],
    phases: tuple[FederationSettings, ...],
    situations: list[Situation],
    unprotected: str | None,
) -> Guarantee | Unproven:
    leaving = [defense.name for defense in defenses if defense.leaves_by_examples]
    if leaving:
        return Unproven(
            f"'{leaving[0]}' has clients leave rounds by what it finds in their examples, which no noise covers; set "
            'on_alarm = "report" there'
        )
    found = [dict(mechanisms(defenses, situation)) for situation in situations]
    always = [place for place in found[0] if all(place in later for later in found)]
    if not always:
        return Unproven(_why_nothing(defenses, situations))
    if unprotected is not None:
        always = [place for place in always if all(one[place].buffers for one in found)]
    if not always:
        return Unproven(
            f"the network's buffer '{unprotected}' leaves clients as training made it, without noise; "
            "take a network with group normalization, or withhold its buffers"
        )
    view = situations[0].view
    guarantees = [_composed(defenses[place].name, phases, [one[place] for one in found], view) for place in always]
    mixing = [defense.name for defense in defenses if "examples" in defense.acts_on or defense.mixes_share]
    sound = [one for one in guarantees if not mixing or one.mechanism.protects == "client"]
    if not sound:
        return Unproven(
            f"'{mixing[0]}' changes the examples first, so that an original may be in several of those that "
            f"'{guarantees[0].defense}' protects"
        )
    return min(sound, key=lambda one: one.shift)


def mechanisms(defenses: tuple[Defense, ...], situation: Situation) -> Iterator[tuple[int, Mechanism]]:
    """The places of the defenses that prove something, each with what it proves of one round."""
    for place, claim in _claims(defenses, situation):
        if isinstance(claim, Mechanism) and claim.noise_multiplier > 0:
            yield place, claim


def _claims(
    defenses: tuple[Defense, ...], situation: Situation
) -> Iterator[tuple[int, Mechanism | Response | Unproven | None]]:
    for place, defense in enumerate(defenses):
        claim = defense.mechanism(situation)
        passed = isinstance(claim, Mechanism | Response) and situation.beside and defense.acts_on & PASSED_BY
        yield place, _passed_by(defense, situation.beside) if passed else claim
        situation = replace(situation, norm=defense.sensitivity_bound(situation.norm))


def _passed_by(defense: Defense, beside: Beside) -> Unproven:
    return Unproven(
        f"the training code does {listed(beside)}, which '{defense.name}' does not see: it proves something of clients "
        "whose code is honest; defenses of the update that is sent, such as local-dp, act on all that is in it"
    )


def _composed(name: str, phases: tuple[FederationSettings, ...], proved: list[Mechanism], view: Vantage) -> Guarantee:
    if proved[0].once:
        return Guarantee(mechanism=proved[0], rounds=1, defense=name, view=view)
    later = _composed(name, phases[1:], proved[1:], view) if len(phases) > 1 else None
    return Guarantee(mechanism=proved[0], rounds=phases[0].rounds, defense=name, view=view, later=later)


def _why_nothing(defenses: tuple[Defense, ...], situations: list[Situation]) -> str:
    """Why none of the defenses has a mechanism in this view, in every part of the run."""
    outside = [place for place, _ in mechanisms(defenses, replace(situations[0], view="model"))]
    if outside and situations[0].view == "message":
        return (
            f"'{defenses[outside[0]].name}' adds noise where the updates have arrived already: it protects from those "
            "who see the averaged model, and not from the server"
        )
    refused = [claim for one in situations for _, claim in _claims(defenses, one) if isinstance(claim, Unproven)]
    if refused:
        return refused[0].reason
    if any(True for _ in mechanisms(defenses, situations[0])):
        return "what it proves of the recorded rounds does not hold in those after them, where clients train otherwise"
    return "no defense of the chain adds noise that is large enough for what it bounds; see local-dp and dp-sgd"
