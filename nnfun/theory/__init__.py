"""Closed forms: mean field, spectra, linear dynamics, what a step costs."""

from nnfun.theory import costs as costs
from nnfun.theory import deep_linear as deep_linear
from nnfun.theory import finite_width as finite_width
from nnfun.theory import mean_field as mean_field
from nnfun.theory import phases as phases
from nnfun.theory import quadrature as quadrature
from nnfun.theory import spectra as spectra
