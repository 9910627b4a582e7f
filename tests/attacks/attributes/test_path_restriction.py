"""Path restriction: a path that known columns and the answer allow, and the middle of what it says of hidden values."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.attributes.path_restriction import Paths
from fedleak.contracts.attack import attacks
from fedleak.learning.batch import Batch
from fedleak.learning.decision_tree import DecisionTree
from fedleak.learning.split import SplitNetwork
from fedleak.learning.table import Column, Table
from fedleak.learning.task import Task
from fedleak.randomness import generator
from fedleak.tasks import task_of

NAMES = ("a", "b", "c", "d")
TABLE = Table(columns=tuple(map(Column, NAMES)), classes=("no", "yes", "perhaps"))
HIDDEN = ("b", "d")
MASK = TABLE.mask(HIDDEN)


def rows(count: int = 400) -> Batch:
    values = 2 * torch.rand(count, 4, generator=generator("rows of a tree")) - 1
    return Batch(values, (values[:, 1] > 0.3).long() + ((values[:, 3] > 0) & (values[:, 0] > 0)).long(), TABLE)


def tree(depth: int = 4) -> DecisionTree:
    found = DecisionTree(4, 3, depth)
    found.fit(rows().inputs, rows().labels, seed=0)
    return found


def task_with(network: nn.Module) -> Task:
    return Task("tiny-tree", network, TABLE.shape, 3, given=TABLE)


def restricted(view, seed: int = 0):
    return attacks.build("path-restriction", {}).run(view, generator(seed))


def rate(guess: torch.Tensor, batch: Batch, found: DecisionTree) -> float:
    """Of the branches at hidden columns along true paths, the share that a guess takes too."""
    guessed, right = batch.inputs.clone(), []
    guessed[:, MASK] = guess
    for nodes in found.path(batch.inputs)[:, :-1].unbind(1):
        asked = MASK[found.features[nodes]] & (found.thresholds[nodes] < 1)
        right.append((found.above(batch.inputs, nodes) == found.above(guessed, nodes))[asked])
    return torch.cat(right).double().mean().item()


def test_what_it_says_leads_to_the_answer_by_what_is_known(answered):
    found, batch = tree(), rows()
    made = restricted(answered(task_with(nn.Sequential(nn.Flatten(), found)), batch, HIDDEN))
    guessed = batch.inputs.clone()
    guessed[:, MASK] = made.columns
    assert torch.equal(found(guessed).argmax(1), found(batch.inputs).argmax(1))
    assert torch.equal(guessed[:, ~MASK], batch.inputs[:, ~MASK])


def test_it_tells_more_branches_than_a_path_at_random(answered):
    found, batch = tree(), rows()
    view = answered(task_with(nn.Sequential(nn.Flatten(), found)), batch, HIDDEN)
    silent = replace(view, predictions=torch.full_like(view.predictions, torch.nan))
    told, guessed = (
        sum(rate(restricted(one, seed).columns, batch, found) for seed in range(5)) / 5 for one in (view, silent)
    )
    assert guessed < 0.75
    assert told > guessed + 0.15


def test_a_stump_that_asks_about_a_hidden_value_gives_its_branch_away(answered):
    found, batch = DecisionTree(4, 2, 1), rows()
    found.fit(batch.inputs, (batch.inputs[:, 1] > 0.3).long(), seed=0)
    made = restricted(answered(replace(task_with(nn.Sequential(found)), classes=2), batch, HIDDEN))
    assert rate(made.columns, batch, found) == 1.0
    split = found.thresholds[0].item()
    assert sorted(set(made.columns[:, 0].tolist())) == pytest.approx([(split - 1) / 2, (split + 1) / 2])
    assert made.columns[:, 1].unique().tolist() == [0.0], "by public frequency, which nobody told"


def test_columns_of_parties_stand_where_they_stood(answered):
    """A tree of a cut network asks about columns party after party, here in another order than the table's."""
    batch, places = rows(), [torch.tensor([2, 0]), torch.tensor([3, 1])]
    order, found = torch.cat(places), DecisionTree(4, 3, 4)
    found.fit(batch.inputs[:, order], batch.labels, seed=0)
    network = SplitNetwork(places, [nn.Flatten(), nn.Flatten()], nn.Sequential(found), [(2,), (2,)])
    made = restricted(answered(task_with(network), batch, HIDDEN))
    guessed = batch.inputs.clone()
    guessed[:, MASK] = made.columns
    assert torch.equal(network(guessed).argmax(1), network(batch.inputs).argmax(1))


def test_every_row_takes_one_path(answered):
    found, batch = tree(), rows()
    paths = Paths.of(found, torch.arange(4), (-1.0, 1.0))
    assert paths.allowed(batch.inputs).sum(1).tolist() == [1] * len(batch)
    view = answered(task_with(nn.Sequential(found)), batch, HIDDEN)
    assert (paths.allowed(view.rows.inputs) | ~paths.allowed(batch.inputs)).all(), "the true one is always left"


def test_another_network_is_refused_in_a_sentence(answered):
    made = restricted(
        answered(
            task_of("diabetes-mlp"), Batch(torch.zeros(3, 11), torch.zeros(3), task_of("diabetes-mlp").space), ("age",)
        )
    )
    assert made.failure == "the model of 'diabetes-mlp' is no decision tree: it takes one, the network decision-tree"


def test_an_answer_that_no_path_leads_to_is_a_reason(answered):
    view = answered(
        task_with(nn.Sequential(tree())), rows(), ("b",), lambda said: torch.eye(3)[[0] * len(said)].double()
    )
    blank = replace(
        view,
        predictions=torch.eye(3)[torch.full((400,), 2)].double(),
        rows=replace(rows(), inputs=torch.full((400, 4), -0.9)),
    )
    assert "no path of the tree leads" in (restricted(blank).failure or "")
