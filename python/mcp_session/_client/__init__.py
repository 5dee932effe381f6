"""The driver behind the HTTP clients: sockets, timers and hooks. The machine decides."""
