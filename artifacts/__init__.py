"""BIG THINGS: uploads, stored once per tenant, and what is fetched for a call.

Owns the store, its two tables, the detection of media types and the guarded download of remote
recordings. Never calls a provider.
"""
