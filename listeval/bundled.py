"""Where what ships with listeval lies: tasks, checkpoints, rubrics, templates of pages."""

from pathlib import Path


def bundled() -> Path:
    """The folder inside the wheel, or the repository of an editable install."""
    package = Path(__file__).parent
    inside = package / "bundled"
    return inside if inside.is_dir() else package.parent


def recipes() -> Path:
    """The folder of the recipes for training, in the wheel or the repository; those of studies lie in its `cliff`."""
    inside = bundled() / "recipes"
    return inside if inside.is_dir() else bundled() / "training" / "recipes"
