"""Where a server is, by its URL."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

__all__ = ["DEFAULT_PORTS", "server_url_parts"]

DEFAULT_PORTS = {"http": 80, "https": 443}


def server_url_parts(url: str) -> SplitResult | None:
    """Return the parts of a URL of http or https that names a server; `None` of another.

    >>> from mcp_session._urls import server_url_parts
    >>> server_url_parts("https://mcp.example/mcp").hostname
    'mcp.example'
    >>> server_url_parts("ftp://mcp.example")

    Source: https://www.rfc-editor.org/rfc/rfc9110.html#name-http-uri-scheme
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
        # As it is looked up; not every name can be, and the look-up raises anything.
        (parts.hostname or "").encode("idna")
    except ValueError:
        return None
    return parts if is_usable and url.isprintable() else None
