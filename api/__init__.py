"""The REST, SSE and WebSocket facade.

Owns routes, their schemas, problems and tenancy. Decides nothing about a run: it starts, reads and
cancels workflows. To add a route: a function in the file of its resource, its schema in `schemas`,
its errors through `problems`, a test in `tests/api`.
"""
