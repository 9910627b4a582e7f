"""Laws of reading settings out of an app's source, of which nothing is run."""

from pathlib import Path

import pytest

from fedleak.claims.claimed import Claimed
from fedleak.claims.flower_app import claims_in
from fedleak.errors import ConfigError, FedleakError

PYPROJECT = """
[tool.flwr.app.config]
num-server-rounds = 5
clip = 0.5
[tool.flwr.app.config.dp]
noise = 1.2
"""


def app(folder: Path, source: str, config: str = PYPROJECT) -> Path:
    (folder / "pyproject.toml").write_text(config)
    (folder / "client.py").write_text("raise SystemExit('this is never run')\n" + source)
    return folder


def claims(folder: Path, source: str, **given: object) -> dict[str, Claimed]:
    return {one.use: one for one in claims_in(app(folder, source), given)}


def test_numbers_are_found_wherever_they_stand(tmp_path: Path) -> None:
    source = """
from flwr.clientapp.mod import LocalDpMod as Local, LocalDpMod
NORM = 1.0
mod = LocalDpMod(NORM, 2 * NORM, -(-0.9), delta=10**-5)
"""
    found = claims(tmp_path, source)["LocalDpMod"]
    assert found.declared is not None
    assert (found.declared.epsilon, found.declared.delta, found.rounds) == (0.9, 1e-5, 5)
    assert found.kept == ("add-or-remove", "zero-out", "replace-one")
    assert found.where == "client.py:5"


def test_the_run_config_is_looked_up(tmp_path: Path) -> None:
    source = """
def main(grid, context):
    cfg = context.run_config
    wrapped = DifferentialPrivacyClientSideFixedClipping(
        FedAvg(), cfg["dp.noise"], float(cfg.get("clip", 9)), num_sampled_clients=int(cfg.get("asked", 7))
    )
"""
    found = claims(tmp_path, source)["DifferentialPrivacyClientSideFixedClipping"]
    assert found.figures[1].round.epsilon == pytest.approx(3.55, abs=0.01)


def test_mods_that_only_clip_are_seen_where_they_are_handed_on(tmp_path: Path) -> None:
    found = claims(
        tmp_path, "from flwr.clientapp.mod import fixedclipping_mod\napp = ClientApp(mods=[fixedclipping_mod])"
    )
    assert list(found) == ["fixedclipping_mod"]
    assert found["fixedclipping_mod"].where == "client.py:3"


def test_rounds_epochs_and_batches_are_found_where_there_is_one_of_each(tmp_path: Path) -> None:
    source = """
config = ServerConfig(num_rounds=4)
train, test = DataLoader(data, batch_size=32, shuffle=True), DataLoader(data, 32)
engine.make_private(module=m, optimizer=o, data_loader=train, noise_multiplier=1.0, max_grad_norm=1.0)
"""
    config = "[tool.flwr.app.config]\nlocal-epochs = 2\n"
    found = claims_in(app(tmp_path, source, config), {"examples": 640})[0]
    assert found.rounds == 4
    assert "2 local epochs a round, in batches of 32" in found.provided
    other = app(tmp_path, source.replace("data, 32)", "data, 64)").replace("num_rounds=4", "num_rounds=n"), config)
    asked = claims_in(other, {"examples": 640})[0]
    assert (asked.rounds, asked.figures) == (1, ())


@pytest.mark.parametrize(
    "value", ["norm()", "context.state", "x if y else z", "NORM", "1 / 0", "10 ** 99999", "LOOP", "{}['a']"]
)
def test_what_only_running_it_would_tell_is_asked_for(tmp_path: Path, value: str) -> None:
    source = f"NORM = 1\nNORM = 2\nLOOP = LOOP\nmod = LocalDpMod({value}, 1.0, 1.0, 1e-5)"
    with pytest.raises(
        ConfigError, match=r"client.py:5: LocalDpMod is given clipping_norm .* --set clipping_norm=VALUE"
    ):
        claims(tmp_path, source)
    assert claims(tmp_path, source, clipping_norm=0.5)["LocalDpMod"].verdict == "holds"


def test_starred_arguments_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only running"):
        claims(tmp_path, "mod = LocalDpMod(**options)")


def test_nothing_there_no_app_and_no_python_are_one_sentence_each(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is none in its source"):
        claims(tmp_path, "app = 1")
    with pytest.raises(FedleakError, match="it cannot be read"):
        claims(tmp_path, "def (")
    (tmp_path / "pyproject.toml").unlink()
    with pytest.raises(FedleakError, match="the folder of a Flower app"):
        claims_in(tmp_path, {})


LOCAL = "from flwr.clientapp.mod import LocalDpMod as Dp\n"


@pytest.mark.parametrize(
    "source",
    [
        "mod = Dp(50.0, 1.0, 0.9, 1e-5)",
        "Also = LocalDpMod\nmod = Also(50.0, 1.0, 0.9, 1e-5)",
        "norm, own = 50.0, 1.0\nmod = Dp(norm, own, 0.9, 1e-5)",
        "OPTIONS = {'clip': 50.0, 'eps': 0.9}\nmod = Dp(OPTIONS.get('clip', 0.1), 1.0, OPTIONS['eps'], 1e-5)",
        "OPTIONS = dict(clipping_norm=50.0, sensitivity=1.0)\nmod = Dp(**OPTIONS, epsilon=0.9, delta=1e-5)",
        "mods = [partial(LocalDpMod, 50.0, 1.0, epsilon=0.9, delta=1e-5)]",
        "norm = 50.0\ndef other(norm):\n    return norm\ndef mod():\n    return Dp(norm, 1.0, 0.9, 1e-5)",
    ],
)
def test_other_names_and_what_is_written_out_are_read(tmp_path: Path, source: str) -> None:
    found = claims(tmp_path, LOCAL + source)["LocalDpMod"]
    assert found.verdict == "broken"
    assert found.figures[1].round.epsilon == pytest.approx(81.9, rel=0.01)


@pytest.mark.parametrize(
    "source",
    [
        "def mod(clip):\n    return Dp(clip, 1.0, 0.9, 1e-5)",
        "mods = [Dp(clip, 1.0, 0.9, 1e-5) for clip in (1.0, 50.0)]",
        "for clip in (1.0, 50.0):\n    mod = Dp(clip, 1.0, 0.9, 1e-5)",
        "def larger():\n    global clip\n    clip = 50.0\nmod = Dp(clip, 1.0, 0.9, 1e-5)",
        "OPTIONS = {'clip': 0.1}\nOPTIONS['clip'] = 50.0\nmod = Dp(OPTIONS['clip'], 1.0, 0.9, 1e-5)",
        "options = json.load(file)\nmod = Dp(options['clip'], 1.0, 0.9, 1e-5)",
        "mod = Dp(float(os.environ.get('CLIP', '0.1')), 1.0, 0.9, 1e-5)",
        "mod = Dp(options.get('norm', 0.1), 1.0, 0.9, 1e-5)",
        "class Mine(LocalDpMod):\n    pass",
    ],
)
def test_a_name_that_may_be_another_value_is_asked_for(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigError, match=r"clipping_norm .*by what only running"):
        claims(tmp_path, LOCAL + "clip = 0.1\n" + source)
    given = {"clipping_norm": 50.0, "sensitivity": 1.0, "epsilon": 0.9, "delta": 1e-5}
    assert claims(tmp_path, LOCAL + source, **given)["LocalDpMod"].verdict == "broken"


def test_noise_for_fewer_epochs_than_are_trained_is_broken(tmp_path: Path) -> None:
    source = """
train, test = DataLoader(data, batch_size=32, drop_last=True), DataLoader(other, batch_size=32)
engine.make_private_with_epsilon(
    data_loader=train, epochs=1, target_epsilon=4.0, target_delta=1e-5, max_grad_norm=1.0
)
"""
    config = "[tool.flwr.app.config]\nlocal-epochs = 10\n"
    found = claims_in(app(tmp_path, source, config), {"examples": 90})[0]
    assert found.verdict == "broken"
    assert "noise is made for 1 epoch, and a round has 10" in found.wrong[0]
    assert "rounds are not known, and taken as 1; give --set rounds=NUMBER" in found.mind
    once = claims_in(app(tmp_path, source, config), {"examples": 90, "local_epochs": 1, "rounds": 1})[0]
    assert (once.verdict, once.wrong) == ("holds", ())


def test_a_loader_without_a_size_has_one_of_its_own(tmp_path: Path) -> None:
    source = """
train, test = DataLoader(data), DataLoader(other, batch_size=128)
engine.make_private(data_loader=train, noise_multiplier=1.0, max_grad_norm=1.0)
"""
    found = claims_in(app(tmp_path, source), {"examples": 640})[0]
    assert found.figures == ()
    assert "--set batch_size=NUMBER" in found.wrong[0]
