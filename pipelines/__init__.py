"""WHAT runs: definitions, the DSL that writes them, expressions, the catalogue.

Owns everything that can be said about a pipeline without running it. No I/O, no Temporal. To add a
predefined pipeline write it in `predefined`; to add a setting of a step give it a field in `model`,
a method in `builder` and its effect in the interpreter.
"""

from pipelines.model import PipelineDefinition, StepDefinition

__all__ = ["PipelineDefinition", "StepDefinition", "get_pipeline"]


def get_pipeline(name: str, version: str | None = None) -> PipelineDefinition:
    """Return one definition of the process's catalogue.

    Raises:
        PipelineNotFound: naming what there is.
        SettingsError: There is no catalogue yet, and none can be built from the environment.
    """
    # Everything imports this room, few need the catalogue and what it checks.
    from pipelines.catalogue import get_catalogue  # noqa: PLC0415

    return get_catalogue().get(name, version)
