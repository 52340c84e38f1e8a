"""What is wrong is told in one clear sentence, at the door where it can be seen there."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.product import Product, perdure_dev


def problem_of(answer: Any, status: int, code: str) -> str:
    """Check the form of a problem; return its sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert "Traceback" not in answer.text
    return str(body["detail"])


def execute(product: Product, pipeline: str, **input_data: Any) -> Any:
    return product.http.post("/execute", json={"pipeline_name": pipeline, "input_data": input_data})


def test_an_unknown_pipeline(product: Product) -> None:
    detail = problem_of(execute(product, "call_analisys"), 404, "pipeline_not_found")
    assert detail.startswith("There is no pipeline 'call_analisys'.")
    assert "call_analysis" in detail


def test_a_missing_audio_url(product: Product) -> None:
    answer = execute(product, "call_analysis")
    assert problem_of(answer, 422, "invalid").startswith("'audio_url' is required.")
    assert answer.json()["errors"][0]["pointer"] == "/input_data/audio_url"


def test_an_audio_file_that_is_text(product: Product, tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    file.write_text("this is no recording at all, whatever its name says")
    detail = problem_of(
        execute(product, "call_analysis", audio_url=product.upload(file)), 422, "invalid"
    )
    assert "not a recording" in detail


def test_an_empty_file(product: Product) -> None:
    detail = problem_of(product.http.post("/artifacts", content=b""), 422, "invalid")
    assert detail == "The upload is empty: send the file's bytes."


def test_a_bad_file_on_the_command_line_is_one_line_without_a_traceback(
    product: Product, tmp_path: Path
) -> None:
    file = tmp_path / "call.wav"
    file.write_text("text")
    ended = product.perdure("run", "call_analysis", "--file", f"audio_url={file}")
    assert ended.returncode == 2
    assert "not a recording" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_one_channel_recording_fails_the_run_with_one_sentence(
    product: Product, tmp_path: Path
) -> None:
    file = tmp_path / "mono.wav"
    soundfile.write(file, np.zeros(16_000, np.int16), 16_000)
    result = product.result(product.execute(product.upload(file)))
    assert (result["success"], result["status"]) == (False, "failed")
    assert result["error"]["code"] == "unsupported_input"
    assert "two-channel" in result["error"]["message"]


def test_a_recording_that_is_broken_inside_fails_the_run_once(
    product: Product, tmp_path: Path
) -> None:
    file = tmp_path / "broken.flac"
    file.write_bytes(b"fLaC" + bytes(2000))
    result = product.result(product.execute(product.upload(file)))
    assert result["error"]["code"] == "invalid_media"
    assert result["steps"][0]["attempts"] == 1


class Gone(http.server.BaseHTTPRequestHandler):
    """Has nothing."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gone) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_that_is_gone_fails_the_run_with_one_sentence(web: str, tmp_path: Path) -> None:
    with perdure_dev(tmp_path, {"AI_FETCH_ALLOWED_HOSTS": web}) as product:
        result = product.result(product.execute(f"http://{web}/call.wav"))
    assert result["error"]["code"] == "fetch_failed"
    assert result["error"]["message"] == "The recording's address answered 404."
    assert result["steps"][0]["attempts"] == 1


def test_an_address_inside_our_network_is_refused_at_the_door(product: Product, web: str) -> None:
    answer = execute(product, "call_analysis", audio_url=f"http://{web}/call.wav")
    assert "AI_FETCH_ALLOWED_HOSTS" in problem_of(answer, 422, "invalid")
