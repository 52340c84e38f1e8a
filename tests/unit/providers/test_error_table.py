"""What is alike in every vendor's failures."""

from datetime import timedelta

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.failures import to_application_error
from providers.error_table import read_retry_after
from providers.errors import RateLimited


@pytest.mark.parametrize(
    "header", ["999999999999", "1e13", "Wed, 21 Oct 9999 07:28:00 GMT", "1e300", "nan", "soon"]
)
def test_any_wish_for_a_delay_finds_room_in_history(header: str) -> None:
    delay = read_retry_after({"retry-after": header})
    assert delay is None or timedelta(days=1) < delay <= timedelta(days=365)
    error = to_application_error(RateLimited("No.", retry_after=delay), 1)
    converter = pydantic_data_converter
    converter.failure_converter.to_failure(error, converter.payload_converter, Failure())
