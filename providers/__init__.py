"""WHO can do a step: capabilities, offers, chains, prices, errors, adapters.

Owns everything between "this step needs a transcription" and the answer of one provider. Never
knows pipelines, workflows or the ledger. To add a provider see `providers.adapters`; to add a
capability give it a member of `Capability`, a request and a response in `providers.types`.
"""

from providers.types import Capability, CostUnit, Offer, QualityTier, Usage

__all__ = ["Capability", "CostUnit", "Offer", "QualityTier", "Usage"]
