"""The bridge: an MCP server on standard input and output, which is one on HTTP in truth.

It passes on messages between two transports of the official SDK, and answers for the server only
where the server cannot. What becomes of sessions is the HTTP client's business: the machine's.
"""
