"""Apps of a site that guards: one for Flower to name, and Flower's own command with the guard around whatever it loads.

    FEDLEAK_GUARD=/etc/fedleak/site-policy.toml python -m fedleak.guard.app --runtime-api-address ...

is `flwr-clientapp`, which a SuperNode starts for each message, and takes its arguments.
"""

from collections.abc import Callable
from functools import partial

from flwr.clientapp import ClientApp
from flwr.supernode.cli.flwr_clientapp import flwr_clientapp
from flwr.supernode.runtime import run_clientapp

from fedleak.errors import ConfigError, FedleakError
from fedleak.guard.mod import Guarded
from fedleak.guard.policy import Policy, site_policy
from fedleak.guard.required import reference

LOADER = "get_load_client_app_fn"
Load = Callable[[str, str, str], ClientApp]


def read_now() -> Callable[[], Policy]:
    """The site's policy as it is before an app is loaded, which might change it; or the mistake in it."""
    try:
        policy = site_policy()
    except FedleakError as error:
        return partial(_raise, error)
    return lambda: policy


def _raise(error: FedleakError) -> Policy:
    raise error


def _named(policy: Callable[[], Policy]) -> ClientApp:
    name = policy().app
    if name is None:
        raise ConfigError('the policy names no app: set app = "MODULE:NAME", the ClientApp of whom the site lets in')
    app = reference(name)
    if not isinstance(app, ClientApp):
        raise ConfigError(f"{name} is no ClientApp, but of type {type(app).__name__}")
    return app


def app_of_the_site() -> ClientApp:
    """The app that the policy names, guarded."""
    policy = read_now()
    return Guarded(partial(_named, policy), policy)


def install() -> None:
    """Has Flower's command guard whatever app it loads, in this process."""
    policy, inner = read_now(), getattr(run_clientapp, LOADER)

    def loader(*args: object, **options: object) -> Load:
        load: Load = inner(*args, **options)
        return lambda *named: Guarded(partial(load, *named), policy)

    setattr(run_clientapp, LOADER, loader)


app = app_of_the_site()

if __name__ == "__main__":
    install()
    flwr_clientapp()
