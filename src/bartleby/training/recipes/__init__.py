"""The kinds of training, one class each."""

from __future__ import annotations

from bartleby.training.recipes.answer import AnswerRecipe
from bartleby.training.recipes.chat import ChatRecipe
from bartleby.training.recipes.classify import ClassifyRecipe
from bartleby.training.recipes.distill import DistillRecipe
from bartleby.training.recipes.lm import LanguageModelRecipe
from bartleby.training.recipes.pairs import SummarizeRecipe, TranslateRecipe
from bartleby.training.recipes.pretrain import PretrainRecipe
from bartleby.training.recipes.recipe import Recipe

KINDS: tuple[type[Recipe], ...] = (
    PretrainRecipe,
    SummarizeRecipe,
    ChatRecipe,
    TranslateRecipe,
    ClassifyRecipe,
    AnswerRecipe,
    LanguageModelRecipe,
    DistillRecipe,
)

RECIPES: dict[str, type[Recipe]] = {recipe.kind: recipe for recipe in KINDS}
"""By the names of the commands that train with them."""
