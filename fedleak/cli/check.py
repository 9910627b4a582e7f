"""`fedleak check`: hold a run, or an experiment that is run first, to a policy; exit status 0, 1 or 2."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from fedleak.analysis.analysis import Analysis
from fedleak.audit.verdict import RESULT, Audited
from fedleak.cli.options import ExamplePolicy, Form, FormOption, Jobs, write_json
from fedleak.cli.run import folder_of, run_with_progress
from fedleak.errors import ConfigError
from fedleak.experiment.grid import load_campaign
from fedleak.gate.audits import check_audit
from fedleak.gate.check import check_run
from fedleak.gate.junit import write_junit
from fedleak.gate.markdown import write_markdown
from fedleak.gate.policy import Policy, load_policy
from fedleak.gate.sarif import write_sarif
from fedleak.gate.terminal import verdict_lines
from fedleak.gate.validation import Vocabulary, validate
from fedleak.gate.verdict import BaselineVerdict, Finding, RuleVerdict, Verdict
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
class Output:
    """Files and form that the verdict is written in."""

    junit: Path | None
    sarif: Path | None
    markdown: Path | None
    form: Form
    """Of the verdict on stdout."""


def check_run_folder(
    root: Path, judgement: Judgement, output: Output, *, out: Path | None, settings: tuple[str, ...]
) -> None:
    """Judges a run that is there."""
    for option, given in (("--out", out is not None), ("--set", bool(settings))):
        if given:
            raise ConfigError(f"{option} is for an EXPERIMENT.toml that is run first; {root} is judged as it is")
    policy, baseline = _read(judgement)
    run = read_run(root)
    _conclude(run, Analysis.of(run), policy, baseline, judgement, output)


def check_audit_folder(
    root: Path, judgement: Judgement, output: Output, *, out: Path | None, settings: tuple[str, ...]
) -> None:
    """Judges an audit that is over."""
    of_runs = {
        "--baseline": judgement.baseline is not None,
        "--allow-unfinished": judgement.allow_unfinished,
        "--allow-changes": judgement.allow_changes,
        "--out": out is not None,
        "--set": bool(settings),
    }
    for option, given in of_runs.items():
        if given:
            raise ConfigError(f"{option} is for runs, and {root} is an audit, which is held to a --policy as it is")
    policy, _ = _read(judgement)
    assert policy is not None
    _tell(check_audit(Audited.read(root), policy), output)


def check_experiment(
    path: Path, judgement: Judgement, output: Output, *, out: Path | None, settings: tuple[str, ...], jobs: int
) -> None:
    """Runs an experiment and judges it; what is wrong with the policy is said before anything runs."""
    policy, baseline = _read(judgement)
    campaign = load_campaign(path, settings)
    if policy is not None:
        validate(policy, Vocabulary.of(campaign))
    outcome = run_with_progress(campaign, out or folder_of(campaign), jobs=jobs, engine="loopback", overwrite=False)
    _conclude(read_run(outcome.folder.root), outcome.analysis, policy, baseline, judgement, output)


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
    output: Output,
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
    _tell(verdict, output)


def _tell(verdict: Verdict, output: Output) -> NoReturn:
    _write(verdict, output)
    if output.form == "json":
        write_json(verdict_facts(verdict))
    else:
        for line in verdict_lines(verdict):
            typer.echo(line)
    raise typer.Exit(verdict.exit_status)


def verdict_facts(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain data; groups that keep their rule are only counted."""
    return {
        "passed": verdict.passed,
        "exit_status": verdict.exit_status,
        "rules": [_rule_facts(rule) for rule in verdict.rules],
        "baseline": None if verdict.baseline is None else _baseline_facts(verdict.baseline),
        "problems": verdict.problems,
        "failed_messages": verdict.failed_messages,
    }


def _rule_facts(rule: RuleVerdict) -> dict[str, Any]:
    return {
        "number": rule.rule.number,
        "name": rule.rule.name,
        "text": rule.rule.text,
        "passed": rule.passed,
        "groups": len(rule.findings),
        "problem": rule.problem,
        "notes": rule.notes,
        "broken": [_finding_facts(finding) for finding in rule.broken],
    }


def _finding_facts(finding: Finding) -> dict[str, Any]:
    measured = finding.measurement
    return {
        "subject": str(measured.group),
        "value": measured.value,
        "value_low": measured.interval.low if measured.interval else None,
        "value_high": measured.interval.high if measured.interval else None,
        "unit": measured.unit,
        "bound": finding.bound,
        "problem": finding.problem,
        "picture": finding.picture.path if finding.picture else None,
    }


def _baseline_facts(baseline: BaselineVerdict) -> dict[str, Any]:
    return {
        "run": baseline.old,
        "passed": baseline.passed,
        "problem": baseline.problem,
        "alpha": baseline.alpha,
        "groups": len(baseline.changes) + baseline.unchanged,
        "unchanged": baseline.unchanged,
        "undecided": baseline.undecided,
        "new_groups": baseline.new_groups,
        "differences": baseline.differences,
        "regressions": [
            {
                "subject": str(one.measurement.group),
                "metric": one.comparison.group.metric,
                "before": one.old,
                "now": one.new,
                "unit": one.unit,
                "problem": one.problem,
            }
            for one in baseline.regressions
        ],
    }


def _write(verdict: Verdict, output: Output) -> None:
    if output.junit is not None:
        write_junit(verdict, output.junit)
    if output.sarif is not None:
        write_sarif(verdict, output.sarif)
    if output.markdown is not None:
        write_markdown(verdict, output.markdown)


def command(
    target: Annotated[
        Path,
        typer.Argument(metavar="RUN|AUDIT|EXPERIMENT.toml", help="A run or an audit, or an experiment to run first."),
    ],
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", metavar="TOML", help="The rules; see --example.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="OLD_RUN", help="Fail where more leaks than there, beyond noise.")
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(help="What chance alone may call a regression, over all groups and metrics together; 0 to 1."),
    ] = 0.05,
    allow_unfinished: Annotated[
        bool, typer.Option("--allow-unfinished", help="Judge what there is of a run that is not over.")
    ] = False,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="Only tell how the baseline differs: settings, figures that are gone."),
    ] = False,
    junit: Annotated[Path | None, typer.Option(metavar="XML", help="Also write JUnit XML.")] = None,
    sarif: Annotated[Path | None, typer.Option(metavar="JSON", help="Also write SARIF 2.1.0.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="MD", help="Also write a summary; appended to $GITHUB_STEP_SUMMARY.")
    ] = None,
    jobs: Jobs = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder of an EXPERIMENT.toml.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value of EXPERIMENT.toml; repeatable."),
    ] = None,
    example: ExamplePolicy = False,  # noqa: ARG001  said by its callback
    form: FormOption = "table",
) -> None:
    """Hold a run or an audit to a policy. Exit status: 0 kept, 1 broken or not shown, 2 the input is at fault."""
    judgement = Judgement(
        policy=policy, baseline=baseline, alpha=alpha, allow_unfinished=allow_unfinished, allow_changes=allow_changes
    )
    output = Output(junit=junit, sarif=sarif, markdown=markdown, form=form)
    if (target / RESULT).exists():
        check_audit_folder(target, judgement, output, out=out, settings=tuple(settings or ()))
    elif target.is_dir() or target.suffix != ".toml":
        check_run_folder(target, judgement, output, out=out, settings=tuple(settings or ()))
    else:
        check_experiment(target, judgement, output, out=out, settings=tuple(settings or ()), jobs=jobs)
