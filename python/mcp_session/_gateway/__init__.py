"""The gateway: servers in any language, in the place of the application behind the middleware.

It finds a server for each request and carries it there. What an exchange means for its session,
who holds that, and when it is restored, the middleware's machines decide.
"""
