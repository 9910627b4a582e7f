"""Captures: what an adversary saw, and the truth beside it, in memory: of a federation, your model, or your API."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.criterion import Loss, given_criterion, takes_single_logit
from fedleak.contracts.defense import Defense
from fedleak.contracts.manipulation import Manipulation
from fedleak.contracts.observation import Observation
from fedleak.contracts.plugin import plain
from fedleak.contracts.served import Served
from fedleak.data.public import public_examples
from fedleak.errors import ConfigError, FederationError, echo
from fedleak.evaluation.challenge import Challenge, Question, question_among
from fedleak.evaluation.message import Message
from fedleak.evaluation.narrowed import owners_in
from fedleak.experiment.experiment import repeatable
from fedleak.federation.outcome import ClientFailure
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.formatting import listed
from fedleak.learning.batch import Batch
from fedleak.learning.given import examples_of, module_of, task_of
from fedleak.learning.poisson import reported_examples
from fedleak.learning.task import Task
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import seeded
from fedleak.serving.callable_service import TOLERANCE, Arrays, CallableService
from fedleak.settings.base import Table, parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of


@dataclass(frozen=True)
class Capture:
    """What the server saw in one message, and beside it the truth, which only `score` reads."""

    observation: Observation
    truth: Batch
    others: tuple[Observation, ...] = ()
    """What else the server had seen by then, for attacks that want it."""
    question: Question | None = None
    """Whose examples the truth could be mistaken for, for attacks that are asked about candidates."""
    seen: Batch | None = None
    """The truth with NaN for what a defense kept out of training; None where it kept nothing out."""
    whose: Int[Tensor, " batch"] | None = None
    """The client that each example of the truth is of; None: all are of one."""

    @property
    def challenge(self) -> Challenge | None:
        """The candidates, and which of them are behind the update; the same each time."""
        return None if self.question is None else self.question.challenge()


def capture(
    task: str | Table,
    *,
    defense: Sequence[Defense | Table] = (),
    server: Sequence[Manipulation | Table] = (),
    seed: int = 0,
    model: Table | None = None,
    adversary: Table | None = None,
    **federation: Any,
) -> list[Capture]:
    """Runs a tapped federation in this process; one capture for each message that the server recorded.

    `federation`, `model` and `adversary` are the tables of an experiment: `capture("digits-mlp", clients=2,
    batch_size=4)`; `server` is what whoever runs it does beside averaging. Under secure aggregation the last capture of
    a round is the aggregate. Raises `ConfigError` for what an experiment file would be refused for, and
    `FederationError` when a client failed.
    """
    # Flower takes a while to import, and who attacks a model of their own needs none.
    from fedleak.federation.engine import run_federation

    chain = [plain(part) if isinstance(part, Defense) else part for part in defense]
    does = [plain(part) if isinstance(part, Manipulation) else part for part in server]
    with tempfile.TemporaryDirectory(prefix="fedleak-") as folder:
        tree = {
            "task": task,
            "seed": seed,
            "federation": federation,
            "model": model or {},
            "adversary": adversary or {},
            "chain": list(repeatable(tuple(chain))),
            "server": {"name": "malicious", "chain": does} if does else {},
            "records": ["updates"],
            "recordings": f"{folder}/recordings",
            "vault": f"{folder}/vault",
        }
        plan = parse_settings(FederationPlan, tree)
        report = run_federation(plan)
        _require_every_client(report.failures)
        auxiliary = public_examples(plan.source, plan.adversary.auxiliary)
        recordings, vault = Path(plan.recordings), Path(plan.vault)
        captures = [
            _captured(Message(path=it, recordings=recordings, vault=vault), auxiliary) for it in report.recordings
        ]
    return [replace(one, others=_before(one.observation, captures)) for one in captures]


def observe(
    model: nn.Module,
    inputs: Float[Tensor | np.ndarray, "batch channels height width"],
    labels: Shaped[Tensor | np.ndarray, "batch *classes"] | Sequence[int] | Sequence[Sequence[int]],
    *,
    defense: Sequence[Defense | Table] = (),
    auxiliary: Batch | None = None,
    strangers: Batch | None = None,
    seed: int = 0,
    loss: Loss = "cross-entropy",
    loss_options: Table | None = None,
    **training: Any,
) -> Capture:
    """What a server would see if a client trained your classifier, from its present weights, on these images in [0, 1].

    `labels` are class indices or, where an image may have several, rows of zeros and ones.

    `training` holds fields of `[federation]`; without any it is one step of SGD on the whole batch. `loss` is one of
    `[task]` by name, with its options, a function of outputs and labels, or one of torch's. `auxiliary` is
    public data of the same kind that the adversary holds, `strangers` are other examples of that kind from which an
    attack that is asked who was there must tell yours: a hundred or more, none of them public. Raises `ConfigError` for
    an unknown or impossible field, for a defense that needs several clients (use `capture`), and for a model, images or
    labels that are not such.

    The model is left as it is, and may be in any precision, in which the client then computes, in `DataParallel` or
    compiled, and on any device; all is computed in main memory. It takes the images alone, and returns scores, or a
    mapping that has them as "logits". Parameters with `requires_grad = False`, and those that have no part in the
    scores, are neither trained nor sent; a tied parameter is sent once, under its first name.
    """
    truth = examples_of(inputs, labels, auxiliary=auxiliary, strangers=strangers)
    network = module_of(model, mode_is_said="mode" in training)
    chain = Chain.build(tuple(plain(part) if isinstance(part, Defense) else part for part in defense))
    if (protocol := chain.protocol) is not None:
        raise ConfigError(
            f"'{protocol.name}' needs a federation of several clients; use capture(...) in place of observe"
        )
    size = training.get("batch_size", len(truth))
    batches = -(-len(truth) // size) if isinstance(size, int) and size > 0 else 1
    if training.get("drop_last") and isinstance(size, int) and size > 0 and len(truth) % size:
        raise ConfigError(
            f"observe: drop_last would leave {len(truth) % size} of {len(truth)} images out; give a multiple of "
            f"batch_size = {size}"
        )
    settings = {"batch_size": size, "batches": batches, **training}
    federation = parse_settings(FederationSettings, settings)
    chain = chain.planned((federation,))
    facts = chain.settings(federation).training()
    with seeded(seed, "initial weights"):  # of lazy layers, and of those that a defense puts in
        bare = task_of(network, truth, facts.mode or "train", single_logit=takes_single_logit(loss))
        task = chain.task(replace(bare, criterion=given_criterion(loss, loss_options or {}, bare, truth)))
    before = weights_of(task.network)
    after = reply(task, before, truth, facts, chain, (seed, "observe")).weights
    observation = Observation(
        task=task,
        before=before,
        update=Update({n: after.parameters[n] - v for n, v in before.parameters.items()}, UpdateKind.DELTA),
        buffers_after=after.buffers or None,
        num_examples=reported_examples(len(truth), facts),
        training=facts,
        defense=chain,
        auxiliary=auxiliary,
    )
    masks = chain.seen(truth, (seed, "observe"))
    return Capture(
        observation,
        truth,
        question=None if strangers is None else question_among(truth, strangers, seed),
        seen=replace(truth, inputs=truth.inputs.masked_fill(~masks, torch.nan)),
    )


@dataclass(frozen=True)
class Audit:
    """A prediction API of your own as its user sees it, and beside it the truth, which only `score` reads."""

    view: Served
    truth: Batch | None = None
    """Examples of the classes that are asked about, which the model was trained on."""
    judging: Batch | None = None
    """Examples of every class that two judges learn from and are tried on, half of them each; nobody attacks these."""


def serve(
    function: Callable[[Any], Any],
    public: Batch,
    *,
    classes: int,
    queries: int,
    asked: Sequence[int] = (),
    truth: Batch | None = None,
    judging: Batch | None = None,
    arrays: Arrays = "torch",
    tolerance: float = TOLERANCE,
) -> Audit:
    """A function from inputs to rows of probabilities as a prediction API that answers `queries` inputs in all.

    `function` gets a tensor of shape (number, *shape) in float32, or with `arrays` a numpy array, and gives a row for
    each. `public` are examples of the same kind that the adversary holds; it is `asked` what these classes look like,
    by default those that it has no example of, or else all. Every input that is asked counts, over all attacks on it.
    Raises `ConfigError` for classes that there are not, and for what is no function, no `Batch` or no kind of array.
    """
    _require_what_serves(function, arrays, public=public, truth=truth, judging=judging)
    held = set(public.labels.tolist())
    wanted = tuple(asked) or tuple(label for label in range(classes) if label not in held) or tuple(range(classes))
    for where, named in (("asked", wanted), ("public", held)):
        if outside := [label for label in named if not 0 <= label < classes]:
            raise ConfigError(f"serve: {where}: expected classes of 0 to {classes - 1}, got {outside[0]}")
    service = CallableService(function, public.space, classes, queries=queries, arrays=arrays, tolerance=tolerance)
    task = Task("your API", nn.Identity(), public.space.shape, classes, given=public.space)
    view = Served(task=task, service=service, auxiliary=public, classes=wanted)
    return Audit(view, truth, judging)


def _require_what_serves(function: Callable[[Any], Any], arrays: str, **examples: Batch | None) -> None:
    if not callable(function):
        raise ConfigError(f"serve: expected a function from inputs to rows of probabilities, got {echo(function)}")
    if arrays not in get_args(Arrays):
        raise ConfigError(f"serve: expected arrays of {listed(get_args(Arrays), 'or')}, got {echo(arrays)}")
    for name, given in examples.items():
        if given is not None and not isinstance(given, Batch):
            raise ConfigError(f"serve: {name}: expected Batch(inputs, labels), got {type(given).__name__}")


def _require_every_client(failures: Sequence[ClientFailure]) -> None:
    for first in failures:
        if not first.planned:
            lost, failed = f"round {first.round} was lost", f"client {first.client} failed in round {first.round}"
            raise FederationError(f"{lost if first.client is None else failed}: {first.reason}")


def _captured(message: Message, auxiliary: Batch | None) -> Capture:
    observation = message.recording.observation().with_auxiliary(auxiliary)
    return Capture(observation, message.truth, question=message.question, seen=message.seen, whose=owners_in(message))


def _before(observation: Observation, captures: Sequence[Capture]) -> tuple[Observation, ...]:
    """As `Message.others`, of what is in memory."""
    known = (one.observation.with_auxiliary(None) for one in captures if one.observation is not observation)
    return tuple(one for one in known if one.round <= observation.round)
