"""Runs what is not run yet, judges it, prints the verdict, writes its files, and leaves with its exit status."""

from dataclasses import dataclass
from pathlib import Path

import typer

from fedleak.analysis.analysis import Analysis
from fedleak.cli.running import folder_of, run_with_progress
from fedleak.cli.verdict import verdict_lines
from fedleak.errors import ConfigError
from fedleak.experiment.grid import load_campaign
from fedleak.gate.checking import check_run
from fedleak.gate.junit import write_junit
from fedleak.gate.markdown import write_markdown
from fedleak.gate.policy import Policy, load_policy
from fedleak.gate.sarif import write_sarif
from fedleak.gate.verdict import Verdict
from fedleak.gate.vocabulary import Vocabulary
from fedleak.gate.vocabulary import check as check_names
from fedleak.runs.reading import FinishedRun, read_run


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a run is held to."""

    policy: Path | None
    baseline: Path | None
    alpha: float
    allow_unfinished: bool
    allow_changes: bool


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the verdict is written too."""

    junit: Path | None
    sarif: Path | None
    markdown: Path | None


def check_run_folder(
    root: Path, judgement: Judgement, files: Files, *, out: Path | None, settings: tuple[str, ...]
) -> None:
    """Judges a run that is there."""
    for option, given in (("--out", out is not None), ("--set", bool(settings))):
        if given:
            raise ConfigError(f"{option} is for an EXPERIMENT.toml that is run first; {root} is judged as it is")
    policy, baseline = _read(judgement)
    run = read_run(root)
    _conclude(run, Analysis.of(run), policy, baseline, judgement, files)


def check_experiment(
    path: Path, judgement: Judgement, files: Files, *, out: Path | None, settings: tuple[str, ...], jobs: int
) -> None:
    """Runs an experiment and judges it; what is wrong with the policy is said before anything runs."""
    policy, baseline = _read(judgement)
    campaign = load_campaign(path, settings)
    if policy is not None:
        check_names(policy, Vocabulary.of(campaign))
    outcome = run_with_progress(campaign, out or folder_of(campaign), jobs=jobs, engine="loopback", overwrite=False)
    _conclude(read_run(outcome.folder.root), outcome.analysis, policy, baseline, judgement, files)


def _read(judgement: Judgement) -> tuple[Policy | None, FinishedRun | None]:
    if not 0 < judgement.alpha < 1:  # false for NaN too
        raise ConfigError(f"--alpha: expected a number between 0 and 1, as in 0.05, got {judgement.alpha:g}")
    if judgement.policy is None and judgement.baseline is None:
        raise ConfigError("nothing to hold the run to: name a --policy (see --example), a --baseline or both")
    policy = None if judgement.policy is None else load_policy(judgement.policy)
    return policy, None if judgement.baseline is None else read_run(judgement.baseline)


def _conclude(
    run: FinishedRun,
    analysis: Analysis,
    policy: Policy | None,
    baseline: FinishedRun | None,
    judgement: Judgement,
    files: Files,
) -> None:
    verdict = check_run(
        run,
        analysis,
        policy,
        baseline=baseline,
        alpha=judgement.alpha,
        allow_unfinished=judgement.allow_unfinished,
        allow_changes=judgement.allow_changes,
    )
    _write(verdict, files)
    for line in verdict_lines(verdict):
        typer.echo(line)
    raise typer.Exit(verdict.exit_status)


def _write(verdict: Verdict, files: Files) -> None:
    if files.junit is not None:
        write_junit(verdict, files.junit)
    if files.sarif is not None:
        write_sarif(verdict, files.sarif)
    if files.markdown is not None:
        write_markdown(verdict, files.markdown)
