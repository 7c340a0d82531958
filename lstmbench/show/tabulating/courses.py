"""The old names of ``learning_curves``, until nothing imports them any more."""

from lstmbench.show.tabulating.learning_curves import LearningCurve as Course
from lstmbench.show.tabulating.learning_curves import ScoreLine as Line
from lstmbench.show.tabulating.learning_curves import learning_curves as courses

__all__ = ["Course", "Line", "courses"]
