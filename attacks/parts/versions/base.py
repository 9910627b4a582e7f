"""What attacks on two versions share: options, the public data that they need, and what they make of a change."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Requirement
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.goals.goals import GOALS
from fedleak.goals.labels import blind_distribution
from fedleak.learning.batch import Batch, as_labels, as_shares, whole_counts
from fedleak.learning.space import Images
from fedleak.settings.base import Count

from ..learning.autoencoder import learn_autoencoder
from .changes import Changes, Compared, least_shown
from .readers import Effort, read_distribution, read_images
from .shadow_updates import Own, ShadowUpdates

MOST_IMAGES = 16
"""New examples up to which each is shown; of more the labels alone are told."""


@dataclass(frozen=True, kw_only=True)
class VersionReader:
    """Learns from updates of its own what a change of answers tells."""

    probes: Count = 100
    """Public examples that both versions are asked about; fewer where the budget is below two questions for each."""
    shadows: Count = 3000
    """Updates of its own; where the new example is one, no two of a model are by the same."""
    compared: Compared = "ratio"
    """Of answers before and after: how their logarithms changed, in units of their root mean square; or differences of
    probabilities, as in the paper."""
    hidden: Count = 64
    epochs: Count = 10
    """Passes over as many updates as `shadows`; where there are fewer different ones, they come again."""
    images: bool = True
    """Whether new examples are shown too, where they are images and at most 16."""
    latent: Count = 8
    """Coordinates of the autoencoder's codes."""
    training_steps: Count = 300
    """Of the autoencoder."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"labels", "inputs"}) if self.images else frozenset({"labels"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"earlier"})

    def adapts_to(self, chain: Chain) -> bool:
        return bool(len(chain.answering))

    def read(
        self, view: Released | Served, probes: Float[Tensor, "probes *shape"], seen: Changes, own: Own, rng: Generator
    ) -> Reconstruction:
        """The guess from what both versions said of the probes; by public data where that is nothing, or the same."""
        view, public = replace(view, new_examples=view.new_examples or 1), public_of(view)
        answered = seen.answered
        note = None if len(probes) == self.probes else f"both versions were asked about {len(probes)} probes"
        if not answered.any() or seen.of(answered).none:
            return self._blind(view, rng, note)
        probes, seen = probes[answered], seen.of(answered)
        updates = ShadowUpdates.of(view, public, probes, own, self.shadows)
        least = least_shown(view.defense)
        known = updates.changes.through(view.defense, probes, rng).features(self.compared, least)
        scale = known.square().mean().sqrt().clamp_min(1e-30)
        known, told = known / scale, seen.features(self.compared, least) / scale
        effort = Effort(hidden=self.hidden, updates=self.epochs * self.shadows)
        shares = as_shares(public.labels, torch.zeros(len(public), view.task.classes))[updates.records].mean(1)
        distribution = read_distribution(known, shares, told, effort, rng)[0]
        examples = updates.records.shape[1]
        labels = as_labels(whole_counts(distribution * (view.new_examples or 1), view.new_examples or 1))
        images = None
        if self._shows(view):
            autoencoder = learn_autoencoder(view.task, public, self.latent, self.training_steps, rng)
            label = int(labels[0]) if examples == 1 else None
            images = read_images(known, updates.records, told, public, autoencoder, label, effort, rng)
        return Reconstruction(labels=labels, label_distribution=distribution, inputs=images, note=note)

    def _shows(self, view: Released | Served) -> bool:
        return self.images and isinstance(view.task.space, Images) and (view.new_examples or 1) <= MOST_IMAGES

    def _blind(self, view: Released | Served, rng: Generator, note: str | None) -> Reconstruction:
        """What is guessed without access."""
        return Reconstruction(
            labels=GOALS["labels"].prior(view, rng),
            label_distribution=blind_distribution(view),
            inputs=GOALS["inputs"].prior(view, rng) if self._shows(view) else None,
            note=note,
        )


def public_of(view: Released | Served) -> Batch:
    """The adversary's public examples; raises `NotApplicable` where it can make no update of its own, or sees none."""
    if view.task.criterion.several_labels:
        raise NotApplicable("it tells the one label of each new example, and here an example has several")
    if not view.earlier:
        raise NotApplicable(
            "it compares two versions of a model, and there is one; release two or more, as in release = [19, 20]"
        )
    if view.auxiliary is None or len(view.auxiliary) < 2:
        raise NotApplicable("the adversary holds no public examples to update models of its own by")
    return view.auxiliary
