"""The embedded provider: five capabilities on the machine's own processor, no key, no network.

What belongs here: `LocalAdapter`, the child processes that do its work, and what runs in them
(`speech_child` and `text_child` are their entry points; whatever those import stays out of the
parent process). What never belongs here: a call to the network, a download, a model that the
packages of the extra `local` don't carry.

To add a capability: a handler in one of the two children, an offer in `offers.py`, a case in
`LocalAdapter.call`.
"""

from providers.adapters.local.adapter import LocalAdapter

__all__ = ["LocalAdapter"]
