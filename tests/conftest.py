"""Settings of every test, made before jax is imported."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most of the time goes into compiling; these programs run once and are small.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax

# Devices for the tests of meshes; all else runs on the first.
jax.config.update("jax_num_cpu_devices", 8)

# A batched argument that broadcasts by accident is an error.
jax.config.update("jax_numpy_rank_promotion", "raise")
