"""The fixture `fedleak`, used by tests that pytest runs anew."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.figures import panels
from fedleak.learning.batch import Batch
from fedleak.testing.leak import Leak

pytest_plugins = "pytester"

# pytester forgets what the inner run imported: everything must be here before, or classes would be there twice.
IMPORTED = (panels, list(attacks), list(metrics))

PRELUDE = """
import torch
from torch import nn

RNG = torch.Generator().manual_seed(1)
MODEL = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5))
CONVOLUTION = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 5))
IMAGES, LABELS = torch.rand(3, 1, 8, 8, generator=RNG), torch.tensor([1, 2, 0])
PUBLIC = torch.rand(9, 1, 8, 8, generator=RNG), torch.arange(9) % 5
"""


def run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    # A folder of its own for what the inner tests keep, so that their tmp_path can be looked at afterwards.
    pytester.makepyfile(PRELUDE + body)
    return pytester.runpytest_inprocess("-q", "-W", "error", "--basetemp", str(pytester.path / "kept"), *options)


def test_a_leak_in_three_lines_passes_and_fails(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_it_leaks(fedleak):
    leak = fedleak.attack(MODEL, IMAGES[:1], LABELS[:1], "analytic-linear")
    assert leak.psnr > leak.prior.psnr + 3, leak

def test_it_hides(fedleak):
    leak = fedleak.attack(MODEL, IMAGES[:1], LABELS[:1], "analytic-linear")
    assert leak.psnr < leak.prior.psnr + 3, leak
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: <analytic-linear: *psnr 100 (prior *",
            "*- fedleak -*",
            "*figure*worst case*prior*no access*",
            "psnr *100*100*-",
            "the guess is proved: gradient residual *",
            "*`fedleak list defenses`*",
            "picture: *test_it_hides-0-analytic-linear.png",
        ]
    )
    picture = next(line for line in result.outlines if line.startswith("picture: ")).removeprefix("picture: ")
    assert Path(picture).read_bytes().startswith(b"\x89PNG")
    assert pytester.path / "kept" in Path(picture).parents
    assert not list(pytester.path.rglob("test_it_leaks*.png"))


@pytest.mark.slow
def test_pictures_lie_where_one_asks_for_them(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
import pytest

@pytest.mark.parametrize("image", [0, 1])
def test_it_hides(fedleak, image):
    for labels in (LABELS[:1], LABELS[1:2]):
        leak = fedleak.attack(MODEL, IMAGES[image:image + 1], labels, "analytic-linear")
    assert leak.psnr < 5
""",
        "--fedleak-pictures",
        "shown",
    ).assert_outcomes(failed=2)
    assert sorted(path.name for path in (pytester.path / "shown").iterdir()) == [
        f"test_pictures_lie_where_one_asks_for_them.py-test_it_hides-{image}-{attack}-analytic-linear.png"
        for image in (0, 1)
        for attack in (0, 1)
    ]


def test_pictures_that_cannot_be_written_do_not_hide_the_failure(pytester: pytest.Pytester) -> None:
    (pytester.path / "shown").write_text("in the way")
    result = run(
        pytester,
        """
def test_it_hides(fedleak):
    assert fedleak.attack(MODEL, IMAGES[:1], LABELS[:1], "analytic-linear").psnr < 5
""",
        "--fedleak-pictures",
        "shown",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["no picture: cannot write *"])


def test_a_failed_attack_passes_no_comparison(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import pytest

@pytest.mark.parametrize("compare", [float.__lt__, float.__gt__, float.__ne__])
def test_it_hides(fedleak, compare):
    leak = fedleak.attack(CONVOLUTION, IMAGES[:1], LABELS[:1], "analytic-linear")
    assert compare(leak.psnr, leak.prior.psnr)
""",
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: the attack 'analytic-linear' has no psnr: the first trainable layer * is a Conv2d*",
            "no guess: *; an attack that fails shows nothing about the update",
            "no picture: the attack guessed no images",
        ]
    )


@pytest.mark.slow
def test_options_defenses_training_and_public_data_reach_their_places(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
def test_options(fedleak):
    options = dict(steps=2, training={"batch_size": 1, "learning_rate": 0.5}, auxiliary=PUBLIC, metrics=["psnr"])
    leak = fedleak.attack(MODEL, IMAGES, LABELS, "inverting-gradients", **options)
    assert len(leak.guess.inputs) == 3
    assert leak.guess.trace[-1].iteration <= 2
    assert leak.psnr > 0 and leak.no_access.psnr < leak.prior.psnr
    assert [score.metric for score in leak.scores] == ["psnr"]

def test_a_defense(fedleak):
    chain = [{"use": "gaussian-noise", "std": 1.0}]
    noisy = fedleak.attack(MODEL, IMAGES[:1], LABELS[:1], "analytic-linear", defense=chain)
    clear = fedleak.attack(MODEL, IMAGES[:1], LABELS[:1], "analytic-linear")
    assert clear.certified and not noisy.certified
    assert clear.psnr > 60 > noisy.psnr
    assert clear.worst_case.mse < noisy.worst_case.mse

def test_the_same_seed_gives_the_same_leak(fedleak):
    one, two, other = (
        fedleak.attack(MODEL, IMAGES[:1], LABELS[:1], "inverting-gradients", steps=3, seed=seed) for seed in (1, 1, 2)
    )
    assert one.psnr == two.psnr != other.psnr

def test_the_model_is_left_alone(fedleak):
    before = [value.clone() for value in MODEL.parameters()]
    fedleak.attack(MODEL, IMAGES, LABELS, "analytic-linear")
    assert all(torch.equal(one, other) for one, other in zip(before, MODEL.parameters()))
""",
    ).assert_outcomes(passed=4)


@pytest.mark.slow
def test_a_run_is_held_to_a_policy(pytester: pytest.Pytester) -> None:
    (pytester.path / "tiny.toml").write_text(
        'name = "tiny"\ntask = "digits-mlp"\nmetrics = ["psnr"]\nfederation.clients = 2\n'
        '[[attacks]]\nuse = "analytic-linear"\n'
    )
    (pytester.path / "lax.toml").write_text("rules = ['psnr.worst > 30']\n")
    (pytester.path / "strict.toml").write_text("rules = ['psnr.worst < 18', 'certified == 0']\n")
    (pytester.path / "typo.toml").write_text("rules = ['pnsr.worst < 18']\n")
    # In a process of its own: a campaign imports too much for pytester to forget.
    pytester.makepyfile(
        """
import pytest
from fedleak.errors import ConfigError

@pytest.mark.parametrize("policy", ["lax", "strict"])
def test_gate(fedleak, tmp_path, policy):
    fedleak.check("tiny.toml", "lax.toml")
    fedleak.check(tmp_path / "runs" / "tiny", f"{policy}.toml")

def test_typo(fedleak):
    with pytest.raises(ConfigError, match="psnr"):
        fedleak.check("tiny.toml", "typo.toml")
"""
    )
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E *AssertionError: FAIL  rule 1  psnr.worst < 18*", "*FAIL  rule 2  certified == 0*"])


@pytest.mark.slow
def test_typos_are_said(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_attack(fedleak):
    fedleak.attack(MODEL, IMAGES, LABELS, "inverting-gradient")

def test_option(fedleak):
    fedleak.attack(MODEL, IMAGES, LABELS, "inverting-gradients", stesp=3)

def test_training(fedleak):
    fedleak.attack(MODEL, IMAGES, LABELS, "analytic-linear", training={"learning_rat": 1.0})

def test_metric(fedleak):
    fedleak.attack(MODEL, IMAGES, LABELS, "analytic-linear").pnsr
""",
    )
    result.assert_outcomes(failed=4)
    for meant in ("inverting-gradients", "steps", "learning_rate", "psnr"):
        result.stdout.fnmatch_lines([f"E *did you mean '{meant}'[?]*"])


def test_a_run_without_the_fixture_is_as_ever(pytester: pytest.Pytester) -> None:
    result = run(pytester, "\ndef test_plain():\n    assert 1 == 2\n")
    result.assert_outcomes(failed=1)
    assert not [line for line in result.outlines if "- fedleak -" in line]


@pytest.mark.slow
def test_a_test_run_that_does_not_use_it_imports_nothing_of_fedleak(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\ndef test_imports():\n"
        "    assert 'fedleak.testing.pytest_plugin' in sys.modules\n"
        "    assert not {'torch', 'flwr', 'pydantic', 'fedleak.api'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_attacking_a_model_of_one_s_own_imports_no_flower() -> None:
    code = "import sys, fedleak.testing.pytest_fixture; sys.exit(len({'flwr', 'matplotlib', 'ray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_our_own_runs_still_check_types() -> None:
    with pytest.raises(TypeCheckError):
        Batch(torch.zeros(2, 1, 8, 8, dtype=torch.long), torch.zeros(2, dtype=torch.long))


def test_a_figure_that_was_not_asked_for_says_how_to_get_it() -> None:
    score = Score(metric="psnr", value=1.0, baseline=0.5, unit="dB", higher_is_better=True)
    leak = Leak("x", Reconstruction(), [score])
    with pytest.raises(AttributeError, match=r"metrics=\['label-recall'\]"):
        _ = leak.label_recall
    with pytest.raises(AttributeError, match="did you mean 'psnr'"):
        _ = leak.prior.psrn
    with pytest.raises(AssertionError, match=r"auxiliary=\(images, labels\)"):
        _ = leak.no_access.psnr
    assert (leak.psnr, leak.prior.psnr) == (1.0, 0.5)
