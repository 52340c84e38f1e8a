"""Downloads from a real local server, and what is never asked at all."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from artifacts.errors import FetchFailed, FetchInterrupted, FetchRefused
from artifacts.fetch import Fetcher

CONTENT = b"fLaC" + bytes(60)
SECRET = "hunter2-hunter2"  # noqa: S105 - what must not be echoed


class Site(ThreadingHTTPServer):
    """Serves `/call`, `/status/N`, `/redirect?TO`, `/loop`, `/empty`; remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Host"]))
        path, _, query = self.path.partition("?")
        content = b"" if path == "/empty" else CONTENT
        if path.startswith("/status/"):
            self.send_response(int(path.removeprefix("/status/")))
        elif path in ("/redirect", "/loop"):
            self.send_response(302)
            self.send_header("Location", query or "/loop")
        else:
            self.send_response(200)
        promised = 100_000 if path == "/broken" else len(content)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        del format, args


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        site.shutdown()
        thread.join()


@pytest.fixture
def site(server: Site) -> Site:
    server.asked.clear()
    return server


def fetcher(folder: Path, *allowed: str, max_bytes: int = 1 << 20) -> Fetcher:
    return Fetcher(allowed_hosts=allowed, max_bytes=max_bytes, folder=folder)


async def fetched(fetcher: Fetcher, url: str) -> tuple[bytes, str, int]:
    async with fetcher.fetch(url, 30) as (path, media_type, size):
        return path.read_bytes(), media_type, size


async def test_a_recording_is_downloaded_with_its_type_and_size(site: Site, tmp_path: Path) -> None:
    found = await fetched(fetcher(tmp_path, site.host), site.url("/call"))
    assert found == (CONTENT, "audio/flac", len(CONTENT))


async def test_a_download_is_removed_when_it_is_no_longer_needed(
    site: Site, tmp_path: Path
) -> None:
    async with fetcher(tmp_path, site.host).fetch(site.url("/call"), 30) as (path, _, _):
        assert path.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.1:{port}"])
async def test_a_host_is_allowed_by_name_or_by_name_and_port(
    site: Site, tmp_path: Path, allowed: str
) -> None:
    allowed = allowed.format(port=site.server_port)
    assert (await fetched(fetcher(tmp_path, allowed), site.url("/call")))[0] == CONTENT


async def test_a_host_that_is_allowed_on_another_port_is_refused(
    site: Site, tmp_path: Path
) -> None:
    with pytest.raises(FetchRefused):
        await fetched(fetcher(tmp_path, "127.0.0.1:1"), site.url("/call"))
    assert site.asked == []


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("media.example:443", "https://media.example/a"),
        ("media.example:80", "http://media.example/a"),
        ("MEDIA.example", "http://media.EXAMPLE:8000/a"),
    ],
)
def test_a_default_port_need_not_be_written(tmp_path: Path, allowed: str, url: str) -> None:
    fetcher(tmp_path, allowed).check_url(url)


async def test_the_server_is_asked_by_the_name_in_the_address(site: Site, tmp_path: Path) -> None:
    name = f"localhost:{site.server_port}"
    await fetched(fetcher(tmp_path, "localhost"), f"http://{name}/call")
    assert site.asked == [("/call", name)]


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused_at_the_door(tmp_path: Path, host: str) -> None:
    with pytest.raises(FetchRefused, match="public"):
        fetcher(tmp_path).check_url(f"https://{host}/call")


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f000001", "127.1", "0"])
async def test_a_name_of_a_private_address_is_refused_before_it_is_asked(
    site: Site, tmp_path: Path, host: str
) -> None:
    with pytest.raises(FetchRefused, match="public"):
        await fetched(fetcher(tmp_path), f"https://{host}:{site.server_port}/call")
    assert site.asked == []


@pytest.mark.parametrize("host", ["8.8.8.8", "[2001:4860:4860::8888]", "example.com"])
def test_a_public_address_is_let_through(tmp_path: Path, host: str) -> None:
    fetcher(tmp_path).check_url(f"https://{host}/call")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "ftp://example.com/a",
        f"ftp://jane:{SECRET}@example.com/a",
        f"https://jane:{SECRET}@example.com/a",
        f"https://{SECRET}@example.com/a",
        "file:///etc/passwd",
        "https://",
        "https:///a",
        "//example.com/a",
        "example.com/a",
        "",
        "https://[::1/a",
        "https://example.com:99999/a",
    ],
)
def test_what_is_no_public_https_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchRefused) as refused:
        fetcher(tmp_path).check_url(url)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example..com/a",
        f"https://{'a' * 64}.example/a",
        "http://127.0.0.1/\x00",
        "http://127.0.0.1/\x7f",
    ],
)
async def test_an_address_that_can_not_be_asked_is_an_error_of_ours(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises((FetchRefused, FetchFailed)) as failed:
        await fetched(fetcher(tmp_path, "127.0.0.1"), url)
    assert not failed.value.retryable


async def test_a_redirect_is_followed(site: Site, tmp_path: Path) -> None:
    found = await fetched(fetcher(tmp_path, site.host), site.url("/redirect?/call"))
    assert found[0] == CONTENT
    assert [path for path, _ in site.asked] == ["/redirect?/call", "/call"]


@pytest.mark.parametrize(
    "target",
    [
        "https://10.0.0.1/secret",
        "https://localhost/secret",
        "http://example.com/secret",
        "ftp://example.com/secret",
        f"https://jane:{SECRET}@example.com/",
    ],
)
async def test_a_redirect_to_where_nothing_is_fetched_from_is_refused(
    site: Site, tmp_path: Path, target: str
) -> None:
    with pytest.raises(FetchRefused) as refused:
        await fetched(fetcher(tmp_path, site.host), site.url(f"/redirect?{target}"))
    assert SECRET not in str(refused.value)


async def test_a_redirect_to_no_address_fails(site: Site, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed):
        await fetched(fetcher(tmp_path, site.host), site.url("/redirect?http://[::1"))


async def test_redirects_without_an_end_fail(site: Site, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="more than 5 times"):
        await fetched(fetcher(tmp_path, site.host), site.url("/loop"))
    assert len(site.asked) == 6


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 410, 304])
async def test_a_refusing_answer_fails_for_good(site: Site, tmp_path: Path, status: int) -> None:
    with pytest.raises(FetchFailed, match=str(status)) as failed:
        await fetched(fetcher(tmp_path, site.host), site.url(f"/status/{status}"))
    assert not failed.value.retryable


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_failing_answer_may_be_asked_for_again(
    site: Site, tmp_path: Path, status: int
) -> None:
    with pytest.raises(FetchInterrupted, match=str(status)) as failed:
        await fetched(fetcher(tmp_path, site.host), site.url(f"/status/{status}"))
    assert failed.value.retryable


async def test_a_broken_connection_may_be_tried_again(site: Site, tmp_path: Path) -> None:
    with pytest.raises(FetchInterrupted):
        await fetched(fetcher(tmp_path, site.host), site.url("/broken"))


async def test_nobody_there_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(FetchInterrupted):
        await fetched(fetcher(tmp_path, "127.0.0.1"), "http://127.0.0.1:1/call")


async def test_an_answer_without_content_fails(site: Site, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="without content"):
        await fetched(fetcher(tmp_path, site.host), site.url("/empty"))


async def test_more_bytes_than_allowed_fail_and_leave_nothing(site: Site, tmp_path: Path) -> None:
    few = fetcher(tmp_path, site.host, max_bytes=len(CONTENT) - 1)
    with pytest.raises(FetchFailed, match=str(len(CONTENT) - 1)):
        await fetched(few, site.url("/call"))
    assert list(tmp_path.iterdir()) == []
    enough = fetcher(tmp_path, site.host, max_bytes=len(CONTENT))
    assert (await fetched(enough, site.url("/call")))[2] == len(CONTENT)


async def test_a_download_that_takes_too_long_may_be_tried_again(
    site: Site, tmp_path: Path
) -> None:
    with pytest.raises(FetchInterrupted, match=r"within 0\.001 s"):
        async with fetcher(tmp_path, site.host).fetch(site.url("/call"), 0.001):
            pass
