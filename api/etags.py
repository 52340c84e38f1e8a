"""What a caller has already and need not be sent again."""

from fastapi import Request


def is_known(request: Request, etag: str) -> bool:
    """Tell whether the caller has this content already (RFC 9110, 13.1.2)."""
    known = ",".join(request.headers.getlist("If-None-Match")).split(",")
    return bool({etag, "*"} & {tag.strip().removeprefix("W/") for tag in known})
