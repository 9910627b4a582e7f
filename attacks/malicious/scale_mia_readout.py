"""Readout of Scale-MIA: latent vectors that were alone in a bin, led back to images by a decoder of its own."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulated import expected_alone
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.imprint import latent_linear
from fedleak.settings.base import Count, Rate

from ..parts.applicability import require_gradient
from ..parts.engine.feature_inversion import Inversion
from ..parts.imprint.bins import read_bins
from ..parts.learning.decoder import Pairs, Training, learn_decoder
from ..parts.linear_layers.first_layer import FirstLayer, Front
from ..parts.linear_layers.pixelwise import Pixelwise
from .imprint_readout import planted_in

FEWEST = 8
"""Public examples below which there is nothing to learn from."""
HELD_OUT = 5
"""One in so many public examples is not learned from: by these it is told when to stop."""
JUDGES = 32
"""Held-out public examples that say whether images are moved."""
RATE = 1e-2
"""Learning rate by which they are."""
CHUNK = 256
"""Images that are encoded at once."""


@attacks.register("scale-mia-readout")
@dataclass(frozen=True, kw_only=True)
class ScaleMIAReadout(Attack):
    """Reads of each bin behind an encoder the quotient of weight and bias gradient, a latent vector where the bin holds
    one image, and decodes it.

    The encoder was sent, so a decoder is trained on what it says of public images: transposed convolutions beside a
    linear path that begins at a ridge regression, where the paper has the decoder that the server trained along with
    the encoder. Quotients count that are no farther from public latent vectors than these are from each other, and lie
    in the bin they came from. Of images that are not read the mean public one is guessed, so that shares are of all.

    Beyond the paper: images are then moved until the encoder says of them what was read, if that is good for held-out
    public images, as where latent vectors have as many values as images.

    Latent vectors are exact; images are what a decoder makes of them, so that none is proved.
    """

    paper: ClassVar = "https://arxiv.org/abs/2311.05808"
    cites: ClassVar = "shi2025scale"
    steps: Count = 600
    """Steps of Adam that the decoder is trained for at most; it ends where held-out public images say so."""
    learning_rate: Rate = 2e-3
    width: Count = 16
    """Channels of its feature maps."""
    refining: Count = 200
    """Steps of Adam by which images are moved."""

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"scale-mia"})

    def adapts_to(self, chain: Chain) -> bool:
        return len(chain) > 0 and all(one.keeps_direction for one in chain.local)

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"inputs"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        layer = planted_in(observation, self.reads, latent_linear)
        require_gradient(observation)
        public, examples = observation.auxiliary, observation.examples()
        if public is None or len(public) < FEWEST:
            raise NotApplicable(
                f"its decoder learns from public examples, {FEWEST} or more, and the adversary holds "
                f"{0 if public is None else len(public)}; set adversary.auxiliary, as in auxiliary = 1000"
            )
        front = Front(observation, FirstLayer(weight=layer.weight, bias=layer.bias, behind=""), torch.float32)
        with torch.no_grad():
            known = torch.cat([front(images) for images in torch.split(public.inputs, CHUNK)])
        bins = read_bins(observation, layer, Pixelwise.none(known.shape[1]))
        low, high = (float(one) for one in known.aminmax())
        likely = bins.plausible((2 * low - high, 2 * high - low)).nonzero()[:, 0]
        bins = bins[likely[:examples]]
        if not len(bins):
            raise NotApplicable("no bin of the planted layer holds anything that could be a latent vector")
        images, words = self._decoded(front, known, public.inputs, bins.images.float(), rng)
        expected = expected_alone(observation.manipulations, examples) or 0.0
        return Reconstruction(
            inputs=images,
            fallback=public.inputs.mean(0),
            note=f"{len(bins)} latent vectors read of {examples} examples, of which {expected:.3g} are expected to be "
            f"alone in a bin, others mixed; on public examples that were held out the mean squared error is {words}",
        )

    def _decoded(
        self,
        front: Front,
        known: Float[Tensor, "public features"],
        public: Float[Tensor, "public *shape"],
        latents: Float[Tensor, "read features"],
        rng: Generator,
    ) -> tuple[Float[Tensor, "read *shape"], str]:
        """Images of latent vectors, and in words how good those of public examples are that were not learned from."""
        maps, space, order = front.shape(), front.task.space, torch.randperm(len(public), generator=rng)
        aside = order[: max(1, len(public) // HELD_OUT)]
        rest, held_out = (Pairs(known[some].reshape(-1, *maps), public[some]) for some in (order[len(aside) :], aside))
        training = Training(width=self.width, hidden=1, steps=self.steps, learning_rate=self.learning_rate)
        decoder, _ = learn_decoder([rest], held_out, training, rng)
        judges = public[aside[:JUDGES]]
        features = torch.cat([known[aside[:JUDGES]], latents])
        with torch.no_grad():
            decoded = space.clamped(decoder(features.reshape(-1, *maps))).reshape(-1, *space.shape)
        inversion = Inversion(steps=self.refining, learning_rate=RATE, smoothness=0.0)
        moved = inversion.run(front, features, space, rng, decoded)[0].inputs
        tried = {"as decoded": decoded} | ({} if moved is None else {"once they are moved": moved})
        errors = {how: float((one[: len(judges)] - judges).square().mean()) for how, one in tried.items()}
        best = min(errors, key=errors.__getitem__)
        return tried[best][len(judges) :], ", ".join(f"{error:.2g} {how}" for how, error in errors.items())
