"""Criteria by address: cross-entropy, binary cross-entropy, mean squared error, or a loss of the user's."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from fedleak.contracts.foreign import arguments_for
from fedleak.contracts.imports import imported
from fedleak.contracts.model import LIKELIHOOD
from fedleak.contracts.network import BINARY, as_it_is, outputs_allowed, require_scores
from fedleak.errors import ConfigError, did_you_mean, first_line
from fedleak.learning.batch import Batch, as_shares
from fedleak.learning.likelihood import Likelihood
from fedleak.learning.loss import Criterion, CrossEntropy, Labels, OneAgainstRest, Scores, SquaredError
from fedleak.learning.networks import tried
from fedleak.learning.source import Source
from fedleak.learning.task import Task
from fedleak.settings.base import Amount, Rate, Settings, Table, parse_settings
from fedleak.settings.task import TaskSettings, is_own

PLACE = "task.loss"
OPTIONS = "task.loss_options"


class _CrossEntropy(Settings):
    class_weights: Annotated[tuple[Rate, ...], Field(strict=False)] = ()
    label_smoothing: Annotated[Amount, Field(lt=1)] = 0.0


class _Binary(Settings):
    positive_weight: Rate | None = None


Loss = str | Callable[..., Tensor]
LEVELS = [step / 20 for step in range(-80, 81)]
"""Scores that a user's loss is tried at, to see which it takes for a label."""
PLAIN = {"mean-squared-error": SquaredError, LIKELIHOOD: Likelihood}
NAMES = ("cross-entropy", BINARY, *PLAIN)


@dataclass(frozen=True, kw_only=True)
class OwnLoss(Criterion):
    """A user's function of outputs and labels (class indices, or rows of 0.0 and 1.0 where an example has several),
    which returns the mean loss of a batch."""

    address: str
    function: Callable[[Tensor, Tensor], Tensor]
    flat: bool = False
    """Whether the network gives a single logit in shape (batch,) and not (batch, 1): the function gets it so."""

    @property
    def words(self) -> str:
        return self.address

    def decided(self, scores: Scores) -> Labels:
        """The highest score; of several labels all whose scores are past the point where to have them costs less."""
        if not self.several_labels:
            return super().decided(scores)
        return (scores > _borderlines(self, scores.shape[1]).to(scores)).long()

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        """By one call for each example: what mixes examples is left out."""
        return torch.stack([self.mean(scores[i : i + 1], labels[i : i + 1]) for i in range(len(labels))])

    def mean(self, scores: Scores, labels: Labels, shares: Float[Tensor, " batch"] | None = None) -> Float[Tensor, ""]:
        if shares is not None:
            return super().mean(scores, labels, shares)
        outputs = scores[:, 1:] if self.single_logit else scores
        outputs = outputs[:, 0] if self.flat else outputs
        labels = as_shares(labels, scores) if self.several_labels else labels
        try:
            loss = self.function(outputs, labels)
        except Exception as error:  # a function of anybody's raises whatever it likes
            several = "rows of zeros and ones" if self.several_labels else "probabilities"
            kind = several if labels.is_floating_point() else "class indices"
            raise ConfigError(
                f"task.loss: {self.address} does not take outputs of shape {tuple(outputs.shape)} and {kind} of shape "
                f"{tuple(labels.shape)} ({type(error).__name__}: {first_line(error)})"
            ) from error
        if not isinstance(loss, Tensor) or loss.dim():
            got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ConfigError(f"task.loss: expected {self.address} to return the mean loss of a batch, got {got}")
        return loss


@lru_cache(maxsize=8)
def _borderlines(loss: OwnLoss, classes: int) -> Float[Tensor, " classes"]:
    """For each label the score from which on the loss is lower with it than without it, all scores being alike.

    Scores that the loss refuses are passed over: one of probabilities takes those in [0, 1] alone. 0 where none is.
    """
    nobody, lines = torch.zeros(1, classes, dtype=torch.long), torch.zeros(classes)
    for label in range(classes):
        there, cheaper = nobody.clone(), dict[float, float]()
        there[0, label] = 1
        for score in LEVELS:
            scores = torch.full((1, classes), score)
            try:
                cheaper[score] = float(loss.mean(scores, nobody) - loss.mean(scores, there))
            except ConfigError:
                continue
        without = [score for score, gain in cheaper.items() if gain <= 0]
        lines[label] = max(without) if without and len(without) < len(cheaper) else 0.0
    return lines


def criterion_of(settings: TaskSettings, source: Source, network: nn.Module) -> Criterion:
    """What a table says that clients minimize; raises `ConfigError` as `criterion_for` does."""
    outputs = require_scores(network, settings.network or settings.label, source, outputs_allowed(settings, source))
    loss: Loss = _of_the_user(settings) if is_own(settings.loss) else settings.loss
    options = {} if is_own(settings.loss) else settings.loss_options
    criterion = criterion_for(
        loss,
        options,
        source.classes,
        single_logit=outputs == 1 and not source.several_labels,
        several_labels=source.several_labels,
        address=settings.loss,
    )
    return as_given(criterion, network, torch.full((2, *source.shape), 0.5))


def given_criterion(loss: Loss, options: Table, bare: Task, examples: Batch) -> Criterion:
    """What a caller says that is minimized, for the task that their network and examples make."""
    criterion = criterion_for(
        loss,
        options,
        bare.classes,
        single_logit=bare.criterion.single_logit,
        several_labels=examples.labels.dim() == 2,
    )
    return as_given(criterion, bare.network, examples.inputs[:2])


def as_given(criterion: Criterion, network: nn.Module, examples: Tensor) -> Criterion:
    """A user's loss of a single logit, which gets it in the shape that the network gives."""
    if not isinstance(criterion, OwnLoss) or not criterion.single_logit:
        return criterion
    return replace(criterion, flat=tried(network, examples, "eval", PLACE, "the network").dim() == 1)


def criterion_for(
    loss: Loss,
    options: Table,
    classes: int,
    *,
    single_logit: bool,
    several_labels: bool = False,
    address: str | None = None,
) -> Criterion:
    """The criterion of that name, of torch's own losses, or of a function of outputs and labels.

    Raises `ConfigError` where there is no such loss, it does not take these options, or examples have several labels
    and it takes one.
    """
    criterion = _criterion_for(loss, options, classes, single_logit, address)
    if several_labels and isinstance(criterion, CrossEntropy):
        raise ConfigError(
            f"{PLACE}: expected a loss of several labels an example, got {criterion.words}, which is of one; take "
            f"'{BINARY}' with an output for each of {classes} classes, or give class indices where each has one label"
        )
    return replace(criterion, several_labels=several_labels)


def _criterion_for(loss: Loss, options: Table, classes: int, single_logit: bool, address: str | None) -> Criterion:
    if isinstance(loss, nn.Module):
        return _of_torch(loss, classes, single_logit) or _own(loss, address, single_logit)
    if not isinstance(loss, str):
        return _own(loss, address, single_logit)
    if loss == "cross-entropy":
        chosen = parse_settings(_CrossEntropy, options, OPTIONS)
        return _cross_entropy(chosen.class_weights, chosen.label_smoothing, classes)
    if loss == BINARY:
        return _binary(parse_settings(_Binary, options, OPTIONS).positive_weight, single_logit)
    if loss in PLAIN:
        parse_settings(Settings, options, OPTIONS)
        return PLAIN[loss]()
    raise ConfigError(f"{PLACE}: no loss is called '{loss}'{did_you_mean(loss, (*NAMES, 'MODULE:NAME'))}")


def takes_single_logit(loss: Loss) -> bool:
    """Whether a loss may be of a single logit where there are two classes."""
    return loss == BINARY or not isinstance(loss, str | nn.CrossEntropyLoss | nn.MSELoss)


def _cross_entropy(weights: tuple[float, ...], smoothing: float, classes: int) -> Criterion:
    if len(weights) not in (0, classes):
        raise ConfigError(
            f"{OPTIONS}.class_weights: expected a weight for each of {classes} classes, got {len(weights)}"
        )
    return CrossEntropy(class_weights=weights, label_smoothing=smoothing)


def _binary(weight: float | None, single_logit: bool) -> Criterion:
    if single_logit:
        return CrossEntropy(single_logit=True, class_weights=() if weight is None else (1.0, weight))
    if weight is not None:
        raise ConfigError(f"{OPTIONS}.positive_weight: is for a single logit, and the network has more outputs")
    return OneAgainstRest()


def _of_torch(loss: nn.Module, classes: int, single_logit: bool) -> Criterion | None:
    """Torch's own losses as ours, whose labels can be inferred; None for others and for unusual forms of these."""
    if getattr(loss, "reduction", "mean") != "mean":
        raise ConfigError(f"{PLACE}: expected a mean over the batch, got {type(loss).__name__} of another reduction")
    if single_logit and isinstance(loss, nn.CrossEntropyLoss | nn.MSELoss):
        raise ConfigError(f"{PLACE}: expected a score for each class under {type(loss).__name__}, got a single logit")
    if isinstance(loss, nn.CrossEntropyLoss) and loss.ignore_index < 0:
        weights = () if loss.weight is None else tuple(loss.weight.tolist())
        return _cross_entropy(weights, loss.label_smoothing, classes)
    if isinstance(loss, nn.BCEWithLogitsLoss) and loss.weight is None:
        if loss.pos_weight is None:
            return _binary(None, single_logit)
        if single_logit and loss.pos_weight.numel() == 1:
            return _binary(float(loss.pos_weight.reshape(())), single_logit)
    return SquaredError() if isinstance(loss, nn.MSELoss) else None


def _own(loss: Callable[..., Tensor], address: str | None, single_logit: bool) -> Criterion:
    if isinstance(loss, nn.Module) and any(value.requires_grad for value in loss.parameters()):
        raise ConfigError(f"{PLACE}: {address} has parameters of its own to train, which nobody would send")
    name = address or str(getattr(loss, "__name__", type(loss).__name__))
    return OwnLoss(address=name, function=loss, single_logit=single_logit)


def _of_the_user(settings: TaskSettings) -> Callable[..., Tensor]:
    """The user's function with its options, or what their class makes of them."""
    found = imported(settings.loss, settings.folder, PLACE)
    if not callable(found):
        raise ConfigError(f"{PLACE}: expected {settings.loss} as a function or class, got {type(found).__name__}")
    arguments = arguments_for(found, settings.loss_options, {}, OPTIONS, as_it_is)
    if not inspect.isclass(found):
        function: Callable[..., Tensor] = partial(found, **arguments) if arguments else found
        return function
    try:
        made: Any = found(**arguments)
    except Exception as error:  # it is other people's code, and raises whatever it likes
        why = f"{type(error).__name__}: {first_line(error)}"
        raise ConfigError(f"{PLACE}: {settings.loss} cannot be made: {why}") from error
    if not callable(made):
        raise ConfigError(f"{PLACE}: expected {settings.loss} to make a function of outputs and labels")
    return made  # type: ignore[no-any-return]
