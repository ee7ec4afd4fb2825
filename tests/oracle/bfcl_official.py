"""BFCL's own AST checker, imported without the model handlers that its package imports on the way."""

import sys
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import pytest

REASON = "bfcl-eval is not installed: pip install --no-deps bfcl-eval==2026.3.23"


def official_checker():
    """A function (documents, calls, expected, category) -> True, False, or the exception that the checker died of."""
    pytest.importorskip("bfcl_eval", reason=REASON)
    models = ModuleType("bfcl_eval.constants.model_config")
    models.MODEL_CONFIG_MAPPING = {"any": SimpleNamespace(underscore_to_dot=False)}
    with patch.dict(sys.modules, {models.__name__: models}):
        from bfcl_eval.constants.enums import Language
        from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    def verdict(documents, calls, expected, category):
        output = [{call["name"]: call["arguments"]} for call in calls]
        try:
            return ast_checker(documents, output, expected, Language.PYTHON, category, "any")["valid"]
        except Exception as error:  # noqa: BLE001 - a crash is a finding
            return error

    return verdict
