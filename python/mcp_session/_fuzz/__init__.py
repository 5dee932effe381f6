"""Fuzzing of live peers: malformed bodies, heads and orderings, judged by the core's rules."""
