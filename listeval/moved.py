"""Paths that plug-ins and notebooks imported before modules moved: they go on working, and say what to write now."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MOVED = {
    "listeval.backends.channels": "listeval.models.channels",
    "listeval.data": "listeval.kit.files",
    "listeval.decoding.repair": "listeval.contract.repair",
    "listeval.hub": "listeval.kit.hub",
    "listeval.listwise": "listeval.kit.listwise",
    "listeval.prompt": "listeval.models.renderer",
    "listeval.records": "listeval.kit.records",
    "listeval.registry": "listeval.plugins.registry",
    "listeval.report.comparison.latex": "listeval.report.comparison.as_latex",
    "listeval.report.comparison.markdown": "listeval.report.comparison.as_markdown",
    "listeval.report.comparison.terminal": "listeval.report.comparison.on_terminal",
    "listeval.runs.frames": "listeval.runs.joint_frame",
    "listeval.runs.judge": "listeval.runs.make_rows",
    "listeval.wording": "listeval.kit.wording",
}


class _OldPaths:
    """A finder that is asked last: what it finds hands every name on to where the module is now."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in MOVED:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """The ordinary kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        import warnings
        from importlib import import_module

        old, new = module.__name__, MOVED[module.__name__]
        warnings.warn(f"'{old}' is now '{new}'", DeprecationWarning, stacklevel=2)
        home = import_module(new)
        vars(module)["__getattr__"] = lambda name: getattr(home, name)
        module.__doc__ = home.__doc__


def keep_old_paths() -> None:
    """From now on the old paths can be imported. Costs nothing until one is."""
    sys.meta_path.append(_OldPaths())
