"""Simulates a thousand replicas with ten million sessions, and writes it into docs/scale.md.

    nox -s simulate

makes what it needs and runs it: about two minutes of a processor. What the table takes for a call
is not simulated: it is what `benches/tables.py` has measured. Everything else is counted: every
session has an owner, every request comes to a replica, and the table serves what it is asked in
turn.
"""

import heapq
import json
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from sections import table, write_sections

ROOT = Path(__file__).resolve().parents[1]
SESSIONS = 10_000_000
REPLICAS = 1_000
# The mean time between two requests of a session, in seconds.
PAUSE = 60.0
# A lease, how often it is renewed, and by how much that varies; what a replica subtracts from its
# lease, for fear of clocks.
LEASE, RENEWED, JITTER, MARGIN = 1.5, 0.3, 0.2, 0.2
# What Redis's one thread works for each, in microseconds: docs/scale.md, measured.
WORK = {"find": 32.0, "open": 25.0, "claim": 41.0, "renew": 29.0, "touch": 1.3}
# How long an application works to restore a session, in seconds of one processor.
RESTORING = 0.002
# What has not ended by then, in seconds, does not end.
GIVEN_UP = 600.0
Results = dict[str, Any]


def main() -> None:
    """Simulate, print, write and draw."""
    results: Results = {
        "lease": LEASE * (1 - MARGIN),
        "forwards": {str(count): forwards(count) for count in (1, 2, 3, 5, 10, 20, 100, 1_000)},
        "sticky": forwards(REPLICAS, sticky=0.95),
        "deploys": {
            "one after the other": deploy(surge=False),
            "surge": deploy(surge=True),
        },
        "herds": {str(spread): herd(spread) for spread in (0, 1, 5, 30, 60, 120, 300, 600, 900)},
        "deaths": death(),
        "renewals": renewals(),
        "upkeeps": {str(bound): upkeep(bound) for bound in (1, 4, 16, 64, 256, 1024, 10_000)},
    }
    kept = ROOT / "target" / "scale.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
    sections = written(results)
    for name, text in sections.items():
        print(f"\n## {name}\n\n{text}")
    write_sections(ROOT / "docs" / "scale.md", sections)
    plots = ROOT / "benches" / "plots.py"
    subprocess.run([sys.executable, plots, kept, ROOT / "docs", "scale"], check=True)


def forwards(replicas: int, *, sticky: float = 0.0) -> dict[str, float]:
    """Count the requests that come to another than the owner, and what they ask of the table.

    The balancer sends that share of them to the owner, and the others anywhere.
    """
    random = np.random.default_rng(replicas)
    sessions = min(SESSIONS, 10_000 * replicas)
    owners = random.integers(replicas, size=sessions)
    requests = 1_000_000
    asked = random.integers(sessions, size=requests)
    came_to = random.integers(replicas, size=requests)
    led = random.random(requests) < sticky
    forwarded = float(np.mean((owners[asked] != came_to) & ~led))
    rate = sessions / PAUSE
    looked_up = forwarded * rate
    renewed = replicas / RENEWED
    # A session that was used is touched with the others, at most once in ten renewals.
    touched = min(rate, sessions / (10 * RENEWED))
    work = looked_up * WORK["find"] + renewed * WORK["renew"] + touched * WORK["touch"]
    return {
        "sessions": sessions,
        "requests": rate,
        "forwarded": forwarded,
        "look-ups": looked_up,
        "renewals": renewed,
        "touched": touched,
        "busy": work / 1e6,
    }


def deploy(*, surge: bool) -> Results:
    """Replace every replica, ten at a time, each within five seconds.

    One that ends releases its sessions: whoever gets the next request of one claims it. With a
    surge all new ones are there before the first old one ends, and requests come to new ones only.
    """
    random = np.random.default_rng(1)
    together, taking, step = 10, 5.0, 0.5
    owners = random.integers(REPLICAS, size=SESSIONS, dtype=np.int32)
    moves = np.zeros(SESSIONS, dtype=np.int8)
    # Of each number there is an old replica, and later a new one, which has the number above.
    lives = np.ones(2 * REPLICAS, dtype=bool)
    lives[REPLICAS:] = surge
    seconds: list[float] = []
    claims: list[float] = []
    ends = REPLICAS / together * taking
    now = 0.0
    while now < ends + 2 * PAUSE:
        turn = int(now / taking)
        if now % taking == 0 and turn * together < REPLICAS:
            old = np.arange(turn * together, (turn + 1) * together)
            lives[old] = False
            lives[REPLICAS + old] = True
        asked = np.unique(random.integers(SESSIONS, size=random.poisson(SESSIONS / PAUSE * step)))
        serving = np.flatnonzero(lives[REPLICAS:]) + REPLICAS if surge else np.flatnonzero(lives)
        came_to = serving[random.integers(len(serving), size=len(asked))].astype(np.int32)
        gone = ~lives[owners[asked]]
        owners[asked[gone]] = came_to[gone]
        moves[asked[gone]] += 1
        seconds.append(now)
        claims.append(float(np.count_nonzero(gone)) / step)
        now += step
    held = np.bincount(owners, minlength=2 * REPLICAS)[REPLICAS:]
    peak = max(claims)
    return {
        "seconds": ends,
        "moves": float(np.mean(moves)),
        "most moves": int(np.max(moves)),
        "peak": peak,
        "busy": peak * (WORK["find"] + WORK["claim"]) / 1e6,
        "most held": float(np.max(held) * REPLICAS / SESSIONS),
        "series": {"seconds": seconds, "claims": claims},
    }


def herd(spread: float) -> dict[str, float]:
    """Let every replica start anew, and every client come back within so many seconds.

    Each needs a look-up and a claim of the table, and to be restored by a replica.
    """
    random = np.random.default_rng(2)
    arrivals = np.sort(random.random(SESSIONS) * max(spread, 1e-9))
    work = (WORK["find"] + WORK["claim"]) / 1e6
    waits = queued(arrivals, work)
    served = arrivals + waits + work
    replica = random.integers(REPLICAS, size=SESSIONS)
    restored = max(
        float(np.max(queued(served[replica == one], RESTORING) + served[replica == one]))
        for one in range(20)
    )
    return {
        "p50": float(np.percentile(waits, 50)),
        "p99": float(np.percentile(waits, 99)),
        "busy": min(1.0, SESSIONS * work / max(spread, 1e-9)),
        "last": float(served[-1]),
        "restored": restored,
    }


def queued(arrivals: "np.ndarray[Any, Any]", work: float) -> "np.ndarray[Any, Any]":
    """Return how long each waits that is served in turn, each taking the same time."""
    # Lindley's recursion in one pass: what was there to do, less the idle time up to then.
    begun = np.arange(len(arrivals)) * work
    return np.asarray(begun + np.maximum.accumulate(arrivals - begun) - arrivals)


def death() -> dict[str, float]:
    """Kill a replica without a warning, and look when its sessions are served again."""
    random = np.random.default_rng(3)
    held = SESSIONS // REPLICAS
    # Killed at any time between two renewals.
    since = random.random() * RENEWED
    over = LEASE - since
    first = random.exponential(PAUSE, size=held)
    waiting = first[first < over]
    return {
        "held": held,
        "over": over,
        "waited": float(len(waiting)),
        "p50": float(np.median(over - waiting)),
        "longest": float(np.max(over - waiting)),
        "claims": float(len(waiting)),
        "busy": len(waiting) * (WORK["find"] + WORK["claim"]) / 1e6,
    }


def renewals() -> dict[str, float]:
    """Let all replicas renew at the same time once, and look how long that stays so."""
    random = np.random.default_rng(4)
    due = np.zeros(REPLICAS)
    most: dict[str, float] = {}
    for beat in range(31):
        bins = np.bincount((due * 100).astype(int))
        if beat in {0, 1, 3, 10, 30}:
            most[str(beat)] = float(np.max(bins))
        due = due + RENEWED * random.uniform(1 - JITTER, 1 + JITTER, size=REPLICAS)
    return most


def upkeep(bound: int) -> dict[str, float]:  # noqa: C901 - one line of waiting, and its ends
    """Let a table be replaced: every replica has to look after each of its sessions.

    Each has at most so many look-ups under way, and its renewal stands in line behind those of all.
    One whose lease is over by its own clock begins again with all of its sessions.
    """
    random = np.random.default_rng(5)
    # Look-ups are served in lumps, which is quicker to simulate.
    lump = min(bound, 16)
    held = SESSIONS // REPLICAS
    left, under_way, renewed = [0] * REPLICAS, [0] * REPLICAS, [0.0] * REPLICAS
    due = [(float(it), number) for number, it in enumerate(random.random(REPLICAS) * RENEWED)]
    heapq.heapify(due)
    waiting: deque[tuple[float, int, int]] = deque()

    def begin(number: int) -> None:
        left[number] = held
        while left[number] > 0 and under_way[number] * lump < bound:
            look(number)

    def look(number: int) -> None:
        left[number] -= lump
        under_way[number] += 1
        waiting.append((now, number, lump))

    now, worst, lapses, ended = 0.0, 0.0, 0, 0.0
    for number in range(REPLICAS):
        begin(number)
    looking = set(range(REPLICAS))
    # After the last look-up every replica has to renew once more, to be sure of its lease.
    while (looking or min(renewed) < ended) and now < GIVEN_UP:
        while due and (due[0][0] <= now or not waiting):
            asked, number = heapq.heappop(due)
            waiting.append((asked, number, 0))
        asked, number, count = waiting.popleft()
        now = max(now, asked) + (WORK["find"] * count if count else WORK["renew"]) / 1e6
        if count:
            under_way[number] -= 1
            if left[number] > 0:
                look(number)
            elif not under_way[number]:
                looking.discard(number)
                ended = now
            continue
        worst = max(worst, now - asked)
        if now - renewed[number] > LEASE * (1 - MARGIN):
            lapses += 1
            looking.add(number)
            begin(number)
        renewed[number] = asked
        later = now + RENEWED * random.uniform(1 - JITTER, 1 + JITTER)
        heapq.heappush(due, (later, number))
    return {"renewal": worst, "all": ended if now < GIVEN_UP else GIVEN_UP, "lapses": lapses}


def written(results: Results) -> dict[str, str]:
    """Write the sections of the page."""
    steady = [
        (
            count,
            f"{each['sessions']:,.0f}",
            f"{each['requests']:,.0f}/s",
            f"{each['forwarded']:.1%}",
            f"{each['look-ups']:,.0f}/s",
            f"{each['renewals']:,.0f}/s",
            f"{each['touched']:,.0f}/s",
            f"{each['busy']:.0%}",
        )
        for count, each in (
            *((f"{int(count):,}", each) for count, each in results["forwards"].items()),
            (f"{REPLICAS:,}, sticky for 95 of 100", results["sticky"]),
        )
    ]
    deploys = [
        (
            name,
            f"{each['seconds']:,.0f} s",
            f"{each['moves']:.2f}, {each['most moves']}",
            f"{each['peak']:,.0f}/s",
            f"{each['busy']:.0%}",
            f"{each['most held']:.2f} x the mean",
        )
        for name, each in results["deploys"].items()
    ]
    herds = [
        (
            f"{int(spread):,} s",
            f"{each['p50']:,.1f} s, {each['p99']:,.1f} s",
            f"{each['busy']:.0%}",
            f"{each['last']:,.0f} s",
            f"{each['restored']:,.0f} s",
        )
        for spread, each in results["herds"].items()
    ]
    upkeeps = [
        (
            f"{int(bound):,}",
            f"{each['renewal']:,.2f} s",
            f"{each['lapses']:,.0f}",
            f"{each['all']:,.0f} s" if each["all"] < GIVEN_UP else "not in ten minutes",
        )
        for bound, each in results["upkeeps"].items()
    ]
    dead = results["deaths"]
    beats = ", ".join(f"{most:,.0f} after {beat}" for beat, most in results["renewals"].items())
    return {
        "steady": table(
            (
                "replicas",
                "sessions",
                "requests",
                "forwarded",
                "look-ups",
                "renewals",
                "touched",
                "Redis busy",
            ),
            steady,
        ),
        "deploys": table(
            (
                "deploy",
                "takes",
                "moves of a session: mean, most",
                "claims at the peak",
                "Redis busy with them",
                "the fullest replica",
            ),
            deploys,
        ),
        "herds": table(
            (
                "clients come back within",
                "wait for the table: median, 99 of 100",
                "Redis busy",
                "the last has its look-up after",
                "and is restored after",
            ),
            herds,
        ),
        "death": (
            f"Of {dead['held']:,} sessions of a replica that is killed, {dead['waited']:,.0f} get "
            f"a request before its lease is over, which was {dead['over']:.2f} s later: they wait "
            f"{dead['p50']:.2f} s at the median, {dead['longest']:.2f} s at most, and are claimed "
            f"together, which keeps Redis busy for {dead['busy'] * 1e3:,.1f} ms."
        ),
        "renewals": (
            f"{REPLICAS:,} replicas that renew at the same moment do so no longer soon: of their "
            f"renewals come within the fullest 10 ms {beats} beats."
        ),
        "upkeeps": table(
            ("at once in each replica", "the longest renewal", "leases lost", "all looked after"),
            upkeeps,
        ),
        "simulated": (
            f"{SESSIONS:,} sessions, a request of each every {PAUSE:.0f} s on average; Redis works "
            + ", ".join(f"{work:g} µs for {name}" for name, work in WORK.items())
            + f". A lease is {LEASE} s, renewed every {RENEWED} s within {JITTER:.0%}."
        ),
    }


if __name__ == "__main__":
    main()
