"""The pytest fixture `fedleak`: attacks on a model and a batch, shown if the test fails, and the gate."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from fedleak import api
from fedleak.contracts.criterion import Loss
from fedleak.contracts.defense import Defense
from fedleak.errors import FedleakError
from fedleak.learning.batch import Batch
from fedleak.settings.base import Table
from fedleak.testing.leak import Leak

if TYPE_CHECKING:
    from fedleak.audit.verdict import Audited

LONGEST = 150
"""Characters of a test's name in the name of a picture."""


class Fedleak:
    """Attacks in one test, and their pictures when it fails."""

    def __init__(self, pictures: Path, runs: Path, test: str) -> None:
        self._pictures = pictures
        self._runs = runs
        self._test = re.sub(r"[^A-Za-z0-9_.]+", "-", test).strip("-")[-LONGEST:]
        self._attacked: list[tuple[Leak, Batch]] = []

    def attack(
        self,
        model: nn.Module,
        inputs: Float[Tensor | np.ndarray, "batch channels height width"],
        labels: Shaped[Tensor | np.ndarray, "batch *classes"] | Sequence[int] | Sequence[Sequence[int]],
        name: str,
        *,
        defense: Sequence[Defense | Table] = (),
        auxiliary: tuple[Tensor, Tensor] | None = None,
        training: Table | None = None,
        metrics: Sequence[str] | None = None,
        seed: int = 0,
        loss: Loss = "cross-entropy",
        **options: Any,
    ) -> Leak:
        """What the attack `name` gets out of the update that training `model` on these examples gives away.

        `options` are the attack's, `training` holds fields of `[federation]` (by default one step on the whole batch),
        `loss` is what is minimized, `defense` a chain as in an experiment file, `auxiliary` public images and labels
        that the adversary holds.
        The images are in [0, 1]. The model is left as it is; see `observe` for what it may be. The same seed gives the
        same leak, unless the model draws by other generators than torch's and Python's.
        """
        public = None if auxiliary is None else Batch(*auxiliary)
        captured = api.observe(
            model, inputs, labels, defense=defense, auxiliary=public, seed=seed, loss=loss, **(training or {})
        )
        guess = api.attack(captured, name, seed=seed, **options)
        leak = Leak(name, guess, api.score(guess, captured, metrics))
        self._attacked.append((leak, captured.truth))
        return leak

    def audit(self, app: Path | str, *, policy: Path | str | None = None, **options: Any) -> "Audited":
        """What the server of a Flower app could see: `leaked` examples, `psnr` of the best attack, `understood`.

        The app is run as it stands in a process of its own, into the test's `tmp_path`; `options` are those of
        `fedleak.audit.run.audit_app`, as in `audit("my-app", clients=4, attacks=("dlg",))`. With a `policy` file the
        test fails where the updates as they are break a rule, or something was not shown.
        """
        __tracebackhide__ = True
        from fedleak.audit.run import audit_app
        from fedleak.gate.audits import check_audit
        from fedleak.gate.policy import load_policy
        from fedleak.gate.terminal import verdict_lines

        rules = None if policy is None else load_policy(Path(policy))
        found = audit_app(Path(app), self._runs / f"audit-{Path(app).resolve().name}", **options)
        if rules is not None and not (verdict := check_audit(found, rules)).passed:
            raise AssertionError("\n".join(verdict_lines(verdict)))
        return found

    def check(self, run: Path | str, policy: Path | str) -> None:
        """Fails the test where a run folder, or an experiment file that is run first, breaks a rule of a policy file.

        An experiment is run into the test's `tmp_path`. See `fedleak check --example` for what a policy says.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        from fedleak.analysis.analysis import Analysis
        from fedleak.experiment.grid import load_campaign
        from fedleak.gate.check import check_run
        from fedleak.gate.policy import load_policy
        from fedleak.gate.terminal import verdict_lines
        from fedleak.run import run as run_campaign
        from fedleak.runs.reading import read_run

        rules, root, analysis = load_policy(Path(policy)), Path(run), None
        if root.suffix == ".toml":
            outcome = run_campaign(load_campaign(root), self._runs / root.stem)
            root, analysis = outcome.folder.root, outcome.analysis
        finished = read_run(root)
        verdict = check_run(finished, analysis or Analysis.of(finished), rules)
        if not verdict.passed:
            raise AssertionError("\n".join(verdict_lines(verdict)))

    def report(self) -> Iterator[str]:
        """For each attack of the test its table and where its picture lies."""
        for place, (leak, truth) in enumerate(self._attacked):
            yield f"{leak}\n{self._picture(place, leak, truth)}"

    def _picture(self, place: int, leak: Leak, truth: Batch) -> str:
        if leak.guess.inputs is None:
            return "no picture: the attack guessed no images"
        path = self._pictures / f"{self._test}-{place}-{leak.attack}.png"
        try:
            # Imported only here, for most tests pass and matplotlib is slow to import.
            from fedleak.figures.panels import beside, draw

            return f"picture: {draw(beside(leak.attack, leak.guess.inputs, truth, truth.space), path)}"
        except Exception as error:  # noqa: BLE001  an error here would end the whole test run and hide the failure
            return f"no picture: {error if isinstance(error, FedleakError) else repr(error)}"
