"""What every problem looks like, whatever went wrong."""

from typing import Any

import httpx2


def problem_of(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this problem, in the form of RFC 9457; return its document."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "application/problem+json",
    ), answer.text
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in answer.text
    return problem


def pointers_of(problem: dict[str, Any]) -> list[str]:
    return [mistake["pointer"] for mistake in problem["errors"]]
