"""Clients that somebody else made: one that is made to follow, and all of a process."""

import functools
import importlib
import importlib.metadata
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import mcp_session
import pytest
from mcp_session.testing import SmallServer, scripted_server

import sdk
from callers import Caller, call_of
from servers import Servers

pytestmark = pytest.mark.anyio

TRANSPORT = sdk.streamable.StreamableHTTPTransport
KINDS = [kind for kind in sdk.KINDS if kind != sdk.AUTO]


@pytest.fixture(autouse=True)
def installed_nothing() -> Generator[None]:
    """Every test begins and ends with the SDK as it comes."""
    before = TRANSPORT.post_writer
    yield
    mcp_session.uninstall()
    assert TRANSPORT.post_writer is before


class OfTheApplication(sdk.http.AsyncClient):  # type: ignore[misc]  # of either library
    """A client with a `send` and slots of its own."""

    __slots__ = ("sent",)

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.sent: list[str] = []

    async def send(self, request: Any, **keywords: Any) -> Any:
        self.sent.append(request.method)
        return await super().send(request, **keywords)


class Wrapper:
    """What some SDKs put around the client that they are given."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class LikeAClient:
    """What an SDK may take for a client, and that tells nobody by what it sends."""

    def __init__(self, inner: Any) -> None:
        self._held = [inner]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held[0], name)


class ReadOnly(sdk.http.AsyncClient):  # type: ignore[misc]  # as above
    """A client whose attributes cannot be replaced."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "send":
            raise AttributeError(name)
        object.__setattr__(self, name, value)


class Wraps(sdk.http.AsyncClient):  # type: ignore[misc]  # as above
    """A client that keeps what it makes of what is put upon it."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, functools.partial(value) if name == "send" else value)


class Traced(sdk.http.AsyncClient):  # type: ignore[misc]  # as above
    """A client that keeps what is put upon it under another name."""

    def __init__(self) -> None:
        super().__init__()
        self._traced: Any = super().send

    @property
    def send(self) -> Any:
        return functools.partial(self._traced)

    @send.setter
    def send(self, value: Any) -> None:
        self._traced = value


class TracedInSlots(Traced):
    """The same, in slots, of which one is empty before."""

    __slots__ = ("_last", "_traced")

    @property
    def send(self) -> Any:
        return functools.partial(getattr(self, "_last", self._traced))

    @send.setter
    def send(self, value: Any) -> None:
        self._traced = self._last = value


class RaisesOnce(sdk.http.AsyncClient):  # type: ignore[misc]  # as above
    """A client that is not ready when it is first asked for its `send`."""

    error: type[Exception] | None

    @property
    def send(self) -> Any:
        error, self.error = self.error, None
        if error is not None:
            message = "https://user:KEY@host/mcp"
            raise error(message)
        return super().send


class MakesAnother(sdk.http.AsyncClient):  # type: ignore[misc]  # as above
    """A client that sends by another, which it makes follow when it is asked to."""

    @functools.cached_property
    def send(self) -> Any:
        return mcp_session.follow(sdk.http.AsyncClient()).send


class WithTokens(sdk.http.AsyncClient):  # type: ignore[misc]  # as above
    """A client that has another for something else."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = sdk.http.AsyncClient()


class AllLikeAClient:
    """The same, that has no `__dict__` and hands on the client's."""

    __slots__ = ("_held",)

    def __init__(self, inner: Any) -> None:
        self._held = [inner]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held[0], name)


def class_of_held(proxy: Any) -> Any:
    return type(proxy.client)


class TwiceHeld:
    """A wrapper that keeps its client under two names."""

    def __init__(self, inner: Any) -> None:
        self.client = self._client = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


SaysItIsAClient: Any = type("SaysItIsAClient", (TwiceHeld,), {"__class__": property(class_of_held)})
"""A proxy, as those of wrapt and werkzeug are."""


class PrivatelyHeld:
    """A wrapper that keeps its client under a name that is private to its class."""

    __slots__ = ("__inner",)

    def __init__(self, inner: Any) -> None:
        self.__inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__inner, name)


class Strict:
    """A wrapper that tells nobody of what it has itself, with a slot that is empty."""

    __slots__ = ("_inner", "_later")

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise RuntimeError(name)
        return getattr(self._inner, name)


class __:  # noqa: N801 - what is private to it is kept under its own name
    """A wrapper of a class whose name is no name."""

    __slots__ = ("__inner",)

    def __init__(self, inner: Any) -> None:
        self.__inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__inner, name)


class Renamed(PrivatelyHeld):
    """A wrapper of a class that has another name by now."""

    __slots__ = ("__also",)

    def __init__(self, inner: Any) -> None:
        self.__also = inner
        super().__init__(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__also, name)


Renamed.__name__ = "Other"


class BesideTheNameless(TwiceHeld):
    """A wrapper that holds objects whose classes do not say of which module they are."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        of_no_module: dict[str, Any] = {"__module__": None}
        of_a_property: dict[str, Any] = {"__module__": property(str)}
        self.others = [type("A", (), it)() for it in (of_no_module, of_a_property)]
        self.first, self.second = self.others


# `follow`: one client.


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_that_is_made_to_follow_survives_a_restart(
    kind: str, servers: Servers
) -> None:
    events: list[Any] = []

    def create(**keywords: Any) -> Any:
        http_client = sdk.create_plain_http_client(**keywords)
        return mcp_session.follow(http_client, on_event=events.append)

    async with (
        servers.use("mcp1") as server,
        sdk.connect(kind, server.url, create) as client,
    ):
        await client.list_tools()
        await server.restart()

        assert await client.call("echo", text="hello") == "hello"
        assert [type(event).__name__ for event in events] == [
            "SessionTerminated",
            "SessionReinitialized",
        ]


async def test_a_client_of_a_class_of_its_own_sends_as_it_did() -> None:
    small = SmallServer()
    async with scripted_server(small) as server, OfTheApplication() as http_client:
        caller = Caller(mcp_session.follow(http_client), server.url)
        await caller.open()
        small.forget()
        await caller.call()

        # initialize, initialized; the call, both again, the call.
        assert http_client.sent == ["POST"] * 6


async def test_a_session_opened_before_is_not_followed() -> None:
    small = SmallServer()
    async with scripted_server(small) as server, sdk.http.AsyncClient() as http_client:
        caller = Caller(http_client, server.url)
        await caller.open()
        mcp_session.follow(http_client)
        small.forget()

        assert (await caller.post(call_of(7))).status_code == 404


async def test_to_follow_twice_is_to_follow_once() -> None:
    async with sdk.http.AsyncClient() as http_client:
        send = mcp_session.follow(http_client).send

        assert mcp_session.follow(http_client, quirks=False).send == send


@pytest.mark.parametrize(
    "wrap", [Wrapper, TwiceHeld, PrivatelyHeld, Strict, __, Renamed, BesideTheNameless]
)
async def test_what_is_wrapped_is_made_to_follow(wrap: Any) -> None:
    small = SmallServer()
    async with scripted_server(small) as server, sdk.http.AsyncClient() as http_client:
        caller = Caller(mcp_session.follow(wrap(http_client)), server.url)
        await caller.open()
        small.forget()

        assert await caller.current() == "session-2"


async def test_a_client_of_ours_is_left_as_it_is() -> None:
    async with sdk.create_http_client() as http_client:
        assert mcp_session.follow(http_client) is http_client
        assert "send" not in vars(http_client)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: LikeAClient(sdk.http.AsyncClient()), "LikeAClient"),
        (ReadOnly, "ReadOnly"),
        (object, "builtins.object"),
        (lambda: SaysItIsAClient(sdk.http.AsyncClient()), "SaysItIsAClient"),
    ],
)
async def test_what_cannot_be_made_to_follow_is_refused_by_its_class(make: Any, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        mcp_session.follow(make())


@pytest.mark.parametrize("wrap", [AllLikeAClient, SaysItIsAClient, weakref.proxy])
async def test_no_other_client_than_the_one_that_is_wrapped_is_made_to_follow(wrap: Any) -> None:
    async with WithTokens() as http_client:
        with pytest.raises(TypeError, match="follow takes a client of httpx or httpx2, not"):
            mcp_session.follow(wrap(http_client))

        assert "send" not in vars(http_client)
        assert "send" not in vars(http_client.tokens)


@pytest.mark.parametrize("kind", [Wraps, Traced, TracedInSlots])
async def test_a_client_that_is_refused_sends_as_it_did_before(kind: Any) -> None:
    small = SmallServer()
    async with scripted_server(small) as server, kind() as http_client:
        before = dict(vars(http_client))
        for _ in range(3):
            with pytest.raises(TypeError, match=rf"a .*\.{kind.__name__} cannot be replaced"):
                mcp_session.follow(http_client)
        assert vars(http_client) == before
        assert not hasattr(http_client, "_last")

        caller = Caller(http_client, server.url)
        await caller.open()
        small.forget()

        assert (await caller.post(call_of(1))).status_code == 404


async def test_a_client_follows_whatever_stands_in_the_modules_of_the_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for library in ("httpx", "httpx2"):
        if library != sdk.LIBRARY:
            monkeypatch.setitem(sys.modules, library, ModuleType(library))
    async with sdk.http.AsyncClient() as http_client:
        monkeypatch.setattr(sdk.http, "AsyncClient", OfTheApplication)

        assert mcp_session.follow(http_client) is http_client
        assert "send" in vars(http_client)


def test_a_client_may_make_another_follow_while_it_is_made_to() -> None:
    thread = threading.Thread(target=mcp_session.follow, args=[MakesAnother()], daemon=True)
    thread.start()
    thread.join(10)

    assert not thread.is_alive()


async def test_an_option_that_there_is_not_is_named_beside_those_that_there_are() -> None:
    async with sdk.http.AsyncClient() as http_client:
        with pytest.raises(TypeError, match="there is no option 'retries', only quirks, mis"):
            mcp_session.follow(http_client, retries=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="there is no option 'retries', only quirks, mis"):
        mcp_session.install(retries=1)  # type: ignore[call-arg]


async def test_a_wrong_option_changes_no_client() -> None:
    async with sdk.http.AsyncClient() as http_client:
        with pytest.raises(TypeError, match="quirks must be a bool"):
            mcp_session.follow(http_client, quirks=1)  # type: ignore[arg-type]

        assert "send" not in vars(http_client)


# `install`: all clients of the official SDK.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("generation", ["mcp1", "mcp2"])
async def test_an_installed_process_survives_a_restart(
    kind: str, generation: str, servers: Servers
) -> None:
    mcp_session.install()
    async with (
        servers.use(generation) as server,
        sdk.connect(kind, server.url, sdk.create_plain_http_client) as client,
    ):
        await client.list_tools()
        await server.restart()
        texts: list[str] = []

        async def call(number: int) -> None:
            texts.append(await client.call("echo", text=str(number)))

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(call, number)

        assert sorted(texts) == [str(number) for number in range(10)]
        # One before the restart, and one for all ten after it.
        assert [seen.message for seen in server.wire()].count("initialize") == 2


async def test_nothing_follows_after_uninstall(servers: Servers) -> None:
    mcp_session.install()
    mcp_session.uninstall()
    mcp_session.uninstall()
    async with (
        servers.use("mcp1") as server,
        sdk.connect(KINDS[0], server.url, sdk.create_plain_http_client) as client,
    ):
        await client.list_tools()
        await server.restart()

        with pytest.raises(sdk.CallError):
            await client.call("echo", text="hello")


async def test_to_install_again_wraps_once_and_takes_the_options_of_the_last() -> None:
    events: list[Any] = []
    small = SmallServer()
    mcp_session.install()
    wrapped = TRANSPORT.post_writer
    mcp_session.install(on_event=events.append)

    async with scripted_server(small) as server:
        assert TRANSPORT.post_writer is wrapped
        async with sdk.connect(KINDS[0], server.url, sdk.create_plain_http_client) as client:
            small.forget()
            await client.call("session")

    assert len(events) == 2


async def test_a_client_of_ours_keeps_its_options_where_all_follow() -> None:
    installed: list[Any] = []
    own: list[Any] = []
    small = SmallServer()
    mcp_session.install(on_event=installed.append)
    async with (
        scripted_server(small) as server,
        sdk.create_http_client(on_event=own.append) as http_client,
        sdk.connect(KINDS[0], server.url, http_client=http_client) as client,
    ):
        small.forget()
        await client.call("session")

    assert (len(installed), len(own)) == (0, 2)


async def test_what_others_wrapped_around_ours_stays_when_ours_goes() -> None:
    before = TRANSPORT.post_writer
    mcp_session.install()
    ours = TRANSPORT.post_writer

    async def theirs(*arguments: Any) -> None:
        await ours(*arguments)

    TRANSPORT.post_writer = theirs
    try:
        mcp_session.uninstall()

        assert TRANSPORT.post_writer is theirs
        small = SmallServer()
        async with (
            scripted_server(small) as server,
            sdk.connect(KINDS[0], server.url, sdk.create_plain_http_client) as client,
        ):
            small.forget()
            with pytest.raises(sdk.CallError):
                await client.call("session")
    finally:
        TRANSPORT.post_writer = before


async def test_to_install_again_around_what_others_wrapped_wraps_no_more() -> None:
    before = TRANSPORT.post_writer
    mcp_session.install()
    ours = TRANSPORT.post_writer

    @functools.wraps(ours)
    async def theirs(*arguments: Any) -> None:
        await ours(*arguments)

    TRANSPORT.post_writer = theirs
    try:
        mcp_session.uninstall()
        mcp_session.install()

        assert TRANSPORT.post_writer is theirs
        TRANSPORT.post_writer = ours
        mcp_session.uninstall()
        assert TRANSPORT.post_writer is before
    finally:
        TRANSPORT.post_writer = before


def test_to_install_again_wraps_what_stands_there_once_a_patch_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = TRANSPORT.post_writer

    async def patched(transport: Any, client: Any, *arguments: Any) -> None:
        await before(transport, client, *arguments)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(TRANSPORT, "post_writer", patched)
            mcp_session.install()
        assert TRANSPORT.post_writer is before

        mcp_session.install()

        assert TRANSPORT.post_writer is not before
        mcp_session.uninstall()
        assert TRANSPORT.post_writer is before
    finally:
        TRANSPORT.post_writer = before


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_to_install_again_is_to_set_options_whatever_others_wrapped_around_ours(
    *, is_coroutine: bool
) -> None:
    before = TRANSPORT.post_writer
    mcp_session.install()
    ours = TRANSPORT.post_writer

    def theirs(*arguments: Any) -> Any:
        return ours(*arguments)

    async def awaited(*arguments: Any) -> None:
        await ours(*arguments)

    around: Any = awaited if is_coroutine else theirs
    # As of one that wraps what it was itself before.
    around.__wrapped__ = around
    events: list[Any] = []
    TRANSPORT.post_writer = around
    try:
        mcp_session.install(on_event=events.append)

        small = SmallServer()
        async with (
            scripted_server(small) as server,
            sdk.connect(KINDS[0], server.url, sdk.create_plain_http_client) as client,
        ):
            small.forget()
            await client.call("session")
        assert len(events) == 2
        mcp_session.uninstall()
        assert TRANSPORT.post_writer is around
    finally:
        TRANSPORT.post_writer = before


def test_to_install_again_wraps_again_where_ours_was_taken_away() -> None:
    before = TRANSPORT.post_writer
    mcp_session.install()
    TRANSPORT.post_writer = before

    mcp_session.install()

    assert TRANSPORT.post_writer is not before


async def test_misreports_that_can_be_read_once_are_those_of_all_clients() -> None:
    small = SmallServer()

    async def answer(exchange: Any) -> None:
        if exchange.request.kind == "initialize" or exchange.request.session in small.live:
            await small(exchange)
        else:
            await exchange.answer(409, b"forgotten")

    mcp_session.install(misreports=(it for it in [(409, "forgotten")]))  # type: ignore[arg-type]
    async with scripted_server(answer) as server:
        for _ in range(2):
            async with sdk.connect(KINDS[0], server.url, sdk.create_plain_http_client) as client:
                small.forget()
                await client.call("session")


BESIDE = f"""
import sys
import threading
import time

import mcp_session
from mcp_session.{sdk.LIBRARY} import create_mcp_http_client

failed = []


def run(line):
    try:
        exec(line)
    except BaseException as error:
        failed.append((line, error))


threads = [threading.Thread(target=run, args=[line]) for line in sys.argv[1:]]
threads[0].start()
while "mcp" not in sys.modules:
    time.sleep(0.001)
threads[1].start()
for thread in threads:
    thread.join()
print(failed or "both")
"""
OURS = ("mcp_session.install()", "create_mcp_http_client()")
THEIRS = ("import mcp", "from mcp.client.streamable_http import StreamableHTTPTransport")


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("theirs", THEIRS)
@pytest.mark.parametrize("is_first", [False, True])
def test_another_thread_may_import_the_sdk_meanwhile(
    ours: str, theirs: str, *, is_first: bool
) -> None:
    lines = [ours, theirs] if is_first else [theirs, ours]
    command = [sys.executable, "-W", "ignore", "-c", BESIDE, *lines]

    result = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)

    assert (result.stdout, result.stderr) == ("both\n", "")


INSTALLS_WHEN_IT_IS_IMPORTED = """
import importlib.abc
import importlib.util
import sys

import mcp_session

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "mcp.client.streamable_http":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (run(module), mcp_session.install())
        return spec

sys.meta_path.insert(0, Finder())
mcp_session.install()
print("installed")
"""


def test_the_import_of_the_sdk_may_install_as_well() -> None:
    command = [sys.executable, "-W", "ignore", "-c", INSTALLS_WHEN_IT_IS_IMPORTED]

    result = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)

    assert (result.stdout, result.returncode) == ("installed\n", 0), result.stderr


async def test_a_client_that_cannot_follow_is_named_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class NamedOnce(LikeAClient):
        """Of a class of its own: this test runs on each event loop, in one process."""

    mcp_session.install()
    async with scripted_server(SmallServer()) as server, sdk.http.AsyncClient() as inner:
        for _ in range(2):
            async with sdk.connect(KINDS[0], server.url, http_client=NamedOnce(inner)) as client:
                await client.call("session")

    warned = [it for it in caplog.records if it.levelno >= logging.WARNING]
    assert [it.name for it in warned if "NamedOnce" in it.getMessage()] == ["mcp_session"]


@pytest.mark.parametrize("error", [RuntimeError, TypeError])
async def test_a_session_goes_on_whatever_hinders_its_client_from_following(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    class Named(RaisesOnce):
        """Of a class of its own, as above."""

    mcp_session.install()
    async with scripted_server(SmallServer()) as server, Named() as http_client:
        http_client.error = error
        async with sdk.connect(KINDS[0], server.url, http_client=http_client) as client:
            await client.call("session")

    assert [it.name for it in caplog.records if "Named" in it.getMessage()] == ["mcp_session"]
    assert "KEY" not in caplog.text


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_sdk_may_be_imported_before_or_after(order: str) -> None:
    lines = [
        "import mcp_session; mcp_session.install()",
        "from mcp.client.streamable_http import StreamableHTTPTransport",
    ]
    code = "\n".join(lines if order == "before" else reversed(lines))
    checked = (
        f"{code}\nassert 'wrapped' in StreamableHTTPTransport.post_writer.__code__.co_qualname"
    )
    if sys.version_info < (3, 11):
        checked = f"{code}\nassert hasattr(StreamableHTTPTransport.post_writer, '__wrapped__')"

    subprocess.run([sys.executable, "-W", "ignore", "-c", checked], check=True)


class WithoutClient:
    """A transport as an SDK to come could have it."""

    async def post_writer(self, exchange: object) -> None:
        """Write."""


class NotAsynchronous:
    """The same, with a method that is no coroutine."""

    def post_writer(self, client: object) -> None:
        """Write."""


@pytest.mark.parametrize("transport", [WithoutClient, NotAsynchronous, object, None])
def test_a_transport_that_looks_otherwise_is_refused_and_left_alone(
    transport: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk.streamable, "StreamableHTTPTransport", transport)
    before = getattr(transport, "post_writer", None)

    with pytest.raises(RuntimeError, match=r"does not know the transport of mcp \d"):
        mcp_session.install()

    assert getattr(transport, "post_writer", None) is before


def test_a_transport_of_nobody_knows_which_version_is_refused_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(sdk.streamable, "StreamableHTTPTransport", None)

    with pytest.raises(RuntimeError, match="the transport of mcp of an unknown version, which"):
        mcp_session.install()


def test_a_wrong_option_installs_nothing() -> None:
    with pytest.raises(ValueError, match="hold_timeout must be positive"):
        mcp_session.install(hold_timeout=-1)


def test_without_the_sdk_the_error_says_what_to_install(tmp_path: Path) -> None:
    missing = "raise ModuleNotFoundError('No module named mcp', name='mcp')"
    (tmp_path / "mcp.py").write_text(missing)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mcp_session as m; m.install()"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, encoding="utf-8"
    )

    assert "ModuleNotFoundError: mcp_session.install needs the official SDK" in result.stderr


def test_the_options_have_the_defaults_of_the_clients() -> None:
    options: Any = importlib.import_module("mcp_session._client.options")
    keywords = sdk.ours().AsyncClient.__init__.__kwdefaults__

    assert keywords == {
        name: field.default for name, field in options.Options.__dataclass_fields__.items()
    }
