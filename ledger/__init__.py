"""MONEY: budgets, reservations, attempts, entries and receipts, kept in SQL.

`books.Ledger` is the way in. A run reserves at the door and settles at its end (`runs`), each
attempt at a call is an intent before and a receipt after (`calls`), and both change a run's account
and its month together (`accounts`). Also here, since there is one database: the migrations
(`alembic` scripts in `migrations/`, which create the tables of `artifacts` too), the idempotency
keys, the cooldowns of providers, and the text of registered definitions, which nobody here
understands. Never calls a provider, never knows a workflow. To add a table: describe it in
`tables`, write a migration, and extend the test that compares both.
"""
