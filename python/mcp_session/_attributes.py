"""What an object has for attributes of its own, read without asking its class.

That may hand on what it is asked for to another object, or raise whatever it likes.
"""

from contextlib import suppress
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, cast

__all__ = ["OwnAttributes"]


class _Example:
    __slots__ = ("slot",)


# PyPy's slots are of another type than `types` names.
_example: object = vars(_Example)["slot"]
Slot = cast("type[MemberDescriptorType]", type(_example))


class OwnAttributes:
    """Those in an object's `__dict__` and slots, as they are now.

    >>> from types import SimpleNamespace
    >>> from mcp_session._attributes import OwnAttributes
    >>> OwnAttributes(SimpleNamespace(inner=1)).values()
    [1]
    """

    def __init__(self, owner: object) -> None:
        """Read them where Python keeps them."""
        self._owner = owner
        names, self._slots = kept_by(owner)
        self._names = dict(names)

    def values(self) -> list[object]:
        """Return what they are."""
        return [*self._names.values(), *self._slots.values()]

    def put_back(self) -> None:
        """Make them again what they were, and take away those that came since."""
        names, slots = kept_by(self._owner)
        for name in names.keys() - self._names.keys():
            del names[name]
        names.update(self._names)
        for slot in slots.keys() - self._slots.keys():
            slot.__delete__(self._owner)
        for slot, value in self._slots.items():
            if slots.get(slot) is not value:
                slot.__set__(self._owner, value)


def kept_by(owner: object) -> tuple[dict[str, Any], dict[MemberDescriptorType, Any]]:
    """Return an object's `__dict__`, and what is in those of its slots that are not empty."""
    names: dict[str, Any] = {}
    slots: dict[MemberDescriptorType, Any] = {}
    for kind in type(owner).__mro__:
        for name, it in list(vars(kind).items()):
            if name == "__dict__" and isinstance(it, GetSetDescriptorType | Slot):
                names = it.__get__(owner)
            elif isinstance(it, Slot):
                with suppress(AttributeError):
                    slots[it] = it.__get__(owner)
    return names, slots
