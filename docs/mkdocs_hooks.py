r"""The pages of the site are those of the repository, at the paths that they have there, so that their links hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
SHOWN = (
    "*.md",
    "LICENSE",
    "CITATION.cff",
    "docs/*.md",
    "docs/figures/*",
    "docs/experiments/**/*",
    "examples/**/*",
    "benchmarks/results/*.md",
)


def on_files(files: Files, config: Any) -> Files:
    r"""The theme's files, and all pages, pictures and scripts that are linked to, instead of those of docs/ alone."""
    of_theme = [file for file in files if file.src_dir != config["docs_dir"]]
    paths = sorted({path for pattern in SHOWN for path in ROOT.glob(pattern) if path.is_file()})

    return Files(
        of_theme
        + [
            File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
            for path in paths
            if "__pycache__" not in path.parts
        ]
    )
