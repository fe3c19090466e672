"""Cells against Flax's, against their equations, and as records."""

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from flax import linen
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_I, _N = 3, 4


def _flax_rows(params, names_input, names_recurrent):
  """Stacks Flax's kernels: W over x, U over h, and both biases."""
  w = jnp.concatenate([params[n]["kernel"].T for n in names_input])
  u = jnp.concatenate([params[n]["kernel"].T for n in names_recurrent])

  def bias(names):
    zeros = jnp.zeros(_N)
    return jnp.concatenate([params[n].get("bias", zeros) for n in names])

  return w, u, bias(names_input)[:, None], bias(names_recurrent)[:, None]


def _map_lstm(params):
  w, u, b_w, b_u = _flax_rows(
    params, ("ii", "if", "ig", "io"), ("hi", "hf", "hg", "ho")
  )
  return jnp.concatenate([u, w, b_w + b_u], axis=1)


def _map_two(names_input, names_recurrent):
  def mapping(params):
    w, u, b_w, b_u = _flax_rows(params, names_input, names_recurrent)
    return {
      "input": jnp.concatenate([w, b_w], axis=1),
      "recurrent": jnp.concatenate([u, b_u], axis=1),
    }

  return mapping


def _map_simple(params):
  w, u, b_w, b_u = _flax_rows(params, ("i",), ("h",))
  return jnp.concatenate([u, w, b_w + b_u], axis=1)


FLAX = {
  "lstm": (nf.cells.lstm, linen.LSTMCell, _map_lstm),
  "gru": (
    nf.cells.gru,
    linen.GRUCell,
    _map_two(("ir", "iz", "in"), ("hr", "hz", "hn")),
  ),
  "mgu": (nf.cells.mgu, linen.MGUCell, _map_two(("if", "in"), ("hf", "hn"))),
  "vanilla": (nf.cells.vanilla, linen.SimpleCell, _map_simple),
}


def _nan_in_the_last_leaf(a, state):
  state = oracles.CELLS["lstm"]().activate(a, state)
  return state._replace(h=jnp.nan * state.h)


class FlaxTest(parameterized.TestCase):
  @parameterized.named_parameters((k, *v) for k, v in FLAX.items())
  def test_equals_flax_with_mapped_parameters(self, make, module, mapping):
    with oracles.float64():
      theirs = nf.cells.from_linen(
        module(_N, param_dtype=jnp.float64), num_inputs=_I
      )
      ours = make(num_inputs=_I, num_units=_N)
      params, unravel = flatten_util.ravel_pytree(
        theirs.init(jax.random.key(0))
      )
      noise = jax.random.normal(jax.random.key(1), params.shape)
      params = unravel(params + 0.3 * noise)  # biases are zero at the start
      xs, _ = oracles.make_episode(7)
      state = jax.tree.map(
        lambda s: s.astype(jnp.float64), ours.initial_state()
      )
      carry = theirs.initial_state()
      for x_t in xs:
        state = ours.step(mapping(params), state, x_t)
        carry = theirs.step(params, carry, x_t)
        # Units near 0 are differences of numbers of size 1.
        chex.assert_trees_all_close(
          jax.tree.leaves(state),
          jax.tree.leaves(carry),
          rtol=1e-12,
          atol=1e-15,
        )

  def test_from_linen_wants_a_recurrent_cell(self):
    with self.assertRaisesRegex(ValueError, "recurrent cell .* got Dense"):
      nf.cells.from_linen(linen.Dense(3), num_inputs=2)
    with self.assertRaisesRegex(ValueError, "positive integer, got 0"):
      nf.cells.from_linen(linen.GRUCell(3), num_inputs=0)


class RecordTest(parameterized.TestCase):
  @parameterized.named_parameters((name, name) for name in oracles.CELLS)
  def test_init_and_state(self, name):
    cell = oracles.CELLS[name]()
    for x64, dtype in ((False, jnp.float32), (True, jnp.float64)):
      if x64 and name == "flax":
        continue  # Flax draws in param_dtype, whatever x64 says.
      with oracles.float64() if x64 else self.subTest():
        params = cell.init(jax.random.key(0))
        chex.assert_type(jax.tree.leaves(params), dtype)
        other = cell.init(jax.random.key(1))
        same = jax.tree.map(lambda a, b: jnp.all(a == b), params, other)
        self.assertFalse(all(jax.tree.leaves(same)), "the key does nothing")

  @parameterized.parameters("vanilla", "linear", "gru", "lstm", "mgu")
  def test_affine_step_is_activate_of_w_z(self, name):
    cell = oracles.CELLS[name]()
    params = oracles.make_params(cell)["cell"]
    xs, _ = oracles.make_episode(2)
    state = cell.step(params, cell.initial_state(), xs[0])
    z = cell.features(state, xs[1])
    a = jax.tree.map(lambda w, z: w @ z, params, z)
    chex.assert_trees_all_close(
      cell.activate(a, state), cell.step(params, state, xs[1]), rtol=1e-6
    )

  @parameterized.parameters(*oracles.DIAGONAL_CELLS)
  def test_recurrence_is_diagonal(self, name):
    """d u_t[i] / d u_tm1[j] = 0 for i != j, of the whole step."""
    cell = oracles.CELLS[name]()
    params = oracles.make_params(cell)["cell"]
    xs, _ = oracles.make_episode(2)
    state = cell.step(params, cell.initial_state(), xs[0])

    units = cell.split(params, state)[1]
    by_unit, unravel = flatten_util.ravel_pytree(units)

    def recurrence(flat):
      """From the units' state to itself, through the whole cell."""
      _, push = jax.vjp(lambda s: cell.split(params, s)[1], state)
      state_tm1 = push(unravel(flat))[0]  # what the units do not own is 0
      state_t = cell.step(params, state_tm1, xs[1])
      return flatten_util.ravel_pytree(cell.split(params, state_t)[1])[0]

    jacobian = np.asarray(jax.jacfwd(recurrence)(by_unit))
    size = by_unit.size // _N
    blocks = abs(jacobian.reshape(_N, size, _N, size)).max(axis=(1, 3))
    off = ~np.eye(_N, dtype=bool)
    self.assertEqual(blocks[off].max(), 0.0)
    self.assertGreater(blocks[~off].min(), 0.0)

  def test_lru_is_the_complex_recurrence(self):
    with oracles.float64():
      cell = nf.cells.lru(num_inputs=_I, num_units=_N, min_radius=0.3)
      params = cell.init(jax.random.key(0))
      xs, _ = oracles.make_episode(9)
      eigenvalues = np.exp(-np.exp(params["nu"]) + 1j * np.exp(params["theta"]))
      self.assertTrue(np.all((abs(eigenvalues) > 0.3) & (abs(eigenvalues) < 1)))
      b = np.asarray(params["b_real"]) + 1j * np.asarray(params["b_imag"])
      b = np.exp(params["log_gamma"])[:, None] * b
      expected, state = np.zeros(_N, complex), cell.initial_state()
      for x_t in xs:
        expected = eigenvalues * expected + b @ np.asarray(x_t)
        state = cell.step(params, state, x_t)
      np.testing.assert_allclose(state[:_N], expected.real, rtol=1e-10)
      np.testing.assert_allclose(state[_N:], expected.imag, rtol=1e-10)

  def test_lru_rejects_impossible_radii(self):
    with self.assertRaisesRegex(ValueError, "got 0.9 and 0.5"):
      nf.cells.lru(num_inputs=1, num_units=1, min_radius=0.9, max_radius=0.5)

  def test_lstm_in_the_words_of_the_textbook(self):
    """The six equations as printed, with W_r taken as d x p."""
    with oracles.float64():
      cell = nf.cells.lstm(num_inputs=_I, num_units=_N, forget_bias=1.0)
      params = cell.init(jax.random.key(0))
      np.testing.assert_array_equal(params[_N : 2 * _N, -1], np.ones(_N))
      xs, _ = oracles.make_episode(6)
      save, rem, candidate, focus = np.split(np.asarray(params), 4)
      state = cell.initial_state()
      ltm, wm = np.zeros(_N), np.zeros(_N)

      def sigma(v):
        return 1 / (1 + np.exp(-v))

      for x_t in xs:

        def layer(m, x_t=x_t, wm=wm):
          return m[:, _N:-1] @ np.asarray(x_t) + m[:, :_N] @ wm + m[:, -1]

        rem_t, save_t = sigma(layer(rem)), sigma(layer(save))
        focus_t, candidate_t = sigma(layer(focus)), np.tanh(layer(candidate))
        a = params @ cell.features(state, x_t)
        gates = nf.cells.gates(a)
        np.testing.assert_allclose(gates.rem, rem_t, rtol=1e-12)
        np.testing.assert_allclose(gates.save, save_t, rtol=1e-12)
        np.testing.assert_allclose(gates.focus, focus_t, rtol=1e-12)
        np.testing.assert_allclose(gates.candidate, candidate_t, rtol=1e-12)
        ltm = rem_t * ltm + save_t * candidate_t
        wm = focus_t * np.tanh(ltm)
        state = cell.step(params, state, x_t)
        np.testing.assert_allclose(state.ltm, ltm, rtol=1e-12)
        np.testing.assert_allclose(state.wm, wm, rtol=1e-12)

  def test_the_shapes_printed_for_the_input_matrix_do_not_multiply(self):
    """W_r in R^(p x d), as printed, times x_t in R^p: undefined, p != d."""
    p, d = _I, _N
    with self.assertRaises(ValueError):
      np.zeros((p, d)) @ np.zeros(p)
    self.assertEqual((np.zeros((d, p)) @ np.zeros(p)).shape, (d,))

  def test_gru_original_resets_before_the_product(self):
    with oracles.float64():
      cell = nf.cells.gru_original(num_inputs=_I, num_units=_N)
      params = oracles.make_params(cell)["cell"]
      x = oracles.make_episode(1)[0][0]
      h = jnp.linspace(-1, 1, _N)
      v = np.concatenate([h, x, [1.0]])
      r, z = np.split(1 / (1 + np.exp(-np.asarray(params["gates"]) @ v)), 2)
      n = np.tanh(
        np.asarray(params["candidate"]) @ np.concatenate([r * h, x, [1.0]])
      )
      np.testing.assert_allclose(
        cell.step(params, h, x), (1 - z) * n + z * h, rtol=1e-12
      )

  def test_elstm_equations(self):
    with oracles.float64():
      cell = nf.cells.elstm(num_inputs=_I, num_units=_N)
      params = oracles.make_params(cell)["cell"]
      x = np.asarray(oracles.make_episode(1)[0][0])
      c = np.linspace(-1, 1, _N)
      units = jax.tree.map(np.asarray, params["units"])
      x1 = np.append(x, 1.0)
      f = 1 / (1 + np.exp(-(units["f"] @ x1 + units["w_f"] * c)))
      z = np.tanh(units["z"] @ x1 + units["w_z"] * c)
      c_t = f * c + (1 - f) * z
      o = np.asarray(params["output"]) @ np.concatenate([c_t, x1])
      state = cell.step(params, nf.cells.ELSTMState(c, np.zeros(_N)), x)
      np.testing.assert_allclose(state.c, c_t, rtol=1e-12)
      np.testing.assert_allclose(state.h, c_t / (1 + np.exp(-o)), rtol=1e-12)

  def test_indrnn_equation(self):
    with oracles.float64():
      cell = nf.cells.indrnn(num_inputs=_I, num_units=_N)
      params = jax.tree.map(np.asarray, oracles.make_params(cell)["cell"])
      x = np.asarray(oracles.make_episode(1)[0][0])
      h = np.linspace(-1, 1, _N)
      a = params["w"] @ x + params["u"] * h + params["b"]
      np.testing.assert_allclose(
        cell.step(params, h, x), np.maximum(a, 0), rtol=1e-12
      )
      self.assertTrue(np.any(a > 0))

  @parameterized.product(
    name=["vanilla", "gru", "lstm", "lru", "elstm", "stack"],
    dtype=[jnp.float32, jnp.bfloat16],
  )
  def test_check_cell_accepts_what_keeps_its_promise(self, name, dtype):
    cell = oracles.CELLS[name]()
    params = oracles.make_params(cell, dtype=dtype)["cell"]
    x = oracles.make_episode(1, dtype=dtype)[0][0]
    state = nf.base.step(cell, params, nf.base.initial_state(cell, params), x)
    nf.diagnostics.check_cell(cell, params, state, x)

  def test_check_cell_finds_what_does_not(self):
    x = oracles.make_episode(1)[0][0]
    for name, change, message in (
      ("vanilla", dict(activate=lambda a, h: a), "activate"),
      ("lstm", dict(activate=_nan_in_the_last_leaf), "activate.*nan"),
      ("lstm", dict(activate=lambda a, s: s.c), "activate.*shapes"),
      ("lru", dict(unit_step=lambda theta, u, x: 0.5 * u), "unit_step"),
    ):
      cell = oracles.CELLS[name]()
      params = oracles.make_params(cell)["cell"]
      state = cell.step(params, cell.initial_state(), x)
      with self.assertRaisesRegex(ValueError, message):
        nf.diagnostics.check_cell(cell._replace(**change), params, state, x)

  @parameterized.product(
    # Thresholds on both sides of what comes back, and others than a clip.
    rule=[
      lambda g: jnp.clip(g, -1e-3, 1e-3),
      lambda g: jnp.clip(g, -10, 10),
      jnp.abs,
      jax.nn.relu,
    ],
    squash=[jnp.tanh, jax.nn.softmax],
  )
  def test_check_cell_finds_rules_that_are_not_linear(self, rule, squash):
    ruled = jax.custom_vjp(lambda s: s)
    ruled.defvjp(lambda s: (s, None), lambda _, g: (rule(g),))
    plain = nf.Cell(
      init=lambda key: jax.random.normal(key, (3, 3 + _I)),
      initial_state=lambda: jnp.zeros(3),
      step=lambda p, s, x: squash(p @ jnp.concatenate([ruled(s), x])),
    )
    vanilla = oracles.CELLS["vanilla"]()
    activate = lambda a, s: squash(ruled(a))
    affine = vanilla._replace(
      activate=activate, step=nf.base.affine_step(vanilla.features, activate)
    )
    x = oracles.make_episode(1)[0][0]
    for cell in (plain, affine):
      params = cell.init(jax.random.key(0))
      state = jnp.ones_like(cell.initial_state())
      with self.assertRaisesRegex(ValueError, "linear in the cotangent"):
        nf.diagnostics.check_cell(cell, params, state, x)

  def test_check_cell_takes_cells_without_a_derivative(self):
    cell = oracles.CELLS["bare"]()
    params = oracles.make_params(cell)["cell"]
    x, state = oracles.make_episode(1)[0][0], cell.initial_state()

    def called(params, h, x):
      shape = jax.ShapeDtypeStruct(h.shape, h.dtype)
      return jax.pure_callback(lambda h: np.asarray(h), shape, h)

    def looped(params, h, x):
      return jax.lax.while_loop(lambda h: jnp.all(h < 1), lambda h: h + 1, h)

    for step in (called, looped):
      changed = cell._replace(step=step)
      nf.diagnostics.check_cell(changed, params, state, x)

  @parameterized.parameters(1e-6, 1.0, 1e3)
  def test_check_cell_raises_no_false_alarm(self, size):
    """In float16, which rounds small numbers to 0, and at a corner."""
    cell = nf.Cell(
      init=lambda key: jnp.full((3, 3), size, jnp.float16),
      initial_state=lambda: jnp.zeros(3, jnp.float16),
      step=lambda p, s, x: p @ s + x,
    )
    x = jnp.ones(3, jnp.float16)
    state = jnp.full(3, 1e-4, jnp.float16)
    nf.diagnostics.check_cell(cell, cell.init(None), state, x)
    corner = cell._replace(
      step=lambda p, s, x: p @ (s / jnp.linalg.norm(s)) + x
    )
    nf.diagnostics.check_cell(corner, cell.init(None), 0 * state, x)

  def test_stack_reads_the_output_of_the_layer_below_at_the_same_step(self):
    below = nf.cells.lstm(num_inputs=_I, num_units=_N)
    above = nf.cells.gru(num_inputs=_N, num_units=2)
    cell = nf.cells.stack([below, above])
    params = cell.init(jax.random.key(0))
    x = oracles.make_episode(1)[0][0]
    state = cell.step(params, cell.initial_state(), x)
    first = below.step(params[0], below.initial_state(), x)
    second = above.step(params[1], above.initial_state(), first.h)
    chex.assert_trees_all_equal(state, (first, second))
    chex.assert_trees_all_equal(cell.output(state), second)
    with self.assertRaisesRegex(ValueError, "at least one cell"):
      nf.cells.stack([])

  @parameterized.parameters(
    nf.cells.vanilla, nf.cells.gru, nf.cells.lstm, nf.cells.lru, nf.cells.mgu
  )
  def test_sizes(self, make):
    with self.assertRaisesRegex(ValueError, "num_units .* got 0"):
      make(num_inputs=2, num_units=0)
    with self.assertRaisesRegex(ValueError, "num_inputs .* got -1"):
      make(num_inputs=-1, num_units=2)


if __name__ == "__main__":
  absltest.main()
