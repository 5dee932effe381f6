"""The client without `async`, behind the face of the other, so that its tests can be run over it.

What a test awaits is done in a thread of its own.
"""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from typing_extensions import Self

import sdk

THREADS = 200


def create_http_client(
    headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None, **options: Any
) -> "Threaded":
    """Make one, as `sdk.create_http_client` does the other."""
    timeout = sdk.http.Timeout(30.0, read=300.0) if timeout is None else timeout
    client = sdk.ours().Client(headers=headers, timeout=timeout, auth=auth, **options)
    return Threaded(client)


class Threaded:
    """A client whose requests are sent in threads."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._threads = anyio.CapacityLimiter(THREADS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def __aenter__(self) -> Self:
        self._client.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.__exit__(None, None, None)

    async def aclose(self) -> None:
        self._client.close()

    async def send(self, request: Any, **options: Any) -> "ThreadedResponse":
        response = await self.run(self._client.send, request, **options)
        return ThreadedResponse(self, response)

    async def get(self, url: str, **options: Any) -> "ThreadedResponse":
        return ThreadedResponse(self, await self.run(self._client.get, url, **options))

    async def post(self, url: str, **options: Any) -> "ThreadedResponse":
        return ThreadedResponse(self, await self.run(self._client.post, url, **options))

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, **options: Any
    ) -> "AsyncGenerator[ThreadedResponse]":
        request = self._client.build_request(method, url, **options)
        response = await self.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def run(self, function: Any, *arguments: Any, **keywords: Any) -> Any:
        call = functools.partial(function, *arguments, **keywords)
        return await anyio.to_thread.run_sync(call, limiter=self._threads, abandon_on_cancel=True)


class ThreadedResponse:
    """A response that is read in threads."""

    def __init__(self, client: Threaded, response: Any) -> None:
        self._client = client
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def aread(self) -> bytes:
        return bytes(await self._client.run(self._response.read))

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._client.run(self._response.close)

    def aiter_raw(self) -> AsyncIterator[bytes]:
        return Pieces(self._client, self._response.iter_raw())

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        return Pieces(self._client, self._response.iter_bytes())

    def aiter_text(self) -> AsyncIterator[str]:
        return Pieces(self._client, self._response.iter_text())


class Pieces:
    """What is read of a response, in threads.

    No generator: trio warns of each of these that is left before its end.
    """

    def __init__(self, client: Threaded, pieces: Iterator[Any]) -> None:
        self._client = client
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if (piece := await self._client.run(next, self._pieces, None)) is None:
            raise StopAsyncIteration
        return piece
