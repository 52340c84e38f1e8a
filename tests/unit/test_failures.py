"""Every error keeps its code, its sentence and what may follow, through Temporal and back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TypeVar

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from activities.failures import to_application_error
from activities.types import CallFailure
from artifacts.errors import ArtifactError
from ledger.errors import LedgerError, LedgerUnavailable, NotAdmitted, UnboundedCall
from pipelines.errors import (
    DefinitionExists,
    ExpressionError,
    InvalidDefinition,
    InvalidInput,
    Mistake,
    NotExportable,
    PipelineError,
    PipelineNotFound,
    TooDeep,
)
from providers.errors import PROVIDER_ERRORS, ProviderError, RateLimited

_Kind = TypeVar("_Kind")


def subclasses(kind: type[_Kind]) -> Iterator[type[_Kind]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


SENTENCE = "One plain sentence with ümlauts."
ERRORS: list[ProviderError | ArtifactError | LedgerError | PipelineError] = [
    *(kind(SENTENCE) for kind in subclasses(ProviderError)),
    *(kind(SENTENCE) for kind in subclasses(ArtifactError)),
    PipelineNotFound(SENTENCE),
    UnboundedCall(SENTENCE),
    NotAdmitted(SENTENCE),
    LedgerUnavailable(SENTENCE),
    InvalidDefinition([Mistake("/a", SENTENCE)]),
    TooDeep([Mistake("/a", SENTENCE)]),
    InvalidInput([Mistake("/a", SENTENCE)]),
    DefinitionExists(SENTENCE),
    NotExportable(SENTENCE),
    ExpressionError(SENTENCE),
]


async def round_trip(error: ApplicationError) -> ApplicationError:
    failure = Failure()
    await pydantic_data_converter.encode_failure(error, failure)
    back = await pydantic_data_converter.decode_failure(
        Failure.FromString(failure.SerializeToString())
    )
    assert isinstance(back, ApplicationError)
    return back


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_an_error_survives_temporal(
    error: ProviderError | ArtifactError | LedgerError | PipelineError,
) -> None:
    back = await round_trip(to_application_error(error, attempt=3))
    retryable = getattr(error, "retryable", False)
    assert (back.type, back.message) == (error.code, SENTENCE)
    assert back.non_retryable != retryable
    assert CallFailure.model_validate(back.details[0]) == CallFailure(
        code=error.code,
        message=SENTENCE,
        retryable=retryable,
        fallback=getattr(error, "fallback", False),
        attempt=3,
    )


async def test_a_providers_wish_for_a_delay_survives() -> None:
    error = RateLimited("slow down", retry_after=timedelta(seconds=7))
    back = await round_trip(to_application_error(error, attempt=1))
    assert back.next_retry_delay == timedelta(seconds=7)


def test_the_tables_name_every_class() -> None:
    assert set(PROVIDER_ERRORS) == set(subclasses(ProviderError))
    covered = {type(error) for error in ERRORS}
    assert covered >= {kind for kind in subclasses(PipelineError) if hasattr(kind, "code")}


def test_every_provider_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in PROVIDER_ERRORS]
    assert len(set(codes)) == len(codes)
