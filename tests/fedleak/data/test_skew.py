"""Skewed federations: the share that was asked for, as many as there can be, the same by seed; or a sentence."""

import pytest
import torch

from fedleak.data.partitioning import partition
from fedleak.data.skew import skewed
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.table import Table
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.settings.skew import Skew


@pytest.fixture(scope="module")
def patients() -> Batch:
    return load("diabetes-mlp").clients


def sexes(examples: Batch) -> list[str]:
    assert isinstance(examples.space, Table)
    return [examples.space.said(row)["sex"] for row in examples.inputs]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
def test_the_share_is_what_was_asked_for_and_no_more_are_left_out_than_must_be(patients: Batch, share: float) -> None:
    kept = sexes(patients[skewed(patients, Skew(property="sex=2", share=share), 0)])
    everybody = sexes(patients)
    assert kept.count("2") / len(kept) == pytest.approx(share, abs=0.5 / len(kept))
    assert kept.count("2") >= everybody.count("2") - 1 or kept.count("1") >= everybody.count("1") - 1


def test_clients_share_what_is_left(patients: Batch) -> None:
    skew = Skew(property="sex=2", share=0.25)
    shares = partition(patients, FederationSettings(clients=3, skew=skew), 4)
    places = torch.cat(shares)
    assert torch.equal(places.sort().values, skewed(patients, skew, 4))
    assert len(places.unique()) == len(places)
    other = skewed(patients, skew, 5)
    assert not torch.equal(other, skewed(patients, skew, 4))


def test_no_skew_is_what_there_was_before(patients: Batch) -> None:
    plain = partition(patients, FederationSettings(clients=2), 0)
    assert sum(map(len, plain)) == len(patients)
    assert all(map(torch.equal, plain, partition(patients, FederationSettings(clients=2, skew=Skew(share=0.9)), 0)))


@pytest.mark.parametrize("property", ["label=above 140.5", "progression=above 140.5"])
def test_a_label_is_a_property_too(patients: Batch, property: str) -> None:
    kept = patients[skewed(patients, Skew(property=property, share=0.2), 0)]
    assert kept.labels.float().mean().item() == pytest.approx(0.2, abs=0.01)


def test_labels_of_images_are_indices() -> None:
    digits = load("digits-mlp").clients
    kept = digits[skewed(digits, Skew(property="label=3", share=0.5), 0)]
    assert (kept.labels == 3).sum().item() == (digits.labels == 3).sum().item()
    assert len(kept) == 2 * (digits.labels == 3).sum().item()


@pytest.mark.parametrize(
    ("data", "property", "said"),
    [
        ("diabetes-mlp", "sxe=2", r"the table has no column 'sxe'; did you mean 'sex'\?$"),
        ("diabetes-mlp", "sex=Female", "column 'sex' has no category 'Female'; there is 1, 2"),
        ("diabetes-mlp", "age=50", "column 'age' is a number and has no categories, such as '50'"),
        ("diabetes-mlp", "label=far", "no label is called 'far'; there is above 140.5, up to 140.5"),
        ("digits-mlp", "label=10", "no label is called '10'"),
        ("digits-mlp", "sex=2", "'sex', a column, is for rows of a table, and the examples are 1x8x8 images"),
    ],
)
def test_a_property_that_the_data_lack_is_refused(data: str, property: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        skewed(load(data).clients, Skew(property=property), 0)


def test_a_property_that_nobody_or_everybody_has_is_refused(patients: Batch) -> None:
    men = patients[torch.tensor([sex == "1" for sex in sexes(patients)]).nonzero()[:, 0]]
    with pytest.raises(ConfigError, match=r"nobody has 'sex=2' among the clients' .* so a share of 0.3 cannot be made"):
        skewed(men, Skew(property="sex=2", share=0.3), 0)
    with pytest.raises(ConfigError, match="everybody has 'sex=1' among"):
        skewed(men, Skew(property="sex=1", share=0.3), 0)
    assert len(skewed(men, Skew(property="sex=2", share=0.0), 0)) == len(men)


@pytest.mark.parametrize("property", ["sex", "=2", "sex="])
def test_what_is_no_property_is_refused_where_it_is_read(property: str) -> None:
    with pytest.raises(
        ConfigError, match=r"skew.property: expected a property such as|skew: expected a property such as"
    ):
        parse_settings(FederationSettings, {"skew": {"property": property}})


def test_too_few_that_are_left_are_counted(patients: Batch) -> None:
    settings = FederationSettings(clients=4, batch_size=60, skew=Skew(property="sex=2", share=0.9))
    with pytest.raises(ConfigError, match=r"4 clients need 60 examples each .* there are 1\d\d in all"):
        partition(patients, settings, 0)
