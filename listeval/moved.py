"""Paths that plug-ins and notebooks imported before modules moved: they go on working, and say what to write now."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MOVED = {
    "listeval.backends.arguments": "listeval.backends.engine_arg",
    "listeval.backends.channels": "listeval.models.channels",
    "listeval.backends.hf.engine": "listeval.backends.hf.hf_engine",
    "listeval.backends.openai.constraint": "listeval.backends.openai.openai_constraint",
    "listeval.backends.openai.engine": "listeval.backends.openai.openai_engine",
    "listeval.backends.openai.schema": "listeval.backends.openai.openai_schema",
    "listeval.backends.ray.engine": "listeval.backends.ray.ray_engine",
    "listeval.backends.served.engine": "listeval.backends.served.served_engine",
    "listeval.backends.vllm.constraint": "listeval.backends.vllm.vllm_constraint",
    "listeval.backends.vllm.engine": "listeval.backends.vllm.vllm_engine",
    "listeval.comparison.export": "listeval.comparison.comparison_json",
    "listeval.comparison.order": "listeval.comparison.order_effects",
    "listeval.contract.values": "listeval.contract.value_forms",
    "listeval.data": "listeval.kit.files",
    "listeval.decoding.engines.protocol": "listeval.decoding.engines.engine_protocol",
    "listeval.decoding.permutation.spec": "listeval.decoding.permutation.permutation_spec",
    "listeval.decoding.refusal": "listeval.decoding.refused_keywords",
    "listeval.decoding.repair": "listeval.contract.repair",
    "listeval.decoding.scaffold.spec": "listeval.decoding.scaffold.scaffold_spec",
    "listeval.export.hub": "listeval.export.hub_upload",
    "listeval.export.tables": "listeval.export.row_tables",
    "listeval.hub": "listeval.kit.hub",
    "listeval.labelling.judge": "listeval.labelling.judge_server",
    "listeval.listwise": "listeval.kit.listwise",
    "listeval.prompt": "listeval.models.renderer",
    "listeval.records": "listeval.kit.records",
    "listeval.registry": "listeval.plugins.registry",
    "listeval.report.comparison.latex": "listeval.report.comparison.as_latex",
    "listeval.report.comparison.markdown": "listeval.report.comparison.as_markdown",
    "listeval.report.comparison.terminal": "listeval.report.comparison.on_terminal",
    "listeval.report.curves": "listeval.report.curve_tables",
    "listeval.report.page.curves": "listeval.report.page.setting_curves",
    "listeval.runs.adapters": "listeval.runs.run_adapters",
    "listeval.runs.figures.numbers": "listeval.runs.figures.as_text",
    "listeval.runs.figures.order": "listeval.runs.figures.order_figures",
    "listeval.runs.frames": "listeval.runs.joint_frame",
    "listeval.runs.judge": "listeval.runs.make_rows",
    "listeval.runs.table": "listeval.runs.row_columns",
    "listeval.runs.tracking.protocol": "listeval.runs.tracking.tracker",
    "listeval.scoring.calls": "listeval.scoring.check_calls",
    "listeval.scoring.execution.visible": "listeval.scoring.execution.visible_files",
    "listeval.suites.execute": "listeval.suites.execute_suite",
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
