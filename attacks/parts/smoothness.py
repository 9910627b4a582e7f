"""Whether a network can be differentiated twice everywhere, which second-order methods rely on."""

from torch import nn

_KINKED = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardshrink,
    nn.Softshrink,
    nn.Threshold,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AdaptiveMaxPool2d,
)
_SMOOTH = (nn.Sigmoid, nn.Tanh, nn.Softplus, nn.GELU, nn.SiLU, nn.Mish, nn.LogSigmoid, nn.Softsign)


def is_smooth(network: nn.Module) -> bool:
    """True where every activation is smooth; those that are not modules cannot be seen, so none seen is False."""
    modules = list(network.modules())
    return any(isinstance(module, _SMOOTH) for module in modules) and not any(
        isinstance(module, _KINKED) for module in modules
    )
