"""Places of modules: found from where the file lies, and no part of what an audited app is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment import experiment
from fedleak.experiment.grid import load_campaign
from fedleak.experiment.placing import placed, portable, without_bundles

Write = Callable[[Path, int], Path]


@pytest.fixture(autouse=True)
def _unfitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether networks and defenses fit is no matter here, so no process is started for it."""
    monkeypatch.setattr(experiment, "at_home", lambda *_: None)


def test_an_audit_stands_for_its_table_wherever_a_file_names_it(audited: Write, tmp_path: Path) -> None:
    audited(tmp_path / "one", 4)
    tree = {"task": ["digits-mlp", "app:one"], "vary": [{"name": "a", "task": "app:one"}, {"name": "b", "seed": 1}]}
    found = placed(tree, tmp_path)
    name, table = found["task"]
    assert name == "digits-mlp"
    assert (table["name"], table["folder"], len(table["bundle"])) == ("one", str(tmp_path / "one" / "task"), 64)
    assert found["vary"] == [{"name": "a", "task": table}, {"name": "b", "seed": 1}]
    away = {key: value for key, value in table.items() if key != "folder"}
    assert portable(found)["vary"][0]["task"] == portable(found)["task"][1] == away
    assert placed({"task": away}, tmp_path)["task"]["folder"] == str(tmp_path / "apps" / table["bundle"])


def test_modules_of_ones_own_keep_their_place(tmp_path: Path) -> None:
    own = {"data": "mine:images", "network": "mlp"}
    found = placed({"task": own}, tmp_path)
    assert found == {"task": {**own, "folder": str(tmp_path)}}
    assert portable(found) == found
    assert placed({"task": {**own, "folder": "/there"}}, tmp_path)["task"]["folder"] == "/there"


def test_versions_of_an_app_differ_in_their_bundle_alone(audited: Write, tmp_path: Path) -> None:
    audited(tmp_path / "one", 4)
    before = portable(placed({"task": "app:one"}, tmp_path))
    (tmp_path / "one" / "task" / "net.py").write_text("")
    after = portable(placed({"task": "app:one"}, tmp_path))
    assert before != after
    assert without_bundles(before) == without_bundles(after)


def test_an_audit_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('name = "one"\ntask = "app:nowhere"\n')
    with pytest.raises(ConfigError, match=r"^task: expected app:FOLDER with the folder of an audit .* `fedleak audit"):
        load_campaign(tmp_path / "one.toml")


def test_points_are_named_for_their_apps_and_by_content_where_two_have_one_name(audited: Write, tmp_path: Path) -> None:
    def names(*apps: str) -> list[str]:
        (tmp_path / "e.toml").write_text(f'name = "e"\ntask = {[f"app:{app}" for app in apps]}\n')
        return [point.federation for point in load_campaign(tmp_path / "e.toml").points]

    for place, hidden in (("a/one", 4), ("b/one", 5), ("two", 6)):
        audited(tmp_path / place, hidden)
    assert names("a/one", "two") == ["task=one", "task=two"]
    first, second = names("a/one", "b/one")
    assert first != second
    assert first.startswith("app=")
