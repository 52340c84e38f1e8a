"""The search attributes that operators filter runs by; `temporal-dev.yaml` registers them."""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from workflows.types import PipelineInput

PIPELINE_NAME = SearchAttributeKey.for_keyword("PipelineName")
PIPELINE_VERSION = SearchAttributeKey.for_keyword("PipelineVersion")
TENANT_ID = SearchAttributeKey.for_keyword("TenantId")
PIPELINE_STATUS = SearchAttributeKey.for_keyword("PipelineStatus")
PIPELINE_TAGS = SearchAttributeKey.for_keyword_list("PipelineTags")


def search_attributes(run: PipelineInput) -> TypedSearchAttributes:
    """Return the attributes that a run starts with."""
    pairs: list[SearchAttributePair] = [  # type: ignore[type-arg]
        SearchAttributePair(PIPELINE_NAME, run.definition.name),
        SearchAttributePair(PIPELINE_VERSION, run.definition.version),
        SearchAttributePair(TENANT_ID, run.tenant_id),
    ]
    if run.tags:
        tags = [f"{key}:{value}" for key, value in sorted(run.tags.items())]
        pairs.append(SearchAttributePair(PIPELINE_TAGS, tags))
    return TypedSearchAttributes(pairs)
