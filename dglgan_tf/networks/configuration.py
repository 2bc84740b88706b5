"""Networks whose options are the fields of a frozen dataclass, for Python and for gin.

A network is written with a constructor that takes its configuration; `configured_by`
lets callers name the fields instead:

    @gin.configurable
    @configuration.configured_by(biggan_config.BigGANGeneratorConfig)
    class BigGANGenerator(base.Generator):
        def __init__(self, config, **kwargs): ...

    BigGANGenerator(32, ch=16)                              # Python
    BigGANGenerator.ch = 16                                 # gin
    BigGANGenerator.from_config({"resolution": 32, "ch": 16})

The options are declared, described and checked once, in the dataclass. The constructor
that callers see has them as its signature and its annotations, which is where gin looks
up which parameters exist, `config.bindings` their types and `Network.get_config` their
names.
"""

import dataclasses
import inspect
from collections.abc import Callable

_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


def configured_by(config_class: type) -> Callable[[type], type]:
    """Returns a class decorator: the constructor takes the fields of a dataclass.

    Args:
      config_class: a frozen dataclass, each field an option. The decorated class has a
        constructor `__init__(self, config, ...)`; what follows `config` (a name for
        Keras) stays an argument behind the fields.

    The new constructor raises TypeError for an option that does not exist, comes twice
    or is missing, and whatever the dataclass raises for values that cannot be.
    """

    def decorate(network_class: type) -> type:
        build = network_class.__init__
        fields = dataclasses.fields(config_class)
        names = {field.name for field in fields}
        signature = _signature(build, fields)
        others = [
            p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD
        ]

        def __init__(self, *arguments, **options):  # noqa: N807
            try:
                given = signature.bind(self, *arguments, **options).arguments
            except TypeError as error:
                raise TypeError(
                    f"{network_class.__name__}.__init__() {error}"
                ) from None
            config = config_class(**{n: v for n, v in given.items() if n in names})
            rest = {n: v for n, v in given.items() if n not in names}
            for name in others:
                rest.update(rest.pop(name, {}))
            build(rest.pop("self"), config, **rest)
            self.built = True  # Keras: all weights are there

        __init__.__signature__ = signature
        __init__.__annotations__ = {field.name: field.type for field in fields}
        __init__.__module__ = network_class.__module__
        __init__.__qualname__ = f"{network_class.__qualname__}.__init__"
        __init__.__doc__ = config_class.__doc__
        # Not functools.wraps: gin would look through it at the signature of `build`.
        network_class.__init__ = __init__
        network_class.config_class = config_class
        return network_class

    return decorate


def _signature(build, fields) -> inspect.Signature:
    """Returns (self, the fields, what `build` takes after self and config)."""
    own, _, *behind = inspect.signature(build).parameters.values()
    options = [
        inspect.Parameter(
            field.name, _KIND, default=_default(field), annotation=field.type
        )
        for field in fields
    ]
    return inspect.Signature([own, *options, *behind])


def _default(field):
    missing = field.default is dataclasses.MISSING
    return inspect.Parameter.empty if missing else field.default
