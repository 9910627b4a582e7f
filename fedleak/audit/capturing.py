"""Capturing: an update that was understood, as what the server saw of it, and the truth beside it."""

from dataclasses import replace
from typing import Any

from torch import nn

from fedleak.audit.examples import examples_reported
from fedleak.audit.replay import inside, unprefixed
from fedleak.audit.understanding import Understanding, Update
from fedleak.captures import Capture
from fedleak.contracts.chain import Chain
from fedleak.contracts.criterion import given_criterion, takes_single_logit
from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.given import task_of
from fedleak.learning.layers import copied, normalize_inputs
from fedleak.learning.networks import unwrapped
from fedleak.learning.update import Update as Change
from fedleak.learning.update import UpdateKind


def network_of(
    update: Update, known: Understanding, normalized: tuple[tuple[float, ...], tuple[float, ...]] | None
) -> nn.Module:
    """A copy of the network with the weights that were sent, and the normalization in front.

    What no optimizer has does not train, nor does what stays with the client: attackers have it as it began, see
    `fedleak.audit.knowledge.Compared`.
    """
    training = update.training
    assert training.network is not None
    network = copied(training.network)
    network.load_state_dict({**training.start, **known.before})
    stepped = {name for step in training.steps for group in step.groups for name in group["params"]}
    for name, value in network.named_parameters():
        trains = name not in known.kept and (name in stepped or not stepped)
        value.requires_grad_(value.requires_grad and trains)
    network, _ = inside(network)
    network = unwrapped(network, "audit", "the network").to("cpu").eval()
    if normalized is not None:
        normalize_inputs(network, *normalized)
    return network


def captured(
    update: Update,
    known: Understanding,
    network: nn.Module,
    truth: Batch,
    loss: tuple[str, dict[str, Any]],
    training: LocalTraining,
) -> Capture:
    """What the server saw of the update itself, and the truth beside it."""
    bare = task_of(copied(network), truth, training.mode or "train", single_logit=takes_single_logit(loss[0]))
    task = replace(bare, name=type(network).__name__, criterion=given_criterion(*loss, bare, truth))
    start = {**update.training.start, **known.before}
    names = {unprefixed(name): name for name in start}
    own = [name for name in task.network.state_dict() if name in names]
    before = task.split({name: start[names[name]] for name in own})
    after = task.split({name: {**start, **known.after}[names[name]] for name in own})
    observation = Observation(
        task=task,
        before=before,
        update=Change({n: after.parameters[n] - v for n, v in before.parameters.items()}, UpdateKind.DELTA),
        buffers_after=None if set(after.buffers) & {unprefixed(name) for name in known.kept} else after.buffers or None,
        num_examples=_examples(update, training, len(truth)),
        training=training,
        defense=defenses_in(update),
        round=update.round,
        cohort=(update.client,),
    )
    return Capture(observation, truth)


def _examples(update: Update, training: LocalTraining, present: int) -> int:
    """How many are reported, and no more than all batches have; where nothing is reported, how many there are."""
    reported = examples_reported(update)
    size, batches = training.batch_size or 1, training.batches or 1
    return present if not reported else min(reported, size * batches)


def defense_of(update: Update) -> str:
    """What protects the update on its way to the server, by name, for rules and reports; `none` where nothing does."""
    private = ("dp-sgd",) if update.training.private is not None else ()
    return "+".join((*private, *(mod.name for mod in update.mods if mod.protects))) or "none"


def defenses_in(update: Update) -> Chain:
    """What the mods do to the update, as far as an attacker can reckon with it: it has the app."""
    parts: list[dict[str, Any]] = []
    private = update.training.private
    if private is not None:
        parts.append({"use": "dp-sgd", "max_norm": private.max_norm, "noise_multiplier": private.noise_multiplier})
    for mod in update.mods:
        if mod.noise:
            parts += [
                {"use": "clipping", "max_norm": mod.options["clipping_norm"]},
                {"use": "gaussian-noise", "std": mod.noise},
            ]
    return Chain.build(tuple(parts))
