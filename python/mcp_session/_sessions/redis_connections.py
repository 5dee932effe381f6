"""Connections to Redis, one pool for each event loop, and what its errors mean."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from hashlib import sha1
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from mcp_session._sessions.table import SessionTableError, TableFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["RedisConnections", "Script"]

Result = TypeVar("Result")
Reply = Any
"""What a script returns: an integer, bytes, or a list of these."""

# The errors of redis-py, the special ones before those that they are a kind of.
_FAULTS: tuple[tuple[type[Exception], TableFault], ...] = (
    (exceptions.AuthenticationError, TableFault.DENIED),
    (exceptions.AuthorizationError, TableFault.DENIED),
    (exceptions.AuthenticationWrongNumberOfArgsError, TableFault.DENIED),
    (exceptions.NoPermissionError, TableFault.DENIED),
    (exceptions.OutOfMemoryError, TableFault.FULL),
    (exceptions.ReadOnlyError, TableFault.READ_ONLY),
    (exceptions.TimeoutError, TableFault.TIMED_OUT),
    (exceptions.ConnectionError, TableFault.UNREACHABLE),
    (exceptions.RedisClusterException, TableFault.UNREACHABLE),
    (OSError, TableFault.UNREACHABLE),
)
_FAILURES = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
# The words with which Redis begins those errors that redis-py has no type for.
_FAULTS_BY_WORD = {
    "NOREPLICAS": TableFault.UNREPLICATED,
    "MISCONF": TableFault.READ_ONLY,
    "WRONGTYPE": TableFault.DAMAGED,
    "NOAUTH": TableFault.DENIED,
    "LOADING": TableFault.UNREACHABLE,
    "MASTERDOWN": TableFault.UNREACHABLE,
}


class _Pipeline(Protocol):
    """What is used of redis-py's pipelines, with the types that they have."""

    def pexpire(self, key: bytes, milliseconds: int) -> object: ...
    def execute_command(self, *command: bytes | str | int) -> object: ...
    def execute(self, *, raise_on_error: bool = True) -> Awaitable[Sequence[Reply]]: ...


class _Client(Protocol):
    """What is used of redis-py's clients, with the types that they have."""

    def evalsha(self, name: str, *arguments: bytes | int) -> Awaitable[Reply]: ...
    def eval(self, text: str, *arguments: bytes | int) -> Awaitable[Reply]: ...
    def delete(self, key: bytes) -> Awaitable[int]: ...
    def info(self, section: str) -> Awaitable[dict[str, object]]: ...
    def pipeline(self, *, transaction: bool) -> _Pipeline: ...
    def set_retry(self, retry: Retry) -> None: ...
    def get_connection_kwargs(self) -> dict[str, object]: ...
    def aclose(self) -> Awaitable[None]: ...


class Script:
    """A script, and the name by which Redis keeps it."""

    def __init__(self, text: str) -> None:
        """Name it as Redis does."""
        self.text = text
        self.name = sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisConnections:
    """Runs scripts and commands in whichever event loop asks."""

    def __init__(
        self,
        server: str | Callable[[], Redis | RedisCluster],
        *,
        timeout: float,
        max_connections: int,
        replicas: int,
    ) -> None:
        """Look whether clients can be made; connect to nothing."""
        if not (isinstance(server, str) or callable(server)):
            message = f"server must be a URL or a callable, not {type(server).__name__}"
            raise TypeError(message)
        self._server = server
        self._timeout = timeout
        self._max_connections = max_connections
        self._replicas = replicas
        self._lock = Lock()
        # A connection belongs to the event loop that opened it.
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = (
            weakref.WeakKeyDictionary()
        )
        self._disconnecting: weakref.WeakKeyDictionary[_Client, asyncio.Task[None]] = (
            weakref.WeakKeyDictionary()
        )
        if isinstance(server, str):
            self._new_client()

    async def run(self, script: Script, keys: Sequence[bytes], *arguments: bytes | int) -> Reply:
        """Run a script. Its last argument is 0, or 1 when it may have been run already."""

        async def ask(client: _Client, attempt: int) -> Reply:
            given = len(keys), *keys, *arguments, attempt
            try:
                return await client.evalsha(script.name, *given)
            except exceptions.NoScriptError:
                # It was not run: this server has not seen it since it was started.
                return await client.eval(script.text, *given)

        return await self._attempt(ask)

    async def write(self, script: Script, keys: Sequence[bytes], *arguments: bytes | int) -> Reply:
        """Run a script that writes; that counts when enough replicas have it."""
        if not self._replicas:
            return await self.run(script, keys, *arguments)

        async def ask(client: _Client, attempt: int) -> Reply:
            given = len(keys), *keys, *arguments, attempt
            reply, replicas = await self._replicated(client, "EVALSHA", script.name, *given)
            if isinstance(reply, exceptions.NoScriptError):
                reply, replicas = await self._replicated(client, "EVAL", script.text, *given)
            for failed in (reply, replicas):
                if isinstance(failed, Exception):
                    raise failed
            if replicas < self._replicas:
                raise SessionTableError(TableFault.UNREPLICATED)
            return reply

        return await self._attempt(ask)

    async def expire(self, keys: Sequence[bytes], milliseconds: int) -> list[bool]:
        """Let keys live that long from now; return which of them there are."""

        async def ask(client: _Client, _attempt: int) -> list[bool]:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.pexpire(key, milliseconds)
            return [bool(found) for found in await pipeline.execute()]

        return await self._attempt(ask)

    async def delete(self, key: bytes) -> None:
        """Delete a key."""

        async def ask(client: _Client, _attempt: int) -> None:
            await client.delete(key)

        await self._attempt(ask)

    async def evicts(self) -> bool:
        """Return whether the server says that it evicts keys when it is full."""
        facts: dict[str, object] = {}
        with suppress(*_FAILURES):
            facts = await self._client().info("memory")
        return bool(facts.get("maxmemory")) and facts.get("maxmemory_policy") != "noeviction"

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        with self._lock:
            client = self._clients.pop(_running_loop(), None)
        if client is not None:
            with suppress(*_FAILURES):
                await client.aclose()

    def _client(self) -> _Client:
        loop = _running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                client = self._clients[loop] = self._new_client()
            return client

    def _new_client(self) -> _Client:
        if not isinstance(self._server, str):
            client = cast("_Client", self._server())
        else:
            try:
                pool = cast("Any", BlockingConnectionPool).from_url(
                    self._server,
                    max_connections=self._max_connections,
                    timeout=self._timeout,
                    socket_timeout=self._timeout,
                    socket_connect_timeout=self._timeout,
                )
            except ValueError:
                # The text of the error may quote the URL, and that a password.
                message = "server must be a redis://, rediss:// or unix:// URL"
                raise ValueError(message) from None
            client = cast("_Client", Redis.from_pool(pool))
        if client.get_connection_kwargs().get("decode_responses"):
            message = "server must not set decode_responses: what is stored is bytes"
            raise ValueError(message)
        if self._replicas and not hasattr(client, "connection_pool"):
            message = "replicas cannot be waited for in a cluster: redis-py has no way to"
            raise ValueError(message)
        # A swap that was run twice would compare with what it has written: `_attempt` knows that.
        client.set_retry(Retry(NoBackoff(), 0))
        return client

    async def _replicated(self, client: _Client, *command: bytes | str | int) -> Sequence[Reply]:
        # WAIT is about the writes of its own connection.
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command(*command)
        pipeline.execute_command("WAIT", self._replicas, max(1, int(self._timeout * 500)))
        replies: Sequence[Reply] = await pipeline.execute(raise_on_error=False)
        return replies

    async def _attempt(self, ask: Callable[[_Client, int], Awaitable[Result]]) -> Result:
        """Ask, and ask again where the connection was one that the server had closed since."""
        client = self._client()
        try:
            try:
                return await ask(client, 0)
            except exceptions.ConnectionError as error:
                if _fault_of(error) is not TableFault.UNREACHABLE:
                    raise
                await self._disconnect(client)
                return await ask(client, 1)
        except _FAILURES as error:
            fault = _fault_of(error)
            if fault is TableFault.READ_ONLY:
                # This was the primary, and is a replica now: the name may lead to another already.
                await self._disconnect(client)
            raise SessionTableError(fault, cause=type(error).__name__) from None

    async def _disconnect(self, client: _Client) -> None:
        """Close the connections that are not in use, in a task of its own, one at a time.

        Those who wait for the end of one connection wait for one future, and whoever of them runs
        out of time cancels it for all.
        """
        task = self._disconnecting.get(client)
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(_disconnect(client))
            self._disconnecting[client] = task
        await asyncio.shield(task)


async def _disconnect(client: _Client) -> None:
    # A client of a cluster has a pool for each node, and renews them itself.
    pool: BlockingConnectionPool | None = getattr(client, "connection_pool", None)
    if pool is not None:
        with suppress(*_FAILURES):
            await pool.disconnect(inuse_connections=False)


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = "RedisSessions needs the event loop of asyncio: redis-py has no other"
        raise RuntimeError(message) from None


def _fault_of(error: Exception) -> TableFault:
    if isinstance(error.__cause__, asyncio.TimeoutError):
        # All connections were in use for too long.
        return TableFault.TIMED_OUT
    for kind, fault in _FAULTS:
        if isinstance(error, kind):
            return fault
    word, _, _ = str(error).partition(" ")
    return _FAULTS_BY_WORD.get(word, TableFault.REFUSED)
