"""Real servers on loopback ports, and what went over the wire, to the byte."""

import re
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import uvicorn
from typing_extensions import Self

Application = Callable[..., Any]

TIMEOUT = 30


class Server(uvicorn.Server):
    """A uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextmanager
def serving(application: Application, **options: Any) -> Generator[int]:
    """Serve an application; yield the port."""
    config = uvicorn.Config(
        application, log_level="critical", timeout_graceful_shutdown=1, ws="none", **options
    )
    server = Server(config)
    # With its protocol named, so that asyncio sends small pieces at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert server.listening.wait(TIMEOUT)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(TIMEOUT)
        listener.close()


@dataclass
class Response:
    """A response as it came: its bytes, and what they say."""

    raw: bytes = b""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    is_whole: bool = False

    @property
    def normalized(self) -> bytes:
        """The bytes without what differs from run to run: the time, and random IDs."""
        text = re.sub(rb"(?im)^date: [^\r\n]*", b"date: now", self.raw)
        return re.sub(rb"[0-9a-f]{32}", b"some-id", text)


class Exchange:
    """One request on a connection of its own, and the response as far as it was read."""

    def __init__(self, port: int, request: bytes) -> None:
        self.response = Response()
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._parser = h11.Connection(h11.CLIENT)
        method = request.split(b" ", 1)[0]
        # For the parser only, which has to know what was asked; the request goes out raw.
        self._parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        self._parser.send(h11.EndOfMessage())
        self.send(request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def read_until(self, enough: Callable[[Response], bool]) -> Response:
        """Read until it is enough or all."""
        while not self.response.is_whole and not enough(self.response):
            data = self._connection.recv(65536)
            self.response.raw += data
            self._parser.receive_data(data)
            for event in self._events():
                match event:
                    case h11.Response():
                        self.response.status = event.status_code
                        self.response.headers = {
                            name.decode(): value.decode() for name, value in event.headers
                        }
                    case h11.Data():
                        self.response.body += bytes(event.data)
                    case h11.EndOfMessage():
                        self.response.is_whole = True
                    case _:
                        pass
        return self.response

    def read(self) -> Response:
        return self.read_until(lambda _: False)

    def read_head(self) -> Response:
        return self.read_until(lambda response: response.status > 0)

    def close(self) -> None:
        self._connection.close()

    def _events(self) -> Iterator[object]:
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            yield event
            if isinstance(event, h11.EndOfMessage):
                return


def exchange(port: int, request: bytes) -> Response:
    with Exchange(port, request) as running:
        return running.read()


def message(path: str, body: bytes, *headers: tuple[str, str], method: str = "POST") -> bytes:
    """Write a request."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1:80"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
