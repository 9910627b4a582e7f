"""Devices: one place reads the name and refuses what is not there; a client's round takes place on its device."""

from typing import Any

import pytest
import torch

from fedleak.contracts.at_cut import AT_CUT
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.tampered import Tampered, sent_parameters
from fedleak.contracts.tampering import Standing, tamperings
from fedleak.errors import ConfigError
from fedleak.federation.reply import reply
from fedleak.learning.batch import Batch
from fedleak.learning.device import asked, computing_on, dealt, require, take
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened, task_of, weights_of

OPTIONS: dict[str, dict[str, Any]] = {
    "clipping": {"max_norm": 0.1},
    "central-dp": {"max_norm": 1.0, "noise_multiplier": 1.0},
    "dp-sgd": {"max_norm": 1.0},
    "gaussian-noise": {"std": 1e-3},
    "laplace-noise": {"scale": 1e-3},
    "local-dp": {"epsilon": 10.0, "delta": 1e-5, "max_norm": 1.0},
    "user-level-dp": {"noise_multiplier": 1.0, "max_norm": 1.0, "clients": 2},
    "top-k": {"fraction": 0.5},
    "random-k": {"fraction": 0.5},
    "error-feedback": {"of": {"use": "top-k", "fraction": 0.5}},
    "withhold": {"layers": ("0.*",)},
    "pate": {"std": 1.0, "queries": 4},
}
"""What has to be said of defenses that have no defaults."""


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with three GPUs; the list is which was taken."""
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return taken


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_a_name_is_a_kind_and_maybe_which_of_several(gpus: list[int]) -> None:
    assert [asked(name) for name in ("cpu", "cuda", "cuda:12", "mps")] == [
        ("cpu", None),
        ("cuda", None),
        ("cuda", 12),
        ("mps", None),
    ]
    assert asked("auto") == ("cuda", None)


@pytest.mark.usefixtures("no_gpu")
def test_auto_is_the_processor_where_there_is_nothing_else() -> None:
    assert asked("auto") == ("cpu", None)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:one", "CUDA", "mps:0", ""])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--device: expected cpu, cuda, cuda:NUMBER, mps or auto, got"):
        asked(name)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_without_such_a_device_it_says_what_there_is_and_what_to_do(kind: Any) -> None:
    with pytest.raises(
        ConfigError, match=rf'device = "{kind}" was asked for, and torch .* finds the processor alone.*'
    ):
        require(kind)
    require("cpu")


def test_a_number_beyond_the_last_is_refused(gpus: list[int]) -> None:
    require("cuda", 2)
    with pytest.raises(ConfigError, match=r'device = "cuda:3".* finds 3 of them here, cuda:0 to cuda:2'):
        require("cuda", 3)


def test_gpus_are_dealt_out_where_something_computes_on_them(gpus: list[int]) -> None:
    assert dealt({"cpu"}) == ()
    assert dealt({"cpu", "cuda"}) == (0, 1, 2)
    assert dealt({"cuda"}, 1) == (1,)
    with pytest.raises(ConfigError, match="mps"):
        dealt({"mps"})


def test_a_gpu_is_taken_for_good_and_none_for_nothing(gpus: list[int]) -> None:
    take(None)
    take(2)
    assert gpus == [2]


def test_a_gpu_computes_in_full_precision_within_the_block_and_as_before_after_it() -> None:
    def flags() -> list[object]:
        cudnn = torch.backends.cudnn
        return [cudnn.deterministic, cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision]

    before = flags()
    with computing_on("cuda"):
        assert flags() == [True, "ieee", "ieee"]
    with computing_on("cpu"):
        assert flags() == before
    assert flags() == before


CLIENTS_OWN = [
    cls for cls in defenses if cls.__module__.startswith("fedleak.") and not cls.acts_on & {"answers", "share", *AT_CUT}
]


@pytest.mark.slow
@pytest.mark.parametrize("name", [cls.name for cls in CLIENTS_OWN])
def test_a_client_trains_and_defends_on_its_device(name: str, fake_gpu: Any) -> None:
    """Weights, batches, noise and all: a GPU would refuse what lies elsewhere; what leaves the client is in memory."""
    chain = Chain((defenses.build(name, OPTIONS.get(name, {})),))
    if chain.protocol is not None:
        chain = Chain()  # masks are put on afterwards
    with seeded(0):
        network = "bn-convnet" if name in ("group-norm", "withhold-batch-norm") else "lenet"
        task = hardened(TaskSettings.model_validate(f"digits-{network}"), chain)
    batch = Batch(torch.rand(4, *task.shape, generator=generator(1)), torch.tensor([0, 1, 2, 3]))
    before, training = weights_of(task.network), LocalTraining(batch_size=2, batches=2)
    sent = reply(task, before, batch, training, chain, (0,), device="cuda")
    tensors = [*sent.weights.state_dict().values(), *sent.kept.values()]
    assert {value.device.type for value in tensors} == {"cpu"}
    assert fake_gpu.computed > 50


@pytest.mark.parametrize("name", [cls.name for cls in tamperings if cls.by != "party"])
def test_tampered_code_runs_on_the_client_s_device(name: str, fake_gpu: Any) -> None:
    """What it reads of the client's share lies in memory, and what it is given to change does not."""
    with seeded(0):
        task = task_of("digits-mlp")
    share = Batch(torch.rand(4, *task.shape, generator=generator(1)), torch.tensor([0, 1, 2, 3]))
    options = {"property-poison": {"property": "label=1", "rate": 0.5}}
    does = (tamperings.build(name, options.get(name, {"images": 2})),)
    standing = Standing(task=task, share=share, sent=sent_parameters(task, Chain()), seed_key=(0,))
    tampered, training = Tampered(does=does, standing=standing), LocalTraining(batch_size=2, batches=2)
    sent = reply(task, weights_of(task.network), share, training, Chain(), (0,), device="cuda", tampered=tampered)
    assert {value.device.type for value in sent.weights.state_dict().values()} == {"cpu"}


def test_on_the_processor_tensors_are_not_even_copied() -> None:
    batch = Batch(torch.rand(1, 1, 2, 2), torch.tensor([0]))
    assert batch.to("cpu").inputs is batch.inputs
