"""Criteria by address: cross-entropy, binary cross-entropy, mean squared error, or a loss of the user's."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from fedleak.contracts.foreign import arguments_for
from fedleak.contracts.imports import imported
from fedleak.contracts.network import BINARY, as_it_is, outputs_allowed, require_scores
from fedleak.errors import ConfigError, did_you_mean, first_line
from fedleak.learning.loss import Criterion, CrossEntropy, Labels, OneAgainstRest, Scores, SquaredError
from fedleak.learning.source import Source
from fedleak.settings.base import Amount, Rate, Settings, parse_settings
from fedleak.settings.task import TaskSettings, is_own

PLACE = "task.loss"
OPTIONS = "task.loss_options"


class _CrossEntropy(Settings):
    class_weights: Annotated[tuple[Rate, ...], Field(strict=False)] = ()
    label_smoothing: Annotated[Amount, Field(lt=1)] = 0.0


class _Binary(Settings):
    positive_weight: Rate | None = None


class _Nothing(Settings):
    pass


NAMES = ("cross-entropy", BINARY, "mean-squared-error")


@dataclass(frozen=True, kw_only=True)
class OwnLoss(Criterion):
    """A user's function of outputs and class indices, which returns the mean loss of a batch."""

    address: str
    function: Callable[[Tensor, Tensor], Tensor]

    @property
    def words(self) -> str:
        return self.address

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        """By one call for each example: what mixes examples is left out."""
        return torch.stack([self.mean(scores[i : i + 1], labels[i : i + 1]) for i in range(len(labels))])

    def mean(self, scores: Scores, labels: Labels, shares: Float[Tensor, " batch"] | None = None) -> Float[Tensor, ""]:
        if shares is not None:
            return super().mean(scores, labels, shares)
        outputs = scores[:, 1:] if self.single_logit else scores
        try:
            loss = self.function(outputs, labels)
        except Exception as error:  # a function of anybody's raises whatever it likes
            kind = "probabilities" if labels.is_floating_point() else "class indices"
            raise ConfigError(
                f"task.loss: {self.address} does not take outputs of shape {tuple(outputs.shape)} and {kind} of shape "
                f"{tuple(labels.shape)} ({type(error).__name__}: {first_line(error)})"
            ) from error
        if not isinstance(loss, Tensor) or loss.dim():
            got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ConfigError(f"task.loss: expected {self.address} to return the mean loss of a batch, got {got}")
        return loss


def criterion_of(settings: TaskSettings, source: Source, network: nn.Module) -> Criterion:
    """What clients minimize; raises `ConfigError` where there is no such loss, or it does not take these options."""
    outputs = require_scores(network, settings.network or settings.label, source, outputs_allowed(settings, source))
    single, options = outputs == 1, settings.loss_options
    if is_own(settings.loss):
        return OwnLoss(address=settings.loss, function=_own(settings), single_logit=single)
    if settings.loss == "cross-entropy":
        chosen = parse_settings(_CrossEntropy, options, OPTIONS)
        if len(chosen.class_weights) not in (0, source.classes):
            raise ConfigError(
                f"{OPTIONS}.class_weights: expected a weight for each of {source.classes} classes, got "
                f"{len(chosen.class_weights)}"
            )
        return CrossEntropy(class_weights=chosen.class_weights, label_smoothing=chosen.label_smoothing)
    if settings.loss == BINARY:
        weight = parse_settings(_Binary, options, OPTIONS).positive_weight
        if single:
            return CrossEntropy(single_logit=True, class_weights=() if weight is None else (1.0, weight))
        if weight is not None:
            raise ConfigError(
                f"{OPTIONS}.positive_weight: is for a single logit, and the network has {outputs} outputs"
            )
        return OneAgainstRest()
    if settings.loss == "mean-squared-error":
        parse_settings(_Nothing, options, OPTIONS)
        return SquaredError()
    raise ConfigError(
        f"{PLACE}: no loss is called '{settings.loss}'{did_you_mean(settings.loss, (*NAMES, 'MODULE:NAME'))}"
    )


def _own(settings: TaskSettings) -> Any:
    """The user's function with its options, or what their class makes of them."""
    found = imported(settings.loss, settings.folder, PLACE)
    if not callable(found):
        raise ConfigError(f"{PLACE}: expected {settings.loss} as a function or class, got {type(found).__name__}")
    if not inspect.isclass(found):
        return partial(found, **settings.loss_options) if settings.loss_options else found
    arguments = arguments_for(found, settings.loss_options, {}, OPTIONS, as_it_is)
    try:
        made = found(**arguments)
    except Exception as error:  # it is other people's code, and raises whatever it likes
        raise ConfigError(
            f"{PLACE}: {settings.loss} cannot be made: {type(error).__name__}: {first_line(error)}"
        ) from error
    if isinstance(made, nn.Module) and any(value.requires_grad for value in made.parameters()):
        raise ConfigError(f"{PLACE}: {settings.loss} has parameters of its own to train, which nobody would send")
    return made
