"""Augmentation: transforms of torchvision that clients put their batches through, drawn anew in each step."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from fedleak.errors import ConfigError, did_you_mean, echo, first_line
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.randomness import generator, seeded


def augmenting(training: LocalTraining, seed_key: tuple[object, ...]) -> Callable[[Batch], Batch]:
    """What puts one batch after the other through the transforms, each example by draws of its own.

    Images stay in [0, 1] and keep their shape; raises `ConfigError` where a transform does not.
    """
    if not training.augmentation:
        return lambda batch: batch
    transforms, rng = transforms_of(training.augmentation), generator(*seed_key, "augmentation")

    def augmented(batch: Batch) -> Batch:
        with seeded("augmentation", int(torch.randint(2**62, (), generator=rng))):
            inputs = torch.stack([_through(transforms, image) for image in batch.inputs])
        return Batch(inputs.clamp(0.0, 1.0), batch.labels)

    return augmented


@lru_cache(maxsize=16)
def transforms_of(augmentation: tuple[str, ...]) -> tuple[Callable[[torch.Tensor], torch.Tensor], ...]:
    """The transforms that some facts of training name; raises `ConfigError` where torchvision has none such."""
    if not augmentation:
        return ()
    # Imported here: it takes a second, and most clients do not augment.
    from torchvision.transforms import v2

    known = [name for name, one in vars(v2).items() if isinstance(one, type) and issubclass(one, v2.Transform)]
    found = []
    for place, text in enumerate(augmentation):
        options: dict[str, Any] = json.loads(text)
        name = options.pop("name", None)
        if name not in known:
            raise ConfigError(
                f"federation.augmentation.{place}: torchvision has no transform called {echo(name)}"
                f"{did_you_mean(str(name), known)}"
            )
        try:
            found.append(getattr(v2, name)(**options))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"federation.augmentation.{place}: {name}: {first_line(error)}") from error
    return tuple(found)


def _through(transforms: tuple[Callable[[torch.Tensor], torch.Tensor], ...], image: torch.Tensor) -> torch.Tensor:
    changed = image
    for transform in transforms:
        try:
            changed = transform(changed)
        except (RuntimeError, TypeError, ValueError) as error:  # what it cannot do, it says when it is called
            name = type(transform).__name__
            raise ConfigError(
                f"federation.augmentation: {name} on images of shape {tuple(image.shape)}: {first_line(error)}"
            ) from error
    if changed.shape != image.shape or changed.dtype != image.dtype:
        raise ConfigError(
            f"federation.augmentation: expected images of {image.dtype} and shape {tuple(image.shape)} as they came, "
            f"got {changed.dtype} of shape {tuple(changed.shape)}; give sizes that fit, as in RandomCrop with "
            f"size = {image.shape[-1]} and padding = 4"
        )
    return changed
