"""Finds what a module offers that has a docstring of its own."""

import inspect
from types import ModuleType


def documented(module: ModuleType) -> list[object]:
    """The classes and functions that a module names in `__all__`."""
    named = map(vars(module).get, module.__all__)
    # To CPython 3.10 an alias of a generic type is a type.
    return [
        it
        for it in named
        if inspect.isroutine(it) or (isinstance(it, type) and not hasattr(it, "__origin__"))
    ]
