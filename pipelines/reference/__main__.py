"""Writes the parts of the page that the code knows: `python -m pipelines.reference FILE`."""

import sys
from pathlib import Path

from pipelines.reference.page import refreshed

if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(refreshed(page.read_text("utf-8")), "utf-8")
