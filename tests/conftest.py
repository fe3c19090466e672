"""Settings of every test, made before jax is imported."""

import gc
import os
from importlib import metadata

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Threads of NumPy and LAPACK wait for each other where tests run side by side.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Most of the time goes into compiling; these programs run once and are small.
os.environ.setdefault(
  "XLA_FLAGS",
  "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
  # Unknown to later ones, and fatal.
  + " --xla_cpu_use_fusion_emitters=false"
  * metadata.version("jaxlib").startswith("0.10."),
)

import jax
import pytest

from experiments import sweeps

# Devices for the tests of meshes; all else runs on the first.
jax.config.update("jax_num_cpu_devices", 8)

# The flags above do not reach programs with options of their own.
sweeps.brisk_jit = sweeps.quick_jit

# A batched argument that broadcasts by accident is an error.
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
  """Programs of finished modules are of no use, and slow the collector."""
  yield
  jax.clear_caches()
  gc.collect()
