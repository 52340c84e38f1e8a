"""The pipelines that are there without writing one."""

from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition
from providers.types import Capability

_AUDIO = {
    "type": "object",
    "required": ["audio_url"],
    "additionalProperties": False,
    "properties": {
        "audio_url": {
            "type": "string",
            "description": "https://… or artifact://… (an upload)",
            "minLength": 1,
        },
        "language": {"type": "string", "description": "BCP 47 tag, such as en-US"},
    },
}
_TEXT = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string", "minLength": 1}},
}

TRANSCRIPTION = (
    Pipeline("transcription")
    .version("1.0.0")
    .description("Speech to text")
    .timeout(3600)
    .input_schema(_AUDIO)
    .step("transcribe")
    .capability(Capability.TRANSCRIPTION)
    .prefer_providers("deepgram", "openai")
    .timeout(1800)
    .output_as("transcript")
    .done()
    .build()
)

CALL_ANALYSIS = (
    Pipeline("call_analysis")
    .version("1.0.0")
    .description("Who said what, personal data redacted, with sentiment, summary and coaching")
    .timeout(3600)
    .input_schema(_AUDIO)
    .output(
        transcript="redacted.segments",
        redacted="{'text': redacted.text, 'entities': redacted.entities}",
        sentiment="sentiment",
        summary="summary",
        coaching="coaching",
    )
    .step("transcribe")
    .capability(Capability.TRANSCRIPTION_DIARIZATION)
    .prefer_providers("deepgram", "openai")
    .timeout(1800)
    .output_as("transcript")
    .done()
    .step("redact")
    .capability(Capability.PII_REDACTION)
    .input_from("transcript")
    .output_as("redacted")
    .done()
    .step("analyze_sentiment")
    .capability(Capability.SENTIMENT_ANALYSIS)
    .input_from("redacted")
    .output_as("sentiment")
    .done()
    .step("summarize")
    .capability(Capability.SUMMARIZATION)
    .when("size(redacted.text) > 500")
    .input_from("redacted")
    .output_as("summary")
    .optional()
    .done()
    .step("coach")
    .capability(Capability.LLM_GENERATION)
    .params(
        system="You coach support agents. Be specific, kind and brief.",
        prompt=(
            "Name three things that the agent did well in this call and one to do better.\n\n"
            "${redacted.text}"
        ),
        max_output_tokens=400,
    )
    .output_as("coaching")
    .optional()
    .done()
    .build()
)

PII_DETECTION = (
    Pipeline("pii_detection")
    .version("1.0.0")
    .description("Find and mask personal data in a text")
    .timeout(600)
    .input_schema(_TEXT)
    .step("redact")
    .capability(Capability.PII_REDACTION)
    .output_as("redacted")
    .done()
    .build()
)

PREDEFINED: tuple[PipelineDefinition, ...] = (TRANSCRIPTION, CALL_ANALYSIS, PII_DETECTION)
