"""GGL, Generative Gradient Leakage: gradient matching in the latent space of a generator."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NonFiniteError, NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images
from fedleak.randomness import seeded
from fedleak.settings.base import Amount, Count, Rate

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack, l2
from ..parts.engine.gradient_match import Decode, Dummy, GradientMatch
from ..parts.engine.loop import Matching
from ..parts.engine.objective import Variables, by_autograd
from ..parts.engine.public_model import is_smooth
from ..parts.learning.autoencoder import Autoencoder, Decoder, learn_autoencoder
from ..parts.learning.shadow import draw_batches, shadow_update
from ..parts.optimizers.cma_es import cma_es
from ..parts.optimizers.first_order import Optimizer, adam
from ..parts.optimizers.lbfgs import lbfgs

FEWEST = 20
"""Public examples below which a generator only repeats them."""
REHEARSALS = 8
"""Public batches that it is tried on what mismatch the generator leaves."""


@attacks.register("generative-prior")
@dataclass(frozen=True, kw_only=True)
class GGL(MatchingAttack):
    """Searches the latent space of a generator of public images for the batch whose gradient is the observed one.

    So whatever a defense hides, the guess looks like the public images; and it looks no better than the generator can
    draw, however much the update gives away. A dummy gradient is compared over the entries that were sent, up to length
    where a defense may have scaled it: what clipping and sparsification do to it. Needs public data.

    Differences from the paper: the generator is a small conditional variational autoencoder, trained within the attack
    on the adversary's public images, in place of a GAN; by default the search follows gradients (L-BFGS on networks
    with smooth activations, else Adam): in so small a space it is faster than CMA-ES, which can be chosen.
    """

    paper: ClassVar = "https://arxiv.org/abs/2203.15696"
    cites: ClassVar = "li2022auditing"
    steps: Count = 200
    """Iterations of one attempt; of CMA-ES, generations."""
    restarts: Count = 4
    """Latent starts; the attempt of lowest loss counts."""
    search: Literal["auto", "l-bfgs", "adam", "cma-es"] = "auto"
    """"auto": L-BFGS on networks with smooth activations only, else Adam."""
    learning_rate: Rate = 0.1
    """Adam's first, in units of a latent standard deviation."""
    prior: Amount = 0.01
    """Weight of half the mean squared latent coordinate, the generator's prior, in units of the mismatch that is left
    of updates of public images, sent through the same training and defenses, once the generator has drawn them."""
    latent: Count = 32
    """Latent coordinates of an image."""
    training_steps: Count = 1000
    """Steps that the generator is trained for."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        with seeded("generative prior", int(torch.randint(2**62, (), generator=rng))):  # for the network's dropout
            return self._match(observation, rng)

    def _match(self, observation: Observation, rng: Generator) -> Reconstruction:
        require_images(observation.task.space, "the generator of public images")
        public = observation.auxiliary
        if public is None or len(public) < FEWEST:
            count = len(public or ())
            raise NotApplicable(f"a generator needs public images, at least {FEWEST}, and there are {count}")
        labels = self.labels.infer(observation, rng)
        optimizers: dict[str, Optimizer] = {"l-bfgs": lbfgs(), "adam": adam(self.learning_rate), "cma-es": cma_es(rng)}
        search, dtype = self._search(observation), self._dtype(observation)
        trained = learn_autoencoder(observation.task, public, self.latent, self.training_steps, rng)
        trained = trained.to(self.device, dtype)
        try:
            usual = self._usual_mismatch(observation, public, trained, rng)
        except (NonFiniteError, ValueError) as error:
            reason = f"the clients' training cannot be played through on public data: {error}"
            raise NotApplicable(reason) from error
        objective = self._objective(observation, trained.decoder, labels, self.prior * usual)
        drawn = [torch.randn(len(labels), self.latent, generator=rng) for _ in range(self.restarts)]
        engine = Matching(optimizer=optimizers[search], steps=self.steps, patience=100, compiled=self.compiled)
        return engine.run(objective, [{"latents": latents.to(self.device, dtype)} for latents in drawn], rng)

    def _search(self, observation: Observation) -> str:
        smooth = is_smooth(observation.task.network)
        return {"auto": "l-bfgs" if smooth else "adam"}.get(self.search, self.search)

    def _dtype(self, observation: Observation) -> torch.dtype:
        # Behind sigmoids an image moves the gradient by less than float32 resolves.
        return self.dtype(torch.float64 if is_smooth(observation.task.network) else torch.float32)

    def _objective(
        self, observation: Observation, decoder: Decoder, labels: Int[Tensor, "batch *classes"], weight: float
    ) -> GradientMatch:
        return GradientMatch.of(
            observation,
            l2(observation),
            drawn_by(decoder, labels.to(self.device)),
            terms=((weight, improbability),),
            dtype=self._dtype(observation),
            device=self.device,
        )

    def _usual_mismatch(self, observation: Observation, public: Batch, trained: Autoencoder, rng: Generator) -> float:
        """The median mismatch between public batches' updates and the gradients of what the generator makes of them."""
        left = []
        for batch in draw_batches(public, observation.examples(), REHEARSALS, rng):
            seen = replace(observation, update=shadow_update(observation, batch, rng))
            latents, _ = trained.encoder(
                batch.inputs.to(self.device, self._dtype(observation)), batch.labels.to(self.device)
            )
            objective = self._objective(seen, trained.decoder, batch.labels, 0.0)
            left.append(objective.loss(objective.completed({"latents": latents}, rng), by_autograd).detach())
        return float(torch.stack(left).median())


def drawn_by(decoder: Decoder, labels: Int[Tensor, "batch *classes"]) -> Decode:
    """The variables "latents" are what the images are decoded from; labels are given."""

    def decode(variables: Variables) -> Dummy:
        return Dummy(decoder(variables["latents"], labels), labels, variables)

    return decode


def improbability(dummy: Dummy) -> Float[Tensor, ""]:
    """Half the mean square of the latent coordinates: their negative log-density a priori, each."""
    return 0.5 * dummy.variables["latents"].square().mean()
