"""Watcher: what a client's training shows to PyTorch's own hooks, while the client is called and at no other time."""

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from fedleak.audit.seen import (
    KEPT_BYTES,
    LOSSES,
    ON_THE_WAY,
    Loss,
    Pass,
    StepSeen,
    Training,
    added,
    copied,
    kept,
    numbers,
    tensors_in,
    trains,
)
from fedleak.audit.surroundings import Handling, private_around, schedulers_of


class _Place(threading.local):
    """Where a thread is among the calls of modules."""

    depth = 0
    outermost: nn.Module = nn.Identity()


class _Joined(threading.local):
    """Whether a thread is watched until it ends: it may be called as a client's later."""

    now = False


class Watcher(TorchFunctionMode):
    """Within `watching()` it fills a `Training`; it changes nothing and draws no random numbers.

    The network is the outermost module with parameters that is called with gradients on. Tensors that training may
    write to are copied. What `torch.compile` was told to compile runs as it is written. Threads that begin meanwhile
    are watched too. What goes wrong in here is kept in `broken`: no client feels it.
    """

    def __init__(self, beat: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._beat = beat
        self._on, self._joined = False, _Joined()
        self._begin()

    def _begin(self) -> None:
        self._seen, self._place = Training(), _Place()
        self._waiting: list[Pass] = []
        self._of: dict[int, tuple[Tensor, Pass, int, tuple[str, ...]]] = {}
        self._own: frozenset[int] = frozenset()
        self._handling = Handling()

    @contextmanager
    def watching(self) -> Iterator[Training]:
        """Watches this thread, and those that begin in it, until the block ends."""
        self._begin()
        with ExitStack() as stack:
            for handle in (
                register_module_forward_pre_hook(partial(self._safely, self._enters)),
                register_module_forward_hook(partial(self._safely, self._leaves), with_kwargs=True, always_call=True),
                register_optimizer_step_pre_hook(partial(self._safely, self._steps)),
            ):
                stack.callback(handle.remove)
            stack.callback(threading.settrace, threading.gettrace())
            threading.settrace(self._joins)
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            if not self._joined.now:
                stack.enter_context(self)
            self._on = True
            stack.callback(setattr, self, "_on", False)
            yield self._seen
        self._seen.left, self._of = self._waiting, {}

    def _safely(self, look: Callable[..., None], *given: Any) -> None:
        """Looks without being felt."""
        if not self._on or self._seen.broken:
            return
        try:
            with torch._C.DisableTorchFunction():
                look(*given)
        except Exception as error:  # noqa: BLE001  an app does what nobody thought of
            traceback.print_exc()
            self._seen.broken = f"{type(error).__name__}: {error}"

    def _joins(self, *_: Any) -> None:
        """Python calls it once in each new thread: it is watched until it ends."""
        sys.settrace(None)
        enter: Callable[[], Any] = self.__enter__
        if self._on:
            enter()
            self._joined.now = True

    def _enters(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        place = self._place
        place.depth += 1
        if place.depth == 1:
            self._beat()
            place.outermost = module
        if next(place.outermost.parameters(), None) is None:
            self._transforms(module)
        if place.depth != 1 or not torch.is_grad_enabled() or not trains(module):
            return
        if torch._C._functorch.maybe_current_level() is not None:
            self._seen.functional = True
            return
        if self._seen.network is None:
            self._seen.network = module
            self._seen.start = copied(module.state_dict())
            self._own = frozenset(id(value) for value in module.parameters())
        if module is not self._seen.network:
            self._seen.others.append(f"network {type(module).__name__}")
            return
        modes = tuple(one.training for one in module.modules())
        lower = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        self._waiting.append(Pass(self._kept(arguments), {}, modes, torch.get_rng_state(), lower))

    def _leaves(self, module: nn.Module, _: Any, *given: Any) -> None:
        """Given are keywords and output; where the call raised, torch leaves the keywords out."""
        self._place.depth -= 1
        if self._place.depth or module is not self._seen.network or not torch.is_grad_enabled() or not self._waiting:
            return
        if len(given) < 2:
            self._waiting.pop()
            return
        keywords, output = given
        made = self._waiting[-1]
        made.keywords = self._kept(keywords)
        for place, value in enumerate(tensors_in(output)):
            self._of[id(value)] = value, made, place, ()
            if value.requires_grad:
                self._hook(value, partial(self._returns, made, place))

    def _returns(self, made: Pass, place: int, gradient: Tensor) -> None:
        """A gradient comes back to what the network gave."""
        made.gradients[place] = added(made.gradients.get(place), self._kept(gradient))

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
            seen.schedulers = schedulers_of(optimizer)
            if any(hasattr(value, "grad_sample") for value in values):
                seen.private = private_around(optimizer)
        elif seen.optimizer_class is not type(optimizer):
            seen.others.append(f"optimizer {type(optimizer).__name__}")
        groups = [
            {**{key: value for key, value in group.items() if key != "params"},
             "params": [names.get(id(value), "") for value in group["params"]]}
            for group in optimizer.param_groups
        ]  # fmt: skip
        given = {names.get(id(value), ""): value.grad for value in values if value.grad is not None}
        more = self._kept(given) if seen.private is not None or seen.beside else {}
        seen.steps.append(StepSeen(self._waiting, groups, frozenset(given), self._handling.done, more))
        self._waiting, self._of, self._handling = [], {}, Handling()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        self._safely(self._called, getattr(function, "__name__", ""), args, kwargs, result)
        return result

    def _called(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        self._handling.called(name, args, result)
        if not self._seen.beside and isinstance(result, Tensor) and result.requires_grad and not self._place.depth:
            new = self._seen.network is None  # a term may be reckoned before the network is first called
            mine = (id(one) in self._own or (new and isinstance(one, nn.Parameter)) for one in args)
            self._seen.beside = any(mine) and not any(one is result for one in args)
        known = self._of.get(id(args[0])) if args else None
        if known is None:
            return
        _, made, place, path = known
        if name in LOSSES:
            self._lost(made, place, path, name, args[1:], kwargs, result)
        elif name in ON_THE_WAY and isinstance(result, Tensor):
            self._of[id(result)] = result, made, place, (*path, name)

    def _lost(
        self, made: Pass, place: int, path: tuple[str, ...], name: str, rest: tuple[Any, ...],
        kwargs: dict[str, Any], result: Any,
    ) -> None:  # fmt: skip
        target = rest[0] if rest else kwargs.get("target")
        if isinstance(target, Tensor) and isinstance(result, Tensor) and result.requires_grad:
            options = {key: self._kept(value) for key, value in kwargs.items() if key not in ("input", "target")}
            made.losses.append(Loss(name, self._kept(target), options, path, place))
            self._hook(result, partial(self._weighs, made.losses[-1]))

    def _hook(self, tensor: Tensor, look: Callable[[Tensor], None]) -> None:
        """Looks at the gradient that comes back to a tensor."""
        hook: Callable[..., Any] = tensor.register_hook
        hook(partial(self._safely, look))

    def _weighs(self, loss: Loss, gradient: Tensor) -> None:
        """A gradient comes back to a loss."""
        loss.weight = added(loss.weight, self._kept(gradient))

    def _kept(self, value: Any) -> Any:
        """A copy of all tensors in it, apart from any graph; nothing in their place where that is too much."""
        if type(value) in (tuple, list):
            return type(value)(self._kept(one) for one in value)
        if type(value) is dict:
            return {key: self._kept(one) for key, one in value.items()}
        if not isinstance(value, Tensor):
            return value
        self._seen.kept_bytes += value.nbytes
        if self._seen.kept_bytes > KEPT_BYTES:
            self._seen.steps, self._waiting, self._of = [], [], {}
            return value.new_empty(0)
        return kept(value)
