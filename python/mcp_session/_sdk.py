"""Imports the official SDK where other threads may be importing it."""

import importlib
import sys
from types import ModuleType

__all__ = ["import_of_the_sdk"]


def import_of_the_sdk(name: str) -> ModuleType:
    """Import the module of the SDK's transport, then another of the SDK's.

    Two threads that lock a package and a module of it in turns break the imports of both. So an
    import that is under way is waited for with nothing locked; where there is none, the transport
    is what others are most likely to begin with, and they wait for it.

    Source: `_ModuleLock` of CPython's importlib.
    """
    if "mcp" in sys.modules:
        importlib.import_module("mcp")
    importlib.import_module("mcp.client.streamable_http")
    return importlib.import_module(name)
