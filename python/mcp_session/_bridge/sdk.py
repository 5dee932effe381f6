"""What the bridge uses of the official SDK, of whichever generation is installed.

The generations name and place it differently, so no checker can know both.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Headers", "Sdk"]

# A server names its tools, so there may be as many as it likes.
_TOOLS = 1024


class Sdk:
    """The SDK, 1.x or 2.x.

    Raises `ModuleNotFoundError` if there is none, or without the HTTP library that it needs.
    """

    def __init__(self) -> None:
        """Import it."""
        is_second = find_spec("mcp_types") is not None
        types: Any = importlib.import_module("mcp_types" if is_second else "mcp.types")
        adapter = importlib.import_module(f"mcp_session.{'httpx2' if is_second else 'httpx'}")
        streamable: Any = importlib.import_module("mcp.client.streamable_http")
        shared: Any = importlib.import_module("mcp.shared.message")
        self.stdio_server: Any = importlib.import_module("mcp.server.stdio").stdio_server
        self.streamable_http_client: Any = streamable.streamable_http_client
        self.create_http_client: Any = adapter.create_mcp_http_client
        self.timeout: Any = importlib.import_module("httpx2" if is_second else "httpx").Timeout
        self.request: type = types.JSONRPCRequest
        self.answers: tuple[type, ...] = (types.JSONRPCResponse, types.JSONRPCError)
        self._is_second, self._types, self._shared = is_second, types, shared

    def headers(self) -> Headers:
        """Return what makes the headers of one connection."""
        return HeadersOfSecond(self._types, self._shared) if self._is_second else Headers()

    def content(self, item: Any) -> Any:  # noqa: ANN401 - a message of either generation
        """Return the JSON-RPC message in what a transport gave."""
        return item.message if self._is_second else item.message.root

    def called_off(self, message: Any) -> list[object]:  # noqa: ANN401 - as above
        """Return the id of the request that a client calls off, if it does."""
        is_call_off = getattr(message, "method", None) == "notifications/cancelled"
        params = _members(message.params) if is_call_off else {}
        request_id = params.get("requestId")
        return [request_id] if isinstance(request_id, (int, str)) else []

    def error(self, request_id: object, code: int, text: str) -> Any:  # noqa: ANN401 - as above
        """Make the answer to a request that fails."""
        data = self._types.ErrorData(code=code, message=text)
        error = self._types.JSONRPCError(jsonrpc="2.0", id=request_id, error=data)
        return self._shared.SessionMessage(
            error if self._is_second else self._types.JSONRPCMessage(error)
        )


class Headers:
    """The headers of HTTP that a message needs. The transport of 1.x makes its own."""

    def put_on(self, item: Any, message: Any) -> Any:  # noqa: ANN401 - as above
        """Return what goes to the transport, for what a client wrote."""
        del message
        return item

    def answered(self, request: Any, answer: Any) -> None:  # noqa: ANN401 - as above
        """Learn from the answer to a request."""


class HeadersOfSecond(Headers):
    """Those of 2.x, where a session gives them to the transport with each message.

    Source: `ClientSession` of mcp 2.x; of 2026-07-28
    https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
    """

    def __init__(self, types: Any, shared: Any) -> None:  # noqa: ANN401 - modules
        """Begin before anything was negotiated."""
        self._inbound: Any = importlib.import_module("mcp.shared.inbound")
        self._types, self._metadata = types, shared.ClientMessageMetadata
        self._negotiated: str | None = None
        self._tools: dict[str, Any] = {}

    def put_on(self, item: Any, message: Any) -> Any:  # noqa: ANN401 - as above
        """Give the transport the version that stands, or all that the message itself names."""
        method: object = getattr(message, "method", None)
        params = _members(getattr(message, "params", None))
        version = _members(params.get("_meta")).get(self._types.PROTOCOL_VERSION_META_KEY)
        if isinstance(method, str) and isinstance(version, str):
            item.metadata = self._metadata(headers=self._modern(method, params, version))
        elif self._negotiated is not None and method != "initialize":
            headers = {self._inbound.MCP_PROTOCOL_VERSION_HEADER: self._negotiated}
            item.metadata = self._metadata(headers=headers)
        return item

    def answered(self, request: Any, answer: Any) -> None:  # noqa: ANN401 - as above
        """Learn the version that was negotiated, and which arguments of tools are headers."""
        result = _members(getattr(answer, "result", None))
        version, tools = result.get("protocolVersion"), result.get("tools")
        if request.method == "initialize" and isinstance(version, str):
            self._negotiated = version
        elif request.method == "tools/list" and isinstance(tools, list):
            for tool in map(_members, cast("list[object]", tools)):
                self._listed(tool.get("name"), tool.get("inputSchema"))

    def _listed(self, name: object, schema: object) -> None:
        if not isinstance(name, str) or self._inbound.find_invalid_x_mcp_header(schema):
            return
        self._tools.pop(name, None)
        if arguments := self._inbound.x_mcp_header_map(schema):
            self._tools[name] = arguments
            if len(self._tools) > _TOOLS:
                del self._tools[next(iter(self._tools))]

    def _modern(self, method: str, params: Mapping[str, Any], version: str) -> dict[str, str]:
        inbound = self._inbound
        encoded = inbound.encode_header_value
        headers = {
            inbound.MCP_PROTOCOL_VERSION_HEADER: encoded(version),
            inbound.MCP_METHOD_HEADER: encoded(method),
        }
        name = params.get(inbound.NAME_BEARING_METHODS.get(method))
        if isinstance(name, str):
            headers[inbound.MCP_NAME_HEADER] = encoded(name)
            if method == "tools/call" and name in self._tools:
                arguments = _members(params.get("arguments"))
                headers |= inbound.mcp_param_headers(self._tools[name], arguments)
        return headers


def _members(value: object) -> dict[str, Any]:
    """Return a JSON object; of anything else, one without members."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
