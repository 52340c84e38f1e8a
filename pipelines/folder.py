"""A folder of definitions, one YAML or JSON file each."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.check import check_document
from pipelines.document import read_json, read_yaml
from pipelines.errors import InvalidDefinition
from pipelines.model import PipelineDefinition
from pipelines.vocabulary import Vocabulary
from settings import SettingsError

_READERS = {".yaml": read_yaml, ".yml": read_yaml, ".json": read_json}


def load_folder(folder: Path, vocabulary: Vocabulary | None) -> Sequence[PipelineDefinition]:
    """Read every definition below a folder, in the order of the files' names.

    Raises:
        SettingsError: The folder is not there, or a file is not valid: names file, place and
            every mistake.
    """
    if not folder.is_dir():
        raise SettingsError(
            f"AI_PIPELINES_PATH: {folder} is no folder. Example: AI_PIPELINES_PATH=pipelines"
        )
    files = sorted(path for path in folder.rglob("*") if path.suffix in _READERS)
    found, problems = [], []
    for file in files:
        try:
            text = file.read_text("utf-8")
            found.append(check_document(_READERS[file.suffix](text), vocabulary))
        except UnicodeDecodeError:
            problems.append(f"{file}: not text in UTF-8")
        except InvalidDefinition as error:
            problems += [
                f"{file}:{mistake.line or 1}:{mistake.column or 1}: {mistake.message}"
                for mistake in error.mistakes
            ]
    if problems:
        raise SettingsError("AI_PIPELINES_PATH: " + "\n  ".join(["not valid:", *problems]))
    return found
