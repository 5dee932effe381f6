"""Where a request goes, read where its URL keeps it, is what the URL says when it is asked."""

import pytest
from mcp_session._client.driver import authority_of
from mcp_session._client.library import Library, keeps_parts, parts_of

import sdk

URLS = (
    "https://mcp.example/mcp",
    "http://mcp.example:8000/mcp?tenant=7",
    "http://mcp.example:80",
    "http://user:pass%20word@mcp.example/a%20b/%C3%BC",
    "http://[::1]:8000/mcp",
    "http://[2001:db8::1]/mcp",
    "https://bücher.example/mcp",
    "http://127.0.0.1:8000/mcp#top",
)


@pytest.mark.parametrize("text", URLS)
def test_parts_are_those_that_a_url_gives_when_it_is_asked(text: str) -> None:
    url = sdk.http.URL(text)
    scheme, userinfo, host, port, path = Library(sdk.http, status_shield=False).parts(url)[:5]
    assert (scheme, userinfo.encode(), port) == (url.scheme, url.userinfo, url.port)
    assert host.encode() == url.raw_host
    assert (path or "/").encode() == url.raw_path.split(b"?")[0]
    assert authority_of(host, port).encode() == url.netloc


@pytest.mark.parametrize("text", URLS)
def test_a_library_that_keeps_them_otherwise_is_asked(text: str) -> None:
    url = sdk.http.URL(text)
    kept = Library(sdk.http, status_shield=False).parts(url)[:4]
    asked = parts_of(url)
    assert asked[:4] == kept
    assert asked[4] == url.raw_path.decode()


def test_the_parts_of_this_library_are_read_where_they_are_kept() -> None:
    assert keeps_parts(sdk.http)
