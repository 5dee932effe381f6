"""The soak: sessions of 50 clients, while workers and Redis are killed and restarted.

Run with the Python of an environment that has an SDK and the extras `sessions` and `redis`:

    python tests/workers/soak.py --seconds 600

Every call says something that no other says, and the server writes it down before it answers, at
the end of one file. So it can be counted: what was answered ran once, nothing ran twice, no session
was answered 404, every request ended, and what failed failed with an error that says so.
"""

import argparse
import itertools
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

import raw
from places import Place, Redis, redis, workers

CLIENTS = 50
WORKERS = 4
# A request that a process has had for longer hangs. Before that it may wait for one that serves:
# uvicorn replaces a worker that was killed while it was asked for its health only when the time
# for that is over, and ends those of a rolling restart before the new ones serve.
ENDS_WITHIN = 30.0
GIVEN_UP_AFTER = 90.0
NUMBERS = itertools.count(1)
# What is not processed says so: asked again, it is.
NOT_NOW = {502, 503}


def main() -> None:
    """Run the soak, and exit with 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    random.seed(options.seed)
    soak = Soak()
    with redis() as table, workers(table.url, count=WORKERS, ARRIVALS="yes") as place:
        anyio.run(soak.run, place, table, options.seconds)
        problems = soak.problems(place)
        soak.show(place)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    sys.exit(1 if problems else 0)


@dataclass
class Soak:
    """What was seen."""

    answered: set[str] = field(default_factory=set[str])
    failed: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    longest: float = 0.0
    disturbed_last: float = 0.0
    is_over: bool = False

    async def run(self, place: Place, table: Redis, seconds: float) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(CLIENTS):
                tasks.start_soon(self.client, place, number)
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                await anyio.sleep(random.uniform(1, 4))  # noqa: S311
                await self.disturb(place, table)
            # What was disturbed last has time to come back, and then everybody is served.
            await anyio.sleep(5)
            self.is_over = True

    async def client(self, place: Place, number: int) -> None:
        async with raw.Session(place.url) as session:
            while session.session_id is None:
                try:
                    await session.open()
                except Exception:  # noqa: BLE001 - it is not told by which library
                    session.session_id = None
                    await anyio.sleep(0.2)
            calls = 0
            while not self.is_over:
                await self.call(place, session, f"{number}-{calls}")
                calls += 1
            # In the end every session is there.
            while not await self.call(place, session, f"{number}-{calls}"):
                calls += 1
                await anyio.sleep(0.2)

    async def call(self, place: Place, session: raw.Session, text: str) -> bool:
        begun = time.monotonic()
        url = f"{place.url}?call={text}"
        try:
            with anyio.fail_after(GIVEN_UP_AFTER):
                answer = await session.call(next(NUMBERS), "run", {"text": text}, url=url)
        except TimeoutError:
            self.failed["given up"] += 1
            return False
        except Exception as error:  # noqa: BLE001 - a connection that was cut, of either library
            self.failed[type(error).__name__] += 1
            return False
        finally:
            ended = time.monotonic()
            self.longest = max(self.longest, ended - begun)
            if ended - begun > ENDS_WITHIN:
                self.look_where_it_was(place, text, ended)
        if answer.status_code == 200 and f'"text":"{text}"' in answer.text:
            self.answered.add(text)
            return True
        self.failed[str(answer.status_code)] += 1
        if answer.status_code not in NOT_NOW and "-32603" not in answer.text:
            self.wrong.append(f"{text}: {answer.status_code} {answer.text[:200]!r}")
        return False

    def look_where_it_was(self, place: Place, text: str, ended: float) -> None:
        arrivals = [line.rpartition("@") for line in place.noted("arrived")]
        came = [float(when) for name, _, when in arrivals if name == f"call={text}"]
        if not came:
            self.failed["taken by no process"] += 1
        elif (had := ended - came[0]) > ENDS_WITHIN:
            since = ended - self.disturbed_last
            self.wrong.append(f"{text} hung {had:.1f} s, {since:.1f} s after the last disturbance")

    async def disturb(self, place: Place, table: Redis) -> None:
        what = random.choices(["worker", "redis", "rolling"], [8, 1, 1])[0]  # noqa: S311
        # It can take uvicorn as long as its health check to see that one is gone. Where all are,
        # or have only begun to start, nobody is served, whatever the middleware does.
        begun = set(place.noted("serving"))
        pids = [pid for pid in place.workers() if str(pid) in begun]
        if what != "redis" and len(pids) < 2:
            return
        if what == "worker":
            os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311
        elif what == "rolling":
            os.kill(place.processes[0].pid, signal.SIGHUP)
        else:
            table.kill()
            await anyio.sleep(random.uniform(0.1, 1.5))  # noqa: S311
            await anyio.to_thread.run_sync(table.start)
        self.events[what] += 1
        self.disturbed_last = time.monotonic()

    def problems(self, place: Place) -> list[str]:
        runs = Counter(place.noted("runs"))
        twice = [text for text, count in runs.items() if count > 1]
        lost = [text for text in self.answered if text not in runs]
        found = list(self.wrong)
        found += [f"ran {runs[text]} times: {text}" for text in twice]
        found += [f"answered and not run: {text}" for text in lost]
        return found

    def show(self, place: Place) -> None:
        counted: dict[str, Any] = {
            "calls answered": len(self.answered),
            "failed": dict(self.failed),
            "disturbed": dict(self.events),
            "sessions restored": len(place.noted("restored")),
            "longest request": f"{self.longest:.1f} s",
        }
        for name, value in counted.items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
