"""Places along the axes of scores."""

VALIDATION, TEST = 0, 1
BEFORE, AFTER = 0, 1  # T = 1; the fitted T.
