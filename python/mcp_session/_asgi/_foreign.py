"""What is said of an exception that is not ours."""

import traceback
from pathlib import PurePath

__all__ = ["described_error"]


def described_error(error: BaseException) -> str:
    """Return its type, and where it was raised. Its text may hold an ID, and is not shown."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{at}"
