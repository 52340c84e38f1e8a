"""MONEY: what every provider call cost, kept in SQL.

Owns the database, its migrations (`alembic` scripts in `migrations/`, which also create the tables
of `artifacts`: one database, one chain), the append-only entries, the idempotency keys and the text
of registered definitions, which it does not understand. Never calls a provider, never knows a
workflow. To add a table: describe it in the room that uses it, write a migration, and extend the
test that compares both.
"""
