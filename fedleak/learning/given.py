"""What a user gives: a model and a batch, refused in a sentence where they are not what the attacks suppose."""

import torch
from torch import Tensor, nn

from fedleak.errors import ConfigError, first_line


def require_examples(inputs: Tensor, labels: Tensor) -> None:
    """Raises `ConfigError` unless these are images in [0, 1] and a class index for each."""
    if not inputs.is_floating_point() or inputs.dim() != 4 or not len(inputs):
        raise ConfigError(
            f"observe: expected images as floats of shape (batch, channels, height, width), got {inputs.dtype} of "
            f"shape {tuple(inputs.shape)}"
        )
    low, high = (float(end) for end in inputs.aminmax())
    if not (low >= 0 and high <= 1):
        raise ConfigError(
            f"observe: expected images in [0, 1], got {low:.3g} to {high:.3g}; give them as they are before they are "
            "normalized, and put the normalization into the model in front of its first layer"
        )
    whole = labels.dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
    if not whole or labels.shape != inputs.shape[:1]:
        raise ConfigError(
            f"observe: expected a class index for each of {len(inputs)} images, got {labels.dtype} of shape "
            f"{tuple(labels.shape)}; several labels, probabilities and other targets cannot be attacked"
        )


def classes_of(network: nn.Module, inputs: Tensor, labels: Tensor) -> int:
    """How many classes a network in eval mode tells apart; raises `ConfigError` where it does not run, or tells fewer
    than the labels name."""
    try:
        with torch.no_grad():
            outputs = network(inputs[:1])
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"observe: the model does not run on one image of shape {tuple(inputs.shape[1:])} ({first_line(error)}); "
            "expected a module that takes a batch of images and returns scores of shape (batch, classes)"
        ) from error
    if not isinstance(outputs, Tensor) or outputs.dim() != 2 or outputs.shape[1] < 2:
        got = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ConfigError(f"observe: expected scores of shape (batch, classes) for two classes or more, got {got}")
    classes = outputs.shape[1]
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ConfigError(
            f"observe: expected labels from 0 to {classes - 1}, as the model has {classes} outputs, got "
            f"{int(labels.min())} to {int(labels.max())}"
        )
    return int(classes)


def require_trainable(model: nn.Module, *, mode_is_said: bool) -> None:
    """Raises `ConfigError` where nothing of a model is trained, or its modules are in both modes and none is named."""
    if not any(value.requires_grad for value in model.parameters()):
        raise ConfigError("observe: expected a model with parameters to train, got none with requires_grad = True")
    training = [name for name, module in model.named_modules() if module.training]
    resting = [name for name, module in model.named_modules() if not module.training]
    if training and resting and not mode_is_said:
        raise ConfigError(
            f"observe: '{training[0] or 'the model'}' is in train mode and '{resting[0] or 'the model'}' in eval mode, "
            'and all modules are trained in one; call model.train() or model.eval(), or say mode = "train" or "eval"'
        )
