"""HOW a pipeline runs durably: one generic workflow that interprets definitions.

Owns the workflow, the interpreter, the state of a run and the names that Temporal's side sees
(search attributes, signals, queries). No I/O, no clock, no randomness but `temporalio.workflow`'s.
A change of the order of commands goes behind `workflow.patched` and needs a recorded history.
"""

from workflows.types import ExecutionStatus, PipelineInput, RunResult, StepStatus

__all__ = ["ExecutionStatus", "PipelineInput", "RunResult", "StepStatus"]
