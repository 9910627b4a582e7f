"""A task is a name, or a table of data and network; both are one type, written back as they were."""

import json

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.experiment import parse_experiment
from fedleak.experiment.grid import load_campaign, parse_campaign
from fedleak.federation.plan import FederationPlan
from fedleak.settings.federation import PlanSettings
from fedleak.settings.task import TaskSettings, is_own
from fedleak.tasks import source_of, task_of

TABLE = {"data": "digits", "network": "mlp", "freeze": ["*bias"], "normalize": {"mean": [0.5], "std": [0.25]}}


def settings(task: object) -> TaskSettings:
    return PlanSettings.model_validate_json(json.dumps({"task": task})).task


def test_a_name_stays_a_name() -> None:
    short = settings("digits-mlp")
    assert short.is_short
    assert short.label == "digits-mlp"
    assert short.model_dump(mode="json") == "digits-mlp"
    assert short == TaskSettings.model_validate("digits-mlp")
    assert hash(short) == hash(settings("digits-mlp"))


def test_a_table_is_written_back() -> None:
    table = settings(TABLE)
    assert not table.is_short
    assert settings(table.model_dump(mode="json", exclude_none=True)) == table
    assert hash(table) != hash(settings({**TABLE, "freeze": ["3"]}))


@pytest.mark.parametrize(
    ("data", "network", "label"),
    [
        ("digits", "mlp", "digits-mlp"),
        ("flowers:Flowers", "torchvision:resnet18", "Flowers-resnet18"),
        ("image-folder:/some/where/birds/", "timm:vit_tiny", "birds-vit_tiny"),
    ],
)
def test_it_is_called_by_its_data_and_network(data: str, network: str, label: str) -> None:
    assert settings({"data": data, "network": network}).label == label
    assert settings({"data": data, "network": network, "name": "mine"}).label == "mine"


def test_only_what_no_library_has_is_the_users_own() -> None:
    own = [address for address in ("photos", "torchvision:CIFAR10", "nets:Net", "a.b:c", "timm:x") if is_own(address)]
    assert own == ["nets:Net", "a.b:c"]


def test_the_british_spelling_is_read_too() -> None:
    spelled = {("normalise" if key == "normalize" else key): value for key, value in TABLE.items()}
    assert settings(spelled) == settings(TABLE)


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"data": "digits"}, "task: expected the name of a task, or a table with `data` and `network`"),
        ({**TABLE, "netwrok": "mlp"}, "task.netwrok: unknown field; did you mean 'network'?"),
        ({**TABLE, "normalize": {"mean": [0.5], "std": [0.0]}}, "task.normalize.std.0: expected greater than 0"),
        (
            {**TABLE, "normalize": {"mean": [0.5], "std": [1.0, 1.0]}},
            "a mean and a standard deviation for each channel",
        ),
        ({**TABLE, "classes": 0}, "task.classes: expected greater than or equal to 1"),
        (7, "task: expected"),
    ],
)
def test_a_mistake_is_one_sentence(task: object, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_experiment({"name": "x", "task": task})
    assert sentence in str(refused.value)


def test_a_table_travels_in_flowers_run_config() -> None:
    plan = FederationPlan(task=settings(TABLE), recordings="a", vault="b")
    config = plan.to_run_config()
    assert all(isinstance(value, bool | int | float | str) for value in config.values())
    assert FederationPlan.from_run_config(config) == plan
    short = FederationPlan(task=settings("digits-mlp"), recordings="a", vault="b")
    assert short.to_run_config()["task"] == "digits-mlp"


def test_tasks_vary_as_names_tables_and_fields() -> None:
    def labels(task: object) -> list[str]:
        campaign = parse_campaign({"name": "x", "task": task})
        assert parse_campaign(campaign.tree).points == campaign.points
        return [point.experiment.task.label for point in campaign.points]

    assert labels(["digits-mlp", {**TABLE, "name": "frozen"}]) == ["digits-mlp", "frozen"]
    assert labels({**TABLE, "network": ["mlp", "lenet"]}) == ["digits-mlp", "digits-lenet"]


def test_what_tells_tables_apart_is_in_the_settings_of_a_row() -> None:
    tree = {"name": "x", "task": {"data": "digits", "network": "convnet", "options": {"width": 4}}}
    wider = {**tree["task"], "options": {"width": 8}}  # type: ignore[dict-item]
    points = parse_campaign({**tree, "task": [tree["task"], wider]}).points
    assert [point.setting for point in points] == [{"task.options": '{"width": 4}'}, {"task.options": '{"width": 8}'}]


def test_only_a_users_own_module_needs_the_folder_of_the_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = 'name = "x"\n[task]\ndata = "DATA"\nnetwork = "mlp"\nshape = [1, 8, 8]\nclasses = 10\n'
    (tmp_path / "own.toml").write_text(text.replace("DATA", "somewhere:data"))
    (tmp_path / "ours.toml").write_text(text.replace("DATA", "digits"))
    assert load_campaign(tmp_path / "own.toml").first.task.folder == str(tmp_path)
    assert load_campaign(tmp_path / "ours.toml").first.task.folder is None


def test_a_table_of_ours_is_the_task_of_that_name() -> None:
    table = settings({"data": "digits", "network": "mlp"})
    assert source_of(table) == source_of("digits-mlp")
    assert str(task_of(table).network) == str(task_of("digits-mlp").network)
