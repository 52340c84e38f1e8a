"""A pipeline of texts, all of it by one language model, on a real server."""

import json
from decimal import Decimal
from typing import Any

from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition
from providers.adapters.local import LocalAdapter
from providers.types import Capability
from tests.dialects import OPENAI
from tests.fake_vendor import serve_fake_vendor
from tests.runs import StartWorker, progress, start

TEXT = "Jane Doe: your parcel never came!\nSorry, Jane Doe, it is on its way."
HIDDEN = "[PERSON]: your parcel never came!\nSorry, [PERSON], it is on its way."
ANSWERS: list[dict[str, Any] | str] = [
    {"found": [{"type": "PERSON", "quote": "Jane Doe"}]},
    {"label": "mixed", "score": -0.3},
    {"sentences": ["[PERSON] misses a parcel.", "It is on its way."]},
    "Call sooner.",
]


def text_pipeline() -> PipelineDefinition:
    pipeline = Pipeline("letters")
    for name, capability in (
        ("redacted", Capability.PII_REDACTION),
        ("mood", Capability.SENTIMENT_ANALYSIS),
        ("summary", Capability.SUMMARIZATION),
    ):
        step = pipeline.step(name).capability(capability).output_as(name)
        pipeline = (step if name == "redacted" else step.input_from("redacted")).done()
    return (
        pipeline.step("advice")
        .capability(Capability.LLM_GENERATION)
        .params(prompt="What to do better? ${summary.text}", max_output_tokens=50)
        .output_as("advice")
        .done()
        .build()
    )


async def test_texts_are_redacted_judged_shortened_and_advised_at_the_exact_cost(
    start_worker: StartWorker,
) -> None:
    async with serve_fake_vendor() as vendor:
        answers = [one if isinstance(one, str) else json.dumps(one) for one in ANSWERS]
        vendor.stream_each(*(OPENAI.told(answer) for answer in answers))
        worker = await start_worker(OPENAI.adapter(vendor.url), LocalAdapter())
        handle = await start(worker, text_pipeline(), input_data={"text": TEXT})
        output = (await handle.result())["output"]
        status = await progress(handle)
        await worker.registry.close()
    assert output["redacted"]["text"] == HIDDEN
    assert output["mood"] == {"label": "mixed", "score": -0.3, "segments": None}
    assert output["summary"] == {"text": "[PERSON] misses a parcel. It is on its way."}
    assert output["advice"]["text"] == "Call sooner."
    # Each by gpt-6-luna, USD per million: 700 tokens at 0.10, 200 cached at 0.01, 100 written at
    # 0.125, 51 of output at 0.50.
    assert [(step.provider, step.cost_usd) for step in status.steps] == [
        ("openai", Decimal("0.00011"))
    ] * 4
    assert status.total_cost_usd == Decimal("0.00044")
    assert [("Jane" in json.dumps(asked.body)) for asked in vendor.asked] == [True, *[False] * 3]
