"""An application that streams, bare or behind the middleware; run by `test_load.py`.

It listens on a loopback port of the system's choice and prints it. It says at `/memory` how many
bytes of it are resident, and how many were at most; at `/uploaded` how many it was sent.
"""

import gc
import os
import socket
import sys
from collections import Counter
from typing import Any

import anyio
import uvicorn
from mcp_session.asgi import SessionMiddleware

MIB = 1024 * 1024
# What came of bodies that are read and not kept, in bytes.
uploaded = Counter[str]()


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    path, query = scope["path"], scope["query_string"].decode()
    if path == "/memory":
        gc.collect()
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: ASYNC230, PTH123 - no disk
            facts = dict(line.split(":", 1) for line in status)
        # Not what `getrusage` has, which begins with that of the process that started this one.
        resident, most = (int(facts[it].split()[0]) * 1024 for it in ("VmRSS", "VmHWM"))
        await start(send, 200)
        await piece(send, f"{resident} {most}".encode(), more=False)
    elif path == "/uploaded":
        await start(send, 200)
        await piece(send, str(uploaded["/upload"]).encode(), more=False)
    elif path == "/upload":
        while (message := await receive())["type"] == "http.request":
            uploaded[path] += len(message["body"])
            if not message["more_body"]:
                break
        await start(send, 200)
        await piece(send, b"done", more=False)
    elif path == "/events":
        await receive()
        await start(send, 200)
        await piece(send, b"data: 1\n\n")
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        status, mebibytes = (int(number) for number in query.split("-"))
        await start(send, status)
        content = os.urandom(MIB)
        for _ in range(mebibytes):
            await piece(send, content)
        await piece(send, b"", more=False)


async def start(send: Any, status: int) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def piece(send: Any, content: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def main() -> None:
    served: Any = {
        "bare": application,
        "middleware": SessionMiddleware(application),
        "paths": SessionMiddleware(application, paths=["/mcp"]),
    }[sys.argv[1]]
    # With its protocol named, so that asyncio sends small pieces at once.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(served, log_level="critical", lifespan="off", ws="none")
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    anyio.run(main)
