"""What a user gives: a module and examples, taken as people have them or refused in a sentence."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.facts import Mode
from fedleak.learning.loss import CrossEntropy
from fedleak.learning.networks import FEW, materialize, require_one_mode, set_aside_unreached, tried, unwrapped
from fedleak.learning.task import Task

# Examples.


def examples_of(inputs: Any, labels: Any, **others: Batch | None) -> Batch:
    """Images in [0, 1] and a class index for each, or a row of zeros and ones; halves become float32, all is a copy.

    Raises `ConfigError` where they are not such, or `others` beside them have labels of another kind.
    """
    images = _images(inputs)
    low, high = (float(end) for end in images.aminmax())
    if not (low >= 0 and high <= 1):
        raise ConfigError(
            f"observe: expected images in [0, 1], got {low:.3g} to {high:.3g}; give them as they are before they are "
            "normalized, and put the normalization into the model in front of its first layer"
        )
    truth = Batch(images, _labels(labels, len(images)))
    _require_alike(truth, others)
    return truth


def _require_alike(truth: Batch, others: dict[str, Batch | None]) -> None:
    """Refuses other examples whose labels are of another kind: class indices beside rows, or rows of another width."""
    for name, batch in others.items():
        if batch is not None and batch.labels.shape[1:] != truth.labels.shape[1:]:
            raise ConfigError(
                f"observe: expected labels of {name} of shape {('n', *truth.labels.shape[1:])}, as the images have, "
                f"got {tuple(batch.labels.shape)}"
            )


def _images(inputs: Any) -> Tensor:
    if isinstance(inputs, np.ndarray):
        inputs = torch.as_tensor(inputs)
    if not isinstance(inputs, Tensor):
        raise ConfigError(
            f"observe: expected images as one tensor, got {_kind(inputs)}; give a model of several inputs in a module "
            "that holds the others and takes the images alone"
        )
    plain = inputs.layout is torch.strided and not inputs.is_meta
    if not (plain and inputs.is_floating_point() and inputs.dim() == 4 and inputs.numel()):
        how = "" if plain else f" ({inputs.layout}, on {inputs.device})"
        raise ConfigError(
            f"observe: expected images as floats of shape (batch, channels, height, width), got {inputs.dtype} of "
            f"shape {tuple(inputs.shape)}{how}"
        )
    dtype = inputs.dtype if inputs.itemsize >= torch.float32.itemsize else torch.float32
    return inputs.detach().to("cpu", dtype, memory_format=torch.contiguous_format, copy=True)


def _labels(labels: Any, count: int) -> Tensor:
    if isinstance(labels, list | tuple):
        labels = [one.tolist() if isinstance(one, Tensor) else one for one in labels]
    try:
        given = torch.as_tensor(labels).detach()
    except (TypeError, ValueError, RuntimeError):
        given = torch.empty(0)
    plain = not (given.is_complex() or given.is_meta)
    plain = plain and given.layout is torch.strided
    if plain and given.shape == (count, 1):
        raise ConfigError(
            f"observe: expected labels of shape ({count},), one for each image, got ({count}, 1); give labels[:, 0]"
        )
    if plain and given.dim() == 2 and len(given) == count and given.shape[1] and ((given == 0) | (given == 1)).all():
        return given.to("cpu", torch.int64, copy=True)
    if not plain or given.is_floating_point() or given.dtype is torch.bool or given.shape != (count,):
        got = _kind(labels) if given.dim() == 0 or not given.numel() else f"{given.dtype} of shape {tuple(given.shape)}"
        raise ConfigError(
            f"observe: expected a class index for each of {count} images, got {got}; of several labels give rows of "
            "zeros and ones; probabilities and other targets cannot be attacked"
        )
    return given.to("cpu", torch.int64, copy=True)


def _kind(value: Any) -> str:
    """What something is, in a word or two."""
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return type(value).__name__ + (f" of {len(value)}" if isinstance(value, tuple | list | dict) else "")


# Modules.


def module_of(model: Any, *, mode_is_said: bool) -> nn.Module:
    """A copy of a model in memory, without what `DataParallel` and `torch.compile` put around it.

    Raises `ConfigError` for what is no module, for modules in both modes where none is said, and as `unwrapped` does.
    """
    if not isinstance(model, nn.Module):
        what = f"the class {model.__name__}" if isinstance(model, type) else _kind(model)
        raise ConfigError(f"observe: expected the model as an instance of torch.nn.Module, got {what}")
    if not any(value.requires_grad for value in model.parameters()):
        raise ConfigError("observe: expected a model with parameters to train, got none with requires_grad = True")
    if not mode_is_said:
        require_one_mode(model, "observe", 'call model.train() or model.eval(), or say mode = "train" or mode = "eval"')
    if not torch.is_grad_enabled():
        raise ConfigError("observe: gradients are off (torch.no_grad, torch.inference_mode); call it outside of that")
    network = unwrapped(model, "observe", "the model", copy=True)
    return network.to("cpu").eval()


def task_of(network: nn.Module, examples: Batch, mode: Mode, *, single_logit: bool = False) -> Task:
    """The task of classifying such examples; lazy layers get their shapes.

    Where a `single_logit` is allowed and the network gives one, there are two classes. Raises `ConfigError` where the
    network does not run on them, or the scores do not fit the labels.
    """
    materialize(network, examples.inputs[:FEW], "observe", "the model")
    outputs = tried(network, examples.inputs[:FEW], mode, "observe", "the model")
    single_logit = single_logit and outputs.numel() == len(outputs) and examples.labels.dim() == 1
    if single_logit:
        outputs = outputs.reshape(-1, 1).expand(-1, 2)
    classes = classes_of(outputs, examples.labels)
    set_aside_unreached(network, examples.inputs, mode)
    _, channels, height, width = examples.inputs.shape
    criterion = CrossEntropy(single_logit=single_logit)
    return Task(type(network).__name__, network, (channels, height, width), classes, criterion=criterion)


def classes_of(outputs: Tensor, labels: Tensor) -> int:
    """How many classes scores tell apart; raises `ConfigError` where it is fewer than the labels name, or one."""
    if outputs.dim() != 2 or outputs.shape[1] < 2:
        raise ConfigError(
            "observe: expected scores of shape (batch, classes) for two classes or more, got shape "
            f"{tuple(outputs.shape)}"
        )
    classes = outputs.shape[1]
    if labels.dim() == 2:
        if labels.shape[1] != classes:
            raise ConfigError(
                f"observe: expected rows of {classes} labels, as the model has {classes} outputs, got rows of "
                f"{labels.shape[1]}"
            )
        return int(classes)
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ConfigError(
            f"observe: expected labels from 0 to {classes - 1}, as the model has {classes} outputs, got "
            f"{int(labels.min())} to {int(labels.max())}"
        )
    return int(classes)
