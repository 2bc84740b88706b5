"""What a parsed configuration gives one stage: every parameter that is not its default.

Parameters of what the stage reaches by a scoped reference (`@student/BigGANGenerator`)
are named with the reference, all others without the stage's scope: two configurations
say the same exactly if their dictionaries are equal.
"""

import inspect

import gin

from dglgan_tf.config import gin_internals

OF_RECIPES = ("compress", "Comparison")  # what a stage itself does not read


def effective(stage: str = "") -> dict[str, object]:
    """Returns {'Trainer.batch_size': 64, '@student/BigGANGenerator.ch': 8, ...}.

    Args:
      stage: scope in which the training runs; '' = none.
    """
    found, raw = {}, []
    for selector in {selector for _, selector in gin.config._CONFIG}:
        configurable = gin.config._REGISTRY[selector]
        network = configurable.name.endswith(("Generator", "Discriminator"))
        own = (
            configurable.wrapped is gin.config.macro or configurable.name in OF_RECIPES
        )
        if not own and not network:
            shown, values = _of(selector, configurable.name, stage)
            found |= shown
            raw.append(values)
    waiting, seen = list(_references(raw)), set()
    while waiting:
        reference = waiting.pop()
        scope = "/".join(reference.scopes)
        selector = reference.configurable.selector
        if gin_internals.macro_of(reference) is None and (scope, selector) not in seen:
            seen.add((scope, selector))
            name = f"@{scope}/" * bool(scope) + reference.configurable.name
            shown, values = _of(selector, name, scope or stage)
            found |= shown
            waiting += _references(values)
    return dict(sorted(found.items()))


def _of(selector, shown, scope):
    """Returns what is bound in a scope: by its shown name, and as gin holds it."""
    signature = inspect.signature(gin.config._REGISTRY[selector].wrapped)
    defaults = {name: p.default for name, p in signature.parameters.items()}
    with gin.config_scope(scope.split("/") if scope else None):
        raw = gin.get_bindings(selector, resolve_references=False)
    values = {name: _plain(bound) for name, bound in raw.items()}
    changed = {
        f"{shown}.{name}": value
        for name, value in values.items()
        if value != _plain(defaults.get(name, inspect.Parameter.empty))
    }
    return changed, list(raw.values())


def _references(value):
    if isinstance(value, gin.config.ConfigurableReference):
        yield value
    elif isinstance(value, dict):
        yield from _references(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _references(part)


def _plain(value):
    """Returns a value that JSON keeps: references by name, macros by their value."""
    if isinstance(value, gin.config.ConfigurableReference):
        macro = gin_internals.macro_of(value)
        if macro is not None:
            return _plain(gin.query_parameter(f"{macro}/gin.macro.value"))
        name = "/".join([*value.scopes, value.configurable.name])
        return f"@{name}" + "()" * value.evaluate
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
