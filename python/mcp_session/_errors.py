"""What a task group wrapped: the errors themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["kinds", "leaves"]


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, or those that task groups wrapped."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    for one in inner:
        yield from leaves(one)
    if not inner:
        yield error


def kinds(error: BaseException) -> str:
    """Return the types of an error, or of those that task groups wrapped; never their text."""
    return " ".join(sorted({type(it).__name__ for it in leaves(error)}))
