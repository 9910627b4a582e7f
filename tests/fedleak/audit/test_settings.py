"""Settings of an audit survive the way to the child."""

from pathlib import Path

from fedleak.audit.settings import AuditSettings, spoken, written


def test_what_is_written_is_read(tmp_path: Path) -> None:
    settings = AuditSettings(
        folder=tmp_path, name="x", server="a:b", client="c:d", config={"lr": 0.1, "on": True}, node_config={"p": "q"},
        clients=3, rounds=2, attacked=2, attacks=("dlg",), seed=7, out=tmp_path / "out",
    )  # fmt: skip
    assert spoken(written(settings, tmp_path / "settings.json")) == settings
