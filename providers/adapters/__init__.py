"""One file or folder for each provider; adapters do not know each other.

To add one: subclass `providers.adapters.base.ProviderAdapter`, name it in
`providers.builtin.build_adapters`, and let the contract tests of `tests/unit/providers` run on it.
"""
