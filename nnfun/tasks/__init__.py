"""Tasks that need credit over time."""

from nnfun.tasks.adding import adding as adding
from nnfun.tasks.brackets import brackets as brackets
from nnfun.tasks.brackets import brackets_entropy as brackets_entropy
from nnfun.tasks.characters import characters as characters
from nnfun.tasks.copy import copy as copy
from nnfun.tasks.counting import counting as counting
from nnfun.tasks.delayed_addition import delayed_addition as delayed_addition
from nnfun.tasks.influence_balancing import (
  influence_balancing as influence_balancing,
)
from nnfun.tasks.influence_balancing import (
  influence_balancing_cell as influence_balancing_cell,
)
from nnfun.tasks.influence_balancing import (
  influence_balancing_matrices as influence_balancing_matrices,
)
from nnfun.tasks.temporal_order import temporal_order as temporal_order
