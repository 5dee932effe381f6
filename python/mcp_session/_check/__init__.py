"""Judges live servers and clients by the sentences of the specification about sessions.

`server_table` and `client_table` are the checks, one row each, to be held beside the specification.
"""
