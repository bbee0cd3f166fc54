"""The kinds of training, one class each."""

from __future__ import annotations

from bartleby.training.recipes.chat import ChatRecipe
from bartleby.training.recipes.pairs import SummarizeRecipe, TranslateRecipe
from bartleby.training.recipes.pretrain import PretrainRecipe
from bartleby.training.recipes.recipe import Recipe

RECIPES: dict[str, type[Recipe]] = {
    recipe.kind: recipe for recipe in (PretrainRecipe, SummarizeRecipe, ChatRecipe, TranslateRecipe)
}
"""By the names of the commands that train with them."""
