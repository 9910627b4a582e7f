"""Watcher: what a client's training shows to PyTorch's own hooks, while the client is called and at no other time."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from fedleak.audit.seen import LOSSES, Loss, Pass, Private, State, StepSeen, Training

ON_THE_WAY = ("log_softmax", "softmax", "sigmoid", "logsigmoid", "squeeze", "view", "reshape", "flatten", "float")
"""What stands between a network's scores and its loss without being part of either."""


class Watcher(TorchFunctionMode):
    """Within `watching()` it fills a `Training`; it changes nothing and draws no random numbers.

    The network is the outermost module with parameters that is called with gradients on. Tensors that training may
    write to are copied. What `torch.compile` was told to compile runs as it is written.
    """

    def __init__(self, beat: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._beat = beat
        self._seen = Training()
        self._depth = 0
        self._outermost: nn.Module = nn.Identity()
        self._waiting: list[Pass] = []
        self._of: dict[int, tuple[Tensor, Pass, tuple[str, ...]]] = {}

    @contextmanager
    def watching(self) -> Iterator[Training]:
        """Watches this thread until the block ends."""
        self._seen, self._waiting, self._of, self._depth = Training(), [], {}, 0
        with ExitStack() as stack:
            for handle in (
                register_module_forward_pre_hook(self._enters),
                register_module_forward_hook(self._leaves, with_kwargs=True, always_call=True),
                register_optimizer_step_pre_hook(self._steps),
            ):
                stack.callback(handle.remove)
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(self)
            yield self._seen
        self._seen.left, self._of = self._waiting, {}

    def _enters(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._beat()
            self._outermost = module
        if next(self._outermost.parameters(), None) is None:
            self._transforms(module)
        if self._depth != 1 or not torch.is_grad_enabled() or not trains(module):
            return
        if self._seen.network is None:
            self._seen.network = module
            with torch._C.DisableTorchFunction():
                self._seen.start = copied(module.state_dict())
        if module is not self._seen.network:
            self._seen.others.append(f"network {type(module).__name__}")
            return
        modes = tuple(one.training for one in module.modules())
        lower = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        self._waiting.append(Pass((), {}, modes, torch.get_rng_state(), lower))
        with torch._C.DisableTorchFunction():
            self._waiting[-1].arguments = tuple(kept(one) for one in arguments)

    def _leaves(self, module: nn.Module, _: Any, *given: Any) -> None:
        """Given are keywords and output; where the call raised, torch leaves the keywords out."""
        self._depth -= 1
        if self._depth or module is not self._seen.network or not torch.is_grad_enabled() or not self._waiting:
            return
        if len(given) < 2:
            self._waiting.pop()
            return
        keywords, output = given
        made = self._waiting[-1]
        made.keywords = {name: kept(one) for name, one in keywords.items()}
        if isinstance(output, Tensor):
            self._of[id(output)] = output, made, ()

    def _transforms(self, module: nn.Module) -> None:
        name = type(module).__name__
        if "torchvision" not in type(module).__module__:
            return
        if name == "Normalize":
            found = numbers(module.mean), numbers(module.std)
            if found not in self._seen.normalized:
                self._seen.normalized.append(found)
        elif name not in self._seen.transforms:
            self._seen.transforms.append(name)

    def _steps(self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self._beat()
        seen, network = self._seen, self._seen.network
        seen.closure = seen.closure or any(callable(one) for one in (*arguments[1:], keywords.get("closure")))
        if network is None:
            return
        names = {id(value): name for name, value in network.named_parameters()}
        values = [value for group in optimizer.param_groups for value in group["params"]]
        if not any(id(value) in names for value in values):
            seen.others.append(f"optimizer {type(optimizer).__name__} of other parameters")
            return
        if seen.optimizer_class is None:
            seen.optimizer_class = type(optimizer)
            seen.optimizer = f"{type(optimizer).__module__}:{type(optimizer).__name__}"
            seen.resumed = bool(optimizer.state)
            if any(hasattr(value, "grad_sample") for value in values):
                seen.private = private_around(optimizer)
        elif seen.optimizer_class is not type(optimizer):
            seen.others.append(f"optimizer {type(optimizer).__name__}")
        groups = [
            {**{key: value for key, value in group.items() if key != "params"},
             "params": [names.get(id(value), "") for value in group["params"]]}
            for group in optimizer.param_groups
        ]  # fmt: skip
        with torch._C.DisableTorchFunction():
            given = [value for value in values if value.grad is not None]
            norms = [float(value.grad.detach().double().norm()) for value in given]
            noisy = seen.private is not None and seen.private.noise > 0
            gradient = copied({names.get(id(one), ""): one.grad for one in given}) if noisy else {}
        norm = sum(one * one for one in norms) ** 0.5
        seen.steps.append(StepSeen(self._waiting, groups, norm, gradient))
        self._waiting, self._of = [], {}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        name = getattr(function, "__name__", "")
        if not args or not isinstance(args[0], Tensor) or id(args[0]) not in self._of:
            return result
        _, made, path = self._of[id(args[0])]
        if name in LOSSES:
            self._lost(made, path, name, args[1:], kwargs)
        elif name in ON_THE_WAY and isinstance(result, Tensor):
            self._of[id(result)] = result, made, (*path, name)
        return result

    def _lost(
        self, made: Pass, path: tuple[str, ...], name: str, rest: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        made.losses += 1
        target = rest[0] if rest else kwargs.get("target")
        if made.loss is None and isinstance(target, Tensor):
            options = {key: kept(value) for key, value in kwargs.items() if key not in ("input", "target")}
            made.loss = Loss(name, kept(target), options, path)


def private_around(optimizer: Optimizer) -> Private | None:
    """What Opacus does around an optimizer, which does not know it: it is looked for among what refers to it."""
    for one in gc.get_referrers(optimizer):
        own = one if isinstance(one, dict) else getattr(one, "__dict__", {})
        if own.get("original_optimizer") is optimizer:
            divided = own.get("expected_batch_size") if own.get("loss_reduction", "mean") == "mean" else 1
            return Private(float(own["max_grad_norm"]), float(own["noise_multiplier"]), float(divided or 1))
    return None


def trains(module: nn.Module) -> bool:
    """Whether it has parameters that are trained."""
    return any(value.requires_grad for value in module.parameters())


def kept(value: Any) -> Any:
    """A copy of a tensor, apart from any graph; anything else as it is."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def copied(state: dict[str, Any]) -> State:
    """A state dict by copies of its tensors."""
    return {name: kept(value) for name, value in state.items() if isinstance(value, Tensor)}


def numbers(value: Any) -> tuple[float, ...]:
    """The numbers of a tensor, a sequence or one number."""
    return tuple(float(one) for one in torch.as_tensor(value).flatten().tolist())
