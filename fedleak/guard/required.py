"""Mods that a site demands: Flower's own, around what answers, with numbers within bounds, and in force."""

import inspect
from collections.abc import Callable
from importlib import import_module
from math import log, sqrt
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.client.mod.utils import make_ffn
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, adaptiveclipping_mod, fixedclipping_mod

from fedleak.errors import ConfigError, first_line
from fedleak.guard.arrays import Pair
from fedleak.guard.journal import Refused, figure
from fedleak.guard.policy import Policy, Required
from fedleak.guard.weights import norm_of

Answering = Callable[[Message, Context], Message]
FLOWER = "flwr.clientapp.mod"
DEFAULT = "default"
CLIPPING_NORM = "clipping_norm"
DEVIATIONS = 6.0
"""How far a norm of normal noise may be from its usual value: beyond it is one draw in ten million."""
ROUNDING = 1e-3
"""The share by which single precision may carry a norm beyond a clip."""


def reference(name: str) -> Any:
    """What `MODULE:NAME` names; raises `ConfigError` where it cannot be imported."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # whatever a module raises as it is imported
        raise ConfigError(f"cannot import {name}: {first_line(error)}") from error


def answering_of(app: ClientApp, message_type: str) -> Answering | None:
    """What of an app answers a type of message, mods and all; None where nothing does."""
    if app._call is not None:
        return app._call
    category, _, action = message_type.partition(".")
    return app._registered_funcs.get(f"{category}.{action or DEFAULT}")


def mods_around(answering: Answering) -> list[Any]:
    """The mods that a message really passes, the outermost first, as Flower put them around a function."""
    mods = []
    while getattr(answering, "__code__", None) is _WRAPPED:
        held = inspect.getclosurevars(answering).nonlocals
        mods.append(held["_mod"])
        answering = held["_ffn"]
    return mods


_WRAPPED = getattr(
    make_ffn(lambda message, _: message, [lambda message, context, ask: ask(message, context)]), "__code__", None
)
"""The code of what Flower puts around a function for each mod."""


def require(policy: Policy, mods: list[Any], received: RecordDict) -> list[Any]:
    """The mods that a policy demands, of those that are there; raises `Refused` where one is not, or is too weak."""
    return [_found(one, mods, received) for one in policy.requires]


def _found(required: Required, mods: list[Any], received: RecordDict) -> Any:
    wanted = reference(required.mod if ":" in required.mod else f"{FLOWER}:{required.mod}")
    # A class of the same name, or one that derives from it, may do anything.
    found = [mod for mod in mods if mod is wanted or type(mod) is wanted]
    if not found:
        names = [getattr(mod, "__name__", type(mod).__name__) for mod in mods]
        raise Refused("requires", f"the app does not have the mod {required.mod}", f"it has {names}")
    for name, bound, limit in required.bounds:
        value = _number(found[0], name, received)
        if value is None:
            raise Refused("requires", f"{required.mod} tells no number '{name}'")
        if not (value >= limit if bound == "min" else value <= limit):
            least = "least" if bound == "min" else "most"
            reason = f"{required.mod} has {figure(value)} as its {name}, and at {least} {figure(limit)} is demanded"
            raise Refused("requires", reason)
    return found[0]


def _number(mod: Any, name: str, received: RecordDict) -> float | None:
    """A number of a mod: its own, or the one that the server sends it."""
    told = [getattr(mod, name, None), *(record.get(name) for record in received.config_records.values())]
    return next((float(one) for one in told if isinstance(one, int | float) and not isinstance(one, bool)), None)


def hold(mods: list[Any], pairs: list[Pair], received: RecordDict) -> None:
    """Raises `Refused` where a reply cannot have passed a mod that was demanded: its norm tells.

    Flower clips all arrays together, counters too.
    """
    size = sum(pair.after.size for pair in pairs)
    norm = norm_of([pair.difference for pair in pairs]) if mods else 0.0
    for mod in mods:
        if type(mod) is LocalDpMod:
            noise = mod.sensitivity * sqrt(2 * log(1.25 / mod.delta)) / mod.epsilon
            _hold_norm("LocalDpMod", norm, noise * (sqrt(size) - DEVIATIONS) - mod.clipping_norm, most=False)
            _hold_norm("LocalDpMod", norm, noise * (sqrt(size) + DEVIATIONS) + mod.clipping_norm, most=True)
        elif mod in (fixedclipping_mod, adaptiveclipping_mod):
            clip = _number(mod, CLIPPING_NORM, received)
            _hold_norm(mod.__name__, norm, float("nan") if clip is None else clip, most=True)


def _hold_norm(name: str, norm: float, limit: float, *, most: bool) -> None:
    if not (norm <= limit * (1 + ROUNDING) if most else norm >= limit * (1 - ROUNDING)):
        bound = "most" if most else "least"
        reason = f"the change has a norm of {figure(norm)}, and {name} leaves one of at {bound} {figure(limit)}"
        raise Refused("requires", reason)
