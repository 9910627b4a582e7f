"""Shadow models of an experiment: more than memory has room for are refused before anything runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.errors import ConfigError
from fedleak.experiment.shadows import require_memory
from fedleak.settings.task import TaskSettings

MODELS = """
name = "many"
task = "digits-mlp"
federation = {{ release = "last", examples = 60 }}
adversary = {{ queries = 100 }}
attacks = [{{ use = "loss-threshold" }}, {{ use = "served-gap" }}, {{ use = "{attack}", shadows = {shadows} }}]
defenses = [{{ name = "none" }}]
"""


@pytest.mark.parametrize("attack", ["lira", "served-lira", "boundary-distance", "shadow-models"])
def test_more_than_memory_is_one_sentence_before_anything_runs(attack: str, tmp_path: Path) -> None:
    path, out = tmp_path / "many.toml", tmp_path / "out"
    path.write_text(MODELS.format(attack=attack, shadows=10**6))
    said = CliRunner().invoke(app, ["run", str(path), "--out", str(out)])
    assert said.exit_code == 2
    sentence = " ".join(said.output.split())
    assert "attacks.2.shadows: 1000000 models of 'digits-mlp' take 35.8 GiB, and at most 2 are trained" in sentence
    assert "lower 'shadows' to 55865 or fewer" in sentence
    assert not out.exists()


def test_what_fits_and_attacks_without_models_of_their_own_pass() -> None:
    task = TaskSettings.model_validate("digits-mlp")
    require_memory([{"use": "lira", "shadows": 55865}, {"use": "gap"}, {"use": "dlg"}], task)
    with pytest.raises(ConfigError, match=r"attacks\.0\.shadows"):
        require_memory([{"use": "lira", "shadows": 55866}], task)
