"""One file or folder for each provider; adapters do not know each other.

To add one: subclass `providers.adapters.base.ProviderAdapter` (a language model's vendor:
`providers.language_model.LanguageModelAdapter`; one over plain HTTP:
`providers.http_vendor.HttpVendorAdapter`), name it in `providers.builtin.build_adapters`, and
test it against `tests.fake_vendor` as the others are, errors and what they cost included, and with
`providers.contract`. One that lives in a package of its own needs none of this: see
`docs/guides/add-a-provider.md`.
"""
