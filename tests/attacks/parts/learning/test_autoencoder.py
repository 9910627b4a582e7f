"""The autoencoder of public images."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.learning.autoencoder import learn_autoencoder
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 8, 8), (1, 25, 25)])
def test_an_autoencoder_takes_any_shape(shape, linear_task):
    task = replace(linear_task, shape=shape)
    public = Batch(torch.rand(4, *shape, generator=generator(0)), torch.tensor([0, 1, 2, 3]))
    trained = learn_autoencoder(task, public, 3, 1, generator(0))
    assert trained.decoder(torch.zeros(4, 3), public.labels).shape == public.inputs.shape
