"""The demonstration: a real server is killed, and two real clients live through it or do not.

Server and clients are those of the official SDK. The two applications differ in one line, the
HTTP client they give to the SDK, and go through the same at the same time. What is shown of the
wire comes from event hooks of the HTTP client, which rule decided from the hook `on_event`.
"""
