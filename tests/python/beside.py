"""Whether other Python threads run while a call into the core works."""

import sys
import threading
import time
from collections.abc import Callable

__all__ = ["others_run_during"]

_LIMIT_SECONDS = 20.0


def others_run_during(prepare: Callable[[], Callable[[], object]]) -> bool:
    """Make what is prepared in another thread, until this one has run meanwhile, or for 20 s.

    No thread is made to let go of the interpreter here: who runs meanwhile was let in by the call.
    """
    # The first one imports what it returns.
    prepare()()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(10 * _LIMIT_SECONDS)
    try:
        ends = time.monotonic() + _LIMIT_SECONDS
        for _ in range(100):
            if _is_let_in(prepare()):
                return True
            if time.monotonic() > ends:
                break
        return False
    finally:
        sys.setswitchinterval(interval)


def _is_let_in(call: Callable[[], object]) -> bool:
    states = ["new"]

    def run() -> None:
        states.append("within")
        call()
        states.append("after")

    thread = threading.Thread(target=run)
    thread.start()
    let_in = False
    while states[-1] != "after" and thread.is_alive():
        let_in |= states[-1] == "within"
        time.sleep(0)
    thread.join()
    return let_in
