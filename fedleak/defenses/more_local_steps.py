"""More local steps in a round."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.defense import Defense, defenses
from fedleak.settings import Count, FederationSettings, parse_settings


@defenses.register("more-local-steps")
@dataclass(frozen=True, kw_only=True)
class MoreLocalSteps(Defense):
    """Goes `times` as often over a round's examples before anything is sent, so that no single gradient leaves.

    What leaves is a sum of gradients at weights that only the first of is known. The number of epochs is public.
    """

    paper: ClassVar = "https://arxiv.org/abs/1602.05629"
    bibtex: ClassVar = """@inproceedings{mcmahan2017communication,
  title = {Communication-Efficient Learning of Deep Networks from Decentralized Data},
  author = {McMahan, H. Brendan and Moore, Eider and Ramage, Daniel and Hampson, Seth and Ag{\\"u}era y Arcas, Blaise},
  booktitle = {International Conference on Artificial Intelligence and Statistics}, pages = {1273--1282}, year = {2017},
  url = {https://arxiv.org/abs/1602.05629}
}"""
    times: Count = 4
    """Factor on the federation's epochs."""

    def settings(self, federation: FederationSettings) -> FederationSettings:
        changed = {**federation.model_dump(), "epochs": self.times * federation.epochs}
        return parse_settings(FederationSettings, changed, "more-local-steps")
