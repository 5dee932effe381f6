"""What can befall a server, and a pair of a primary and a replica."""

import asyncio
import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import redis
import trio
from mcp_session.sessions import (
    FoundSession,
    RedisSessions,
    SessionTable,
    SessionTableError,
    TableFault,
)
from mcp_session.testing import free_port
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import Sentinel

from redis_program import program
from redis_server import RedisServer, wait_for
from tables import LONG, Loop, entry

KEY = b"key"
# Less than a test's machine may stall, so a lease of a test ends only when it is let to.
SETTLING = 1.0


@pytest.fixture
def loop() -> Generator[Loop]:
    with Loop() as loop:
        yield loop


def opened(server: RedisServer | str, loop: Loop, **options: Any) -> RedisSessions:
    url = server if isinstance(server, str) else server.url
    given: dict[str, Any] = {"timeout": 30, "settling": SETTLING, **options}
    table = RedisSessions(url, **given)
    loop.closing.append(table)
    return table


def fault(loop: Loop, call: Coroutine[Any, Any, object]) -> TableFault:
    """The fault that a call ends in; its text is ours."""
    with pytest.raises(SessionTableError) as raised:
        loop.run(call)
    error = raised.value
    assert re.fullmatch(re.escape(error.fault.value) + r"( \(\w+\))?", str(error))
    assert error.__suppress_context__ or error.__context__ is None
    return error.fault


def write(loop: Loop, table: RedisSessions, claim: int = 1, owner: str = "a") -> bool:
    return loop.run(table.swap(KEY, expected=None, entry=entry(claim, owner), seconds=LONG))


def test_a_call_that_runs_out_of_time_takes_no_other_along(server: RedisServer, loop: Loop) -> None:
    table = opened(server, loop)

    async def calls(count: int, steps: int = 0, left: int = 0) -> list[object]:
        running = [asyncio.ensure_future(table.find(KEY)) for _ in range(count)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for call in running[:left]:
            call.cancel()
        return await asyncio.gather(*running[left:], return_exceptions=True)

    # Wherever the others are: they may wait for the end of the same connections.
    for steps in range(40):
        loop.run(calls(12))
        with server.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert loop.run(calls(4, steps, left=2)) == [None] * 2


def test_a_server_that_was_killed_cannot_be_reached_until_it_is_back(
    server: RedisServer, loop: Loop
) -> None:
    table = opened(server, loop)
    write(loop, table)
    server.kill()

    calls = (
        table.find(KEY),
        table.swap(KEY, expected=1, entry=entry(2), seconds=1),
        table.touch([KEY], 1),
        table.renew("a", b"", 1),
        table.withdraw("a"),
        table.hashing_key(),
    )
    assert {fault(loop, call) for call in calls} == {TableFault.UNREACHABLE}

    server.start()
    assert loop.run(table.renew("a", b"here", 1))


def test_connections_that_a_restart_closed_are_not_the_callers_trouble(
    server: RedisServer, loop: Loop
) -> None:
    table = opened(server, loop)

    async def find_all() -> set[FoundSession | None]:
        return {*await asyncio.gather(*(table.find(bytes([it])) for it in range(16)))}

    for call in (
        find_all(),
        table.swap(KEY, expected=None, entry=entry(1), seconds=LONG),
    ):
        loop.run(find_all())
        server.kill()
        server.start()
        loop.run(call)
    assert loop.run(table.find(KEY)) == FoundSession(entry(1), None)


def test_a_swap_whose_answer_was_lost_with_its_connection_is_known_to_have_written(
    server: RedisServer, loop: Loop
) -> None:
    with losing_first_answer(server.port) as port:
        table = opened(f"redis://127.0.0.1:{port}", loop)
        patient = opened(server, loop)
        # So that the server knows the script, and the swap is what is answered first.
        loop.run(patient.swap(b"other", expected=None, entry=entry(1), seconds=LONG))

        assert loop.run(table.swap(KEY, expected=None, entry=entry(1), seconds=LONG))
        assert not loop.run(table.swap(KEY, expected=None, entry=entry(1), seconds=LONG))
        assert loop.run(patient.swap(KEY, expected=1, entry=entry(2), seconds=LONG))


def test_a_paused_server_does_not_answer_in_time_and_may_still_write(
    server: RedisServer, loop: Loop
) -> None:
    table = opened(server, loop, timeout=0.2)
    write(loop, table)
    server.pause()

    assert fault(loop, table.find(KEY)) is TableFault.TIMED_OUT
    late = table.swap(KEY, expected=1, entry=entry(2, "late"), seconds=LONG)
    assert fault(loop, late) is TableFault.TIMED_OUT

    server.resume()
    patient = opened(server, loop)
    found = loop.run(patient.find(KEY))
    assert found is not None
    assert found.entry in {entry(1), entry(2, "late")}
    # Whichever it is, it is a whole claim: another can go on from it.
    claim = found.entry.claim
    claims = (patient.swap(KEY, expected=it, entry=entry(3, "b"), seconds=LONG) for it in (1, 2))
    loop.run(asyncio.sleep(SETTLING))
    assert claim in {1, 2}
    assert [loop.run(it) for it in claims].count(True) == 1


def test_a_full_server_keeps_leases_and_entries_and_takes_no_more(
    server: RedisServer, loop: Loop
) -> None:
    table = opened(server, loop, settling=LONG)
    loop.run(table.renew("a", b"here", 10))
    write(loop, table)
    with server.client() as client:
        client.config_set("maxmemory", 1)

    other = table.swap(b"other", expected=None, entry=entry(1), seconds=LONG)
    assert fault(loop, other) is TableFault.FULL
    assert not loop.run(table.renew("a", b"here", LONG))
    assert loop.run(table.touch([KEY], LONG)) == frozenset()
    assert loop.run(table.find(KEY)) == FoundSession(entry(1), b"here")

    with server.client() as client:
        client.config_set("maxmemory", 0)
    assert loop.run(table.swap(b"other", expected=None, entry=entry(1), seconds=LONG))


def test_a_server_that_evicts_is_warned_of(
    server: RedisServer, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
    with caplog.at_level(logging.WARNING, "mcp_session.sessions"):
        loop.run(opened(server, loop, key=bytes(32)).hashing_key())

    assert "evicts keys" in caplog.text


def test_a_server_that_does_not_evict_is_not_warned_of(
    server: RedisServer, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "100mb")
    loop.run(opened(server, loop, key=bytes(32)).hashing_key())

    assert caplog.text == ""


def test_a_slow_server_is_waited_for_until_the_timeout(server: RedisServer, loop: Loop) -> None:
    patient, impatient = opened(server, loop), opened(server, loop, timeout=0.05)
    loop.run(impatient.renew("a", b"here", 1))
    write(loop, patient)
    with server.client() as client:
        client.execute_command("CLIENT", "PAUSE", 500)

    assert fault(loop, impatient.find(KEY)) is TableFault.TIMED_OUT
    found = loop.run(patient.find(KEY))
    assert found is not None
    assert found.entry == entry(1)


def test_calls_beyond_the_connections_wait_for_one(server: RedisServer, loop: Loop) -> None:
    table = opened(server, loop, max_connections=2)
    write(loop, table)

    async def find_all() -> list[FoundSession | None]:
        return await asyncio.gather(*(table.find(KEY) for _ in range(50)))

    loop.run(table.renew("a", b"here", 1))
    with server.client() as client:
        before = client.info("clients")["connected_clients"]
    assert {found and found.entry for found in loop.run(find_all())} == {entry(1)}
    with server.client() as client:
        assert client.info("clients")["connected_clients"] <= before + 1


def test_connections_that_stay_in_use_are_not_waited_for_without_end(
    server: RedisServer, loop: Loop
) -> None:
    table = opened(server, loop, max_connections=1, timeout=0.2)
    loop.run(table.renew("a", b"here", 1))
    server.pause()

    async def find_all() -> list[object]:
        return await asyncio.gather(*(table.find(KEY) for _ in range(5)), return_exceptions=True)

    failed = loop.run(find_all())
    server.resume()
    faults = {it.fault for it in failed if isinstance(it, SessionTableError)}
    assert len(failed) == 5
    assert faults == {TableFault.TIMED_OUT}


def test_after_a_flush_owners_are_told_and_write_again_before_a_session_counts_as_unknown(
    server: RedisServer, loop: Loop
) -> None:
    owner, other = opened(server, loop), opened(server, loop)
    loop.run(owner.renew("a", b"here", 1))
    write(loop, owner, 7)
    with server.client() as client:
        client.flushall()

    async def look_while_the_owner_writes() -> FoundSession | None:
        looking = asyncio.ensure_future(other.find(KEY))
        assert await owner.renew("a", b"here", 1)
        assert await owner.touch([KEY], LONG) == {KEY}
        assert await owner.swap(KEY, expected=None, entry=entry(8), seconds=LONG)
        return await looking

    found = loop.run(look_while_the_owner_writes())
    assert found is not None
    assert found.entry == entry(8)
    assert loop.run(other.find(b"unknown")) is None


def test_a_running_process_writes_its_hashing_key_again_after_a_flush(
    server: RedisServer, loop: Loop
) -> None:
    running = opened(server, loop, settling=0.2)
    key = loop.run(running.hashing_key())
    loop.run(running.renew("a", b"here", 0.2))
    with server.client() as client:
        client.flushall()

    started = opened(server, loop)

    async def ask_while_the_other_renews() -> bytes:
        asking = asyncio.ensure_future(started.hashing_key())
        assert await running.renew("a", b"here", 0.2)
        return await asking

    assert loop.run(ask_while_the_other_renews()) == key


def test_a_process_that_slept_through_a_flush_does_not_go_on_with_the_old_hashing_key(
    server: RedisServer, loop: Loop
) -> None:
    slept, started = opened(server, loop, settling=0.1), opened(server, loop, settling=0.1)
    key = loop.run(slept.hashing_key())
    with server.client() as client:
        client.flushall()

    assert loop.run(started.hashing_key()) != key
    assert fault(loop, slept.renew("a", b"here", 0.1)) is TableFault.OTHER_KEY


def test_after_a_restart_with_what_it_stored_no_lease_counts_as_over_before_its_owner_can_renew(
    tmp_path: Path, loop: Loop
) -> None:
    with RedisServer(
        program(), tmp_path, "--appendonly", "yes", "--appendfsync", "always"
    ) as server:
        owner, other = opened(server, loop), opened(server, loop)
        loop.run(owner.renew("a", b"here", 0.05))
        write(loop, owner)
        server.kill()
        time.sleep(0.1)
        server.start()

        async def look_while_the_owner_renews() -> tuple[FoundSession | None, bool]:
            looking = asyncio.ensure_future(other.find(KEY))
            claiming = asyncio.ensure_future(
                other.swap(KEY, expected=1, entry=entry(2, "b"), seconds=LONG)
            )
            assert await owner.renew("a", b"there", SETTLING), "writes may have been lost"
            # As an owner does who is told so.
            assert await owner.touch([KEY], LONG) == frozenset()
            return await looking, await claiming

        found, claimed = loop.run(look_while_the_owner_renews())
        assert found == FoundSession(entry(1), b"there")
        # It had not looked before it claimed; who looks, as it should, sees the lease.
        assert claimed


def test_a_clock_that_was_set_back_is_not_waited_for(server: RedisServer, loop: Loop) -> None:
    with server.client() as client:
        run_id = client.info("server")["run_id"]
        client.set("{mcp-session}:server", f"{run_id} {int(time.time() + 3600) * 1000}")

    assert loop.run(asyncio.wait_for(opened(server, loop).find(KEY), 30)) is None


def test_a_claim_that_a_failover_lost_is_not_made_by_another_before_its_owner_knows(
    tmp_path: Path, loop: Loop
) -> None:
    with pair(tmp_path) as (primary, replica):
        # Where the clients find the primary, as a name or an address that moves would have it.
        place = tmp_path / "primary"
        place.symlink_to(primary.socket)
        url = f"unix://{place}"
        owner, claimant = opened(url, loop), opened(url, loop)
        loop.run(asyncio.sleep(SETTLING))
        loop.run(claimant.find(b"until settled"))
        write(loop, owner, 1, "dead")
        loop.run(owner.renew("a", b"here", SETTLING))
        wait_for(lambda: holds(replica, b"{mcp-session}:s:" + KEY))
        wait_for(lambda: holds(replica, b"{mcp-session}:r:a"))

        # The network parts them; the claim is acknowledged, and reaches the primary only.
        with replica.client() as client:
            client.replicaof("NO", "ONE")
        assert loop.run(owner.swap(KEY, expected=1, entry=entry(2, "a"), seconds=LONG))
        primary.kill()
        place.unlink()
        place.symlink_to(replica.socket)

        async def claim_while_the_owner_learns() -> tuple[bool, bool]:
            claiming = asyncio.ensure_future(
                claimant.swap(KEY, expected=1, entry=entry(2, "b"), seconds=LONG)
            )
            assert await owner.renew("a", b"here", SETTLING), "its claim may have been lost"
            await asyncio.sleep(0.2)
            early = claiming.done()
            # Its claim is not there: it claims again, above what it had.
            return early, await claiming

        assert loop.run(claim_while_the_owner_learns()) == (False, True)


def test_a_failover_that_lost_nothing_keeps_every_owner(tmp_path: Path, loop: Loop) -> None:
    with pair(tmp_path) as (primary, replica):
        place = tmp_path / "primary"
        place.symlink_to(primary.socket)
        owner = opened(f"unix://{place}", loop, replicas=1)
        other = opened(f"unix://{place}", loop)
        write(loop, owner)
        loop.run(owner.renew("a", b"here", SETTLING))
        # Acknowledged means that the replica has it.
        primary.kill()
        with replica.client() as client:
            client.replicaof("NO", "ONE")
        place.unlink()
        place.symlink_to(replica.socket)

        unreplicated = opened(f"unix://{place}", loop)
        assert loop.run(unreplicated.renew("a", b"there", SETTLING))
        assert loop.run(other.find(KEY)) == FoundSession(entry(1), b"there")


def test_a_write_that_no_replica_acknowledged_does_not_count(tmp_path: Path, loop: Loop) -> None:
    with pair(tmp_path) as (primary, replica):
        patient = opened(f"unix://{primary.socket}", loop, replicas=1)
        assert loop.run(patient.renew("a", b"here", SETTLING))
        table = opened(f"unix://{primary.socket}", loop, replicas=1, timeout=0.4)
        replica.pause()

        swap = table.swap(KEY, expected=None, entry=entry(1), seconds=LONG)
        assert fault(loop, swap) is TableFault.UNREPLICATED
        assert fault(loop, table.renew("a", b"here", SETTLING)) is TableFault.UNREPLICATED
        replica.resume()


def test_a_replica_may_be_read_only(tmp_path: Path, loop: Loop) -> None:
    with pair(tmp_path) as (_, replica):
        table = opened(f"unix://{replica.socket}", loop)

        assert fault(loop, table.renew("a", b"here", 1)) is TableFault.READ_ONLY
        with replica.client() as client:
            client.replicaof("NO", "ONE")
        assert loop.run(table.renew("a", b"here", 1))


def test_a_primary_that_wants_more_replicas_than_it_has_says_so(
    server: RedisServer, loop: Loop
) -> None:
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)

    assert fault(loop, opened(server, loop).renew("a", b"", 1)) is TableFault.UNREPLICATED


def test_sentinel_leads_to_the_replica_that_it_promoted(tmp_path: Path, loop: Loop) -> None:
    with pair(tmp_path) as (primary, replica):
        configuration = tmp_path / "sentinel.conf"
        port = free_port()
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
            f"sentinel monitor one 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds one 300\n"
            "sentinel failover-timeout one 2000\n",
            encoding="utf-8",
        )
        with RedisServer(program(), tmp_path, "--sentinel", configuration=configuration, port=port):
            table = sentinel_table(port, loop, replicas=1)
            wait_for(lambda: sentinel_knows_replica(port))
            # Sentinel may have the replica connect anew, once.
            wait_for(lambda: renews(loop, table))
            assert write(loop, table)
            primary.kill()

            lonely = sentinel_table(port, loop, replicas=0)

            def promoted() -> bool:
                try:
                    return loop.run(lonely.renew("b", b"there", SETTLING)) in {True, False}
                except SessionTableError:
                    return False

            wait_for(promoted)
            found = loop.run(lonely.find(KEY))
            assert found is not None
            assert found.entry == entry(1)
            with replica.client() as client:
                assert client.info("replication")["role"] == "master"


def renews(loop: Loop, table: SessionTable) -> bool:
    try:
        loop.run(table.renew("a", b"here", SETTLING))
    except SessionTableError:
        return False
    return True


def test_a_cluster_is_asked_by_its_own_client(tmp_path: Path, loop: Loop) -> None:
    port = port_of_a_node()
    with RedisServer(program(), tmp_path, "--cluster-enabled", "yes", port=port) as node:
        with node.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: "cluster_state:ok" in cluster_state(node))

        def cluster() -> RedisCluster:
            made: RedisCluster = cast("Any", RedisCluster).from_url(node.url)
            return made

        table = RedisSessions(cluster, settling=SETTLING, key=bytes(32))
        loop.closing.append(table)
        loop.run(table.hashing_key())
        assert loop.run(table.renew("a", b"here", SETTLING))
        assert write(loop, table)
        assert loop.run(table.find(KEY)) == FoundSession(entry(1), b"here")
        assert loop.run(table.touch([KEY, b"none"], LONG)) == {b"none"}

        node.kill()
        assert fault(loop, table.find(KEY)) is TableFault.UNREACHABLE
        with pytest.raises(ValueError, match="cannot be waited for in a cluster"):
            loop.run(RedisSessions(cluster, replicas=1).find(KEY))


def port_of_a_node() -> int:
    """A port of which the one 10,000 above, where nodes speak to each other, is given to nobody."""
    while (port := free_port()) >= 22_768:
        pass
    return port


def cluster_state(node: RedisServer) -> str:
    with node.client() as client:
        return str(client.execute_command("CLUSTER", "INFO"))


def test_who_may_not_in_is_denied_and_no_secret_is_shown(server: RedisServer, loop: Loop) -> None:
    with server.client() as client:
        client.config_set("requirepass", "right")
    port = server.port

    for url in (f"redis://127.0.0.1:{port}", f"redis://:wr0ng@127.0.0.1:{port}"):
        assert fault(loop, opened(url, loop).find(KEY)) is TableFault.DENIED
    assert loop.run(opened(f"redis://:right@127.0.0.1:{port}", loop).renew("a", b"", 1))


def test_a_user_without_a_command_is_denied(server: RedisServer, loop: Loop) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "+get", "+evalsha")
    url = f"redis://app:pass@127.0.0.1:{server.port}"

    assert fault(loop, opened(url, loop).find(KEY)) is TableFault.DENIED


def test_a_user_with_the_commands_that_are_named_can_use_it(
    server: RedisServer, loop: Loop
) -> None:
    documented = RedisSessions.__doc__ or ""
    named = documented[documented.index("Who may not") : documented.index(">>>")]
    commands = re.findall(r"`([A-Z]+)`", named)
    assert len(commands) > 5
    rights = [f"+{command.lower()}" for command in commands]
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "app", "on", ">pass", "~{mcp-session}:*", *rights)
    table = opened(f"redis://app:pass@127.0.0.1:{server.port}", loop, key=bytes(32))

    loop.run(table.hashing_key())
    assert loop.run(table.renew("a", b"here", 1))
    assert write(loop, table)
    assert loop.run(table.touch([KEY], LONG)) == frozenset()
    assert loop.run(table.find(KEY)) == FoundSession(entry(1), b"here")
    loop.run(table.withdraw("a"))


@pytest.mark.parametrize("stored", [b"", b"short", b"12345678\xff too short for that"])
def test_what_is_no_entry_is_damage(server: RedisServer, loop: Loop, stored: bytes) -> None:
    table = opened(server, loop, settling=0.1)
    with server.client() as client:
        client.set(b"{mcp-session}:s:" + KEY, stored)

    assert fault(loop, table.find(KEY)) is TableFault.DAMAGED


def test_a_key_of_another_kind_is_damage(server: RedisServer, loop: Loop) -> None:
    with server.client() as client:
        client.rpush(b"{mcp-session}:s:" + KEY, "a list")

    assert fault(loop, opened(server, loop).find(KEY)) is TableFault.DAMAGED


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR secret\r\n", b"*-7\r\n", b"$5\r\nab"],
)
def test_what_is_no_redis_ends_in_our_error(loop: Loop, answer: bytes) -> None:
    with answering(answer) as port:
        table = opened(f"redis://127.0.0.1:{port}", loop, timeout=0.5)

        assert isinstance(fault(loop, table.find(KEY)), TableFault)


def test_tables_of_other_prefixes_are_apart(server: RedisServer, loop: Loop) -> None:
    one, other = (
        opened(server, loop, settling=0.1),
        opened(server, loop, prefix="other", settling=0.1),
    )
    write(loop, one)

    assert loop.run(other.find(KEY)) is None
    assert loop.run(one.hashing_key()) != loop.run(other.hashing_key())


def test_a_key_that_was_given_does_not_stand_in_redis(server: RedisServer, loop: Loop) -> None:
    key = os.urandom(32)
    table = opened(server, loop, key=key)
    loop.run(table.hashing_key())
    loop.run(table.renew("a", b"here", 1))

    with server.client() as client:
        stored = [client.get(name) for name in client.keys("*")]
    assert len(stored) == 3
    assert all(key not in value for value in stored)


def test_everything_but_the_table_itself_ends_by_itself(server: RedisServer, loop: Loop) -> None:
    table = opened(server, loop, key=bytes(32))
    loop.run(table.hashing_key())
    loop.run(table.renew("a", b"here", 1))
    write(loop, table)

    with server.client() as client:
        endless = {name for name in client.keys("*") if client.ttl(name) == -1}
    assert endless == {b"{mcp-session}:server", b"{mcp-session}:key"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"server": "http://redis.example"}, "must be a redis"),
        ({"server": "redis://:secret@redis.example:port"}, "must be a redis"),
        ({"server": "redis://redis.example?decode_responses=true"}, "decode_responses"),
        ({"prefix": ""}, "prefix"),
        ({"prefix": "{a}"}, "prefix"),
        ({"timeout": 0}, "timeout"),
        ({"max_connections": 0}, "max_connections"),
        ({"replicas": -1}, "replicas"),
        ({"settling": float("inf")}, "settling"),
        ({"key": bytes(31)}, "key must be 32 bytes"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"server": "redis://redis.example", **options}
    with pytest.raises(ValueError, match=message) as raised:
        RedisSessions(**given)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"server": 6379},
        {"prefix": b"a"},
        {"timeout": "1"},
        {"max_connections": 1.5},
        {"replicas": True},
        {"key": "k" * 32},
    ],
)
def test_options_of_another_type_are_refused(options: dict[str, Any]) -> None:
    given: dict[str, Any] = {"server": "redis://redis.example", **options}
    with pytest.raises(TypeError, match="must be"):
        RedisSessions(**given)


def test_a_lease_that_outlasts_the_settling_is_refused(loop: Loop) -> None:
    table = RedisSessions("redis://redis.example")

    with pytest.raises(ValueError, match=r"must not outlast `settling`, 2.0 s: 2.5"):
        loop.run(table.renew("a", b"", 2.5))


def test_without_redis_py_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "mcp_session._sessions.redis_connections")

    with pytest.raises(ModuleNotFoundError) as raised:
        RedisSessions("redis://redis.example")
    assert str(raised.value) == (
        "mcp_session.sessions.RedisSessions needs redis: "
        "pip install '.[redis]' in a clone of mcp_session"
    )


def test_another_event_loop_than_asyncios_is_refused() -> None:
    with pytest.raises(RuntimeError, match="needs the event loop of asyncio"):
        trio.run(RedisSessions("redis://redis.example").find, KEY)


def holds(server: RedisServer, key: bytes) -> bool:
    with server.client() as client:
        return bool(client.exists(key))


def sentinel_table(port: int, loop: Loop, *, replicas: int) -> RedisSessions:
    """A table wherever Sentinel says that the primary is."""

    def client() -> Redis:
        sentinel: Any = cast("Any", Sentinel)([("127.0.0.1", port)], socket_timeout=30)
        # Its own connections are the business of whoever made it.
        loop.closing.extend(sentinel.sentinels)
        primary: Redis = sentinel.master_for("one", socket_timeout=30)
        return primary

    table = RedisSessions(client, settling=SETTLING, replicas=replicas)
    loop.closing.append(table)
    return table


def sentinel_knows_replica(port: int) -> bool:
    client: Any = redis.Redis(port=port)
    with client:
        return len(client.execute_command("SENTINEL", "REPLICAS", "one")) == 1


@contextmanager
def pair(folder: Path) -> Generator[tuple[RedisServer, RedisServer]]:
    """A primary and its replica, which has caught up."""
    folders = [folder / "1", folder / "2"]
    for it in folders:
        it.mkdir()
    quick = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
    with RedisServer(program(), folders[0], *quick) as primary:
        options = ("--replicaof", "127.0.0.1", str(primary.port), *quick)
        with RedisServer(program(), folders[1], *options) as replica:
            wait_for(lambda: linked(replica))
            yield primary, replica


def linked(replica: RedisServer) -> bool:
    with replica.client() as client:
        return bool(client.info("replication").get("master_link_status") == "up")


class LosingFirstAnswer:
    """A way to the server that is cut when it has answered the first swap."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lost = threading.Event()
        self.opened: list[socket.socket] = []
        self.threads: list[threading.Thread] = []

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
                self.opened += [client, server]
                swapped = threading.Event()
                for ends in ((client, server), (server, client)):
                    self.threads.append(threading.Thread(target=self.copy, args=(*ends, swapped)))
                    self.threads[-1].start()

    def copy(self, source: socket.socket, sink: socket.socket, swapped: threading.Event) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if swapped.is_set() and not self.lost.is_set():
                    self.lost.set()
                    break
                if KEY in piece:
                    swapped.set()
                sink.sendall(piece)
        for it in (source, sink):
            with suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for it in self.opened:
            with suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for it in self.opened:
            it.close()


@contextmanager
def losing_first_answer(port: int) -> Generator[int]:
    way = LosingFirstAnswer(port)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=way.serve, args=(listener,))
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            way.close()
    assert way.lost.is_set()


@contextmanager
def answering(answer: bytes) -> Generator[int]:
    """A server that answers this to whatever it is sent, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
