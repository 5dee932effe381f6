"""The soak: a real client under many tasks, beside a real server that is killed again and again.

Run with the Python of an environment of `noxfile.py` (its session `soak` does):

    .environments/mcp2/bin/python tests/clients/soak.py --kills 200

Every call says something that no other says, and the server writes down what it executes before
it answers. So it can be counted: nothing was executed twice; every call ended; each one that
failed was under way during an outage (or was disturbed by the proxy) and got an error. An outage
lasts from a kill to the first answer of a process started since: until then the client may be
making no new session, because too many before it came to nothing. The memory and the sockets of
the client are measured after a tenth of the kills and at the end.

With `--proxy` the calls go through a proxy that, at random from the seed that is printed, delays,
resets, truncates, and answers 404 before it forwards.
"""

import argparse
import gc
import logging
import math
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp_session.testing import Exchange, scripted_server

import sdk
from servers import GENERATIONS, RealServer, real_server

TASKS = 50
NOT_FORWARDED = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
)

# A client that keeps what it should let go of keeps it for each kill, and all that were under
# way. Beside that an allocator warms up, and the failures are remembered here.
BYTES_OF_THE_RUN = 24 * 2**20
BYTES_A_KILL = 64 * 2**10


def main() -> None:
    """Run the soak, and exit with 1 if anything is not as it must be."""
    options = parse_options()
    print(f"seed {options.seed}", flush=True)
    random.seed(options.seed)
    logging.disable()
    soak = Soak()
    anyio.run(soak.run, options.server, options.kills, options.proxy)
    problems = soak.problems(options.proxy)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    sys.exit(1 if problems else 0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--server", choices=GENERATIONS, default=sdk.GENERATION)
    parser.add_argument("--proxy", action="store_true", help="through the proxy that disturbs")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    return parser.parse_args()


@dataclass
class Failure:
    """A call that got an error, and when it was under way."""

    begun: float
    ended: float
    error: str


@dataclass
class Outage:
    """When no call was answered, as far as the client can know."""

    begun: float
    ended: float = math.inf


@dataclass
class Soak:
    """What was seen."""

    calls: dict[int, int] = field(default_factory=dict)
    """How many calls each task has made."""
    failures: dict[str, Failure] = field(default_factory=dict)
    awaited: anyio.Event | None = None
    """Set by the first answer of a process; none once it came, or while no process is up."""
    executions: Counter[str] = field(default_factory=Counter)
    outages: list[Outage] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    disturbances: Counter[str] = field(default_factory=Counter)
    measures: list[tuple[int, int, int]] = field(default_factory=list)
    """How many kills there had been; bytes and sockets of this process."""

    async def run(self, generation: str, kills: int, proxied: bool) -> None:  # noqa: FBT001
        async with real_server(generation) as server:
            through = self.proxy(server) if proxied else direct(server)
            async with (
                through as url,
                self.client(url) as client,
                anyio.create_task_group() as tasks,
            ):
                stop = anyio.Event()
                for task in range(TASKS):
                    tasks.start_soon(self.call_until, stop, client, task)
                for kill in range(1, kills + 1):
                    await self.kill(server)
                    await anyio.sleep(random.uniform(0, 0.5))  # noqa: S311
                    if kill in {max(1, kills // 10), kills}:
                        self.measure(kill)
                    if kill % 10 == 0 or kill == kills:
                        self.show(kill, kills)
                stop.set()
            self.executions.update(run.argument for run in server.executions("echo"))

    async def call_until(self, stop: anyio.Event, client: sdk.Connected, task: int) -> None:
        self.calls[task] = 0
        while not stop.is_set():
            text = f"{task}-{self.calls[task]}"
            begun = time.monotonic()
            try:
                answer = await client.call("echo", text=text)
                assert answer == text, (answer, text)
                self.note_answer()
            except sdk.CallError as error:
                self.failures[text] = Failure(begun, time.monotonic(), error.message)
                # An application that asks again at once would only be refused again.
                await anyio.sleep(0.2)
            self.calls[task] += 1

    async def kill(self, server: RealServer) -> None:
        # What was answered before the kill may be read after it.
        self.awaited = None
        if not self.outages or self.outages[-1].ended < math.inf:
            self.outages.append(Outage(time.monotonic()))
        server.kill()
        await anyio.sleep(random.choice([0, 0, 0.1, 0.5]))  # noqa: S311
        await server.start()
        self.awaited = anyio.Event()
        # Of the processes some die before they have answered anything.
        if random.random() < 0.9:  # noqa: S311 - a share
            await self.awaited.wait()

    def note_answer(self) -> None:
        if self.awaited is not None:
            self.outages[-1].ended = time.monotonic()
            self.awaited.set()
            self.awaited = None

    def client(self, url: str) -> Any:
        def on_event(event: Any) -> None:
            self.events[type(event).__name__] += 1

        def create(**keywords: Any) -> Any:
            return sdk.create_http_client(**keywords, on_event=on_event)

        return sdk.connect(sdk.KINDS[0] if sdk.GENERATION == "mcp1" else sdk.LEGACY, url, create)

    @asynccontextmanager
    async def proxy(self, server: RealServer) -> AsyncGenerator[str]:
        async with sdk.http.AsyncClient(timeout=60) as upstream:
            proxy = Proxy(server, upstream, self.disturbances)
            async with scripted_server(proxy) as listener:
                yield listener.url

    def measure(self, kill: int) -> None:
        gc.collect()
        if Path("/proc/self/statm").exists():
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            memory = pages * os.sysconf("SC_PAGE_SIZE")
            self.measures.append((kill, memory, len(list(Path("/proc/self/fd").iterdir()))))

    def show(self, kill: int, kills: int) -> None:
        events = ", ".join(f"{count} {name}" for name, count in sorted(self.events.items()))
        made, failed = sum(self.calls.values()), len(self.failures)
        print(f"{kill}/{kills} kills: {made} calls, {failed} errors; {events}", flush=True)

    def problems(self, proxied: bool) -> list[str]:  # noqa: FBT001
        """Print what was measured, and return what is not as it must be."""
        made = [f"{task}-{number}" for task, count in self.calls.items() for number in range(count)]
        twice = [text for text, count in self.executions.items() if count > 1]
        unexecuted = [
            text for text in made if text not in self.failures and self.executions[text] != 1
        ]
        undisturbed = [
            f"{text}: {failure.error}"
            for text, failure in self.failures.items()
            if not (proxied or self.was_disturbed(failure))
        ]
        print(f"calls: {len(made)}, of which {len(self.failures)} got an error")
        print(f"executions: {sum(self.executions.values())}, of a call twice: {len(twice)}")
        print(f"disturbances by the proxy: {dict(sorted(self.disturbances.items()))}")
        for kill, memory, sockets in self.measures:
            print(f"after {kill} kills: {memory / 2**20:.1f} MiB, {sockets} file descriptors")
        errors = Counter(failure.error[:100] for failure in self.failures.values())
        for error, count in errors.most_common(12):
            print(f"  {count:5} x {error}")
        problems = [
            *(f"executed twice: {text}" for text in twice),
            *(f"answered without being executed once: {text}" for text in unexecuted),
            *(f"failed though nothing had happened: {text}" for text in undisturbed),
        ]
        if self.events["SessionReinitialized"] == 0:
            problems.append("no session was ever re-initialized")
        if len(self.measures) > 1:
            (first, memory, sockets), (last, memory_then, sockets_then) = self.measures
            if memory_then - memory > BYTES_OF_THE_RUN + BYTES_A_KILL * (last - first):
                problems.append("memory grew with the kills")
            if sockets_then > sockets + 2 * TASKS:
                problems.append("sockets were left open")
        return problems

    def was_disturbed(self, failure: Failure) -> bool:
        return any(
            failure.begun <= outage.ended and outage.begun <= failure.ended
            for outage in self.outages
        )


class Proxy:
    """Forwards to a server, and disturbs now and then."""

    def __init__(self, server: RealServer, upstream: Any, disturbances: Counter[str]) -> None:
        self.server = server
        self.upstream = upstream
        self.disturbances = disturbances

    async def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        # What the listener remembers would be taken for what the client does not let go of.
        exchange.server.requests.clear()
        fate = self.fate()
        if fate == "404" and request.session is None:
            fate = "delay"
        self.disturbances[fate] += 1
        if fate == "delay":
            await anyio.sleep(random.uniform(0, 0.2))  # noqa: S311
        elif fate == "reset":
            exchange.reset()
            return
        elif fate == "404":
            await exchange.answer(404, b"gone")
            return
        try:
            await self.forward(exchange, truncates=fate == "truncate")
        except sdk.http.ConnectError:
            await exchange.answer(503)
        except sdk.http.TransportError:
            exchange.reset()

    def fate(self) -> str:
        fates = ["forward", "delay", "reset", "truncate", "404"]
        (fate,) = random.choices(fates, weights=[960, 20, 8, 8, 4])  # noqa: S311
        return fate

    async def forward(self, exchange: Exchange, *, truncates: bool) -> None:
        request = exchange.request
        headers = [it for it in request.headers if it[0] not in NOT_FORWARDED]
        async with self.upstream.stream(
            request.method, self.server.url, headers=headers, content=request.body
        ) as response:
            answered = {
                name: value
                for name, value in response.headers.items()
                if name not in NOT_FORWARDED | {"date", "server"}
            }
            await exchange.begin(response.status_code, answered)
            async for chunk in response.aiter_raw():
                if truncates:
                    await exchange.send(chunk[: len(chunk) // 2] or chunk)
                    exchange.hang_up()
                    return
                await exchange.send(chunk)
            await exchange.finish()


@asynccontextmanager
async def direct(server: RealServer) -> AsyncGenerator[str]:
    yield server.url


if __name__ == "__main__":
    main()
