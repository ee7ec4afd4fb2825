"""Starts of a few steps, which any measurement accepts."""

import pytest

from listopd.lab import starts
from listopd.lab.starts import Phase, StartRecipe, Window


@pytest.fixture
def quick(monkeypatch):
    """Recipes that take no time; their networks know nothing of the language."""
    recipes = {
        "teacher": StartRecipe(None, (Phase(3, 8, 5e-3, cosine=True),), Window()),
        "T_flip": StartRecipe("teacher", (Phase(2, 8, 1e-3, early=0.3),), Window()),
        "S_sharp": StartRecipe("teacher", (Phase(2, 8, 1e-3),), Window()),
    }
    monkeypatch.setattr(starts, "RECIPES", recipes)
    monkeypatch.setattr("listopd.lab.store.RECIPES", recipes)
    return recipes
