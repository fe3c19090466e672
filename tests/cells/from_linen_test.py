"""Flax modules as cells: gradients against a loop over `module.apply`."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from flax import linen
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_I, _N, _T = 3, 4, 4


class _Module(linen.RNNCellBase):
  """h_t = tanh(A h_tm1 + B x_t), from zeros; the others change one thing."""

  def setup(self):
    self.a, self.b = linen.Dense(_N), linen.Dense(_N)

  def __call__(self, h, x):
    h = jnp.tanh(self.a(h) + self.b(x))
    return h, h

  def initialize_carry(self, rng, input_shape):
    del rng, input_shape
    return jnp.zeros(_N)

  num_feature_axes = 1


class _Head(linen.RNNCellBase):
  @linen.compact
  def __call__(self, h, x):
    h = jnp.tanh(linen.Dense(_N)(h) + linen.Dense(_N)(x))
    return h, linen.Dense(2, name="head")(h)

  initialize_carry = _Module.initialize_carry
  num_feature_axes = 1


class _OutputFirst(_Module):
  """A carry in two parts, of which the first is y."""

  def __call__(self, carry, x):
    h = jnp.tanh(self.a(carry[0] + carry[1]) + self.b(x))
    return (h, 0.5 * carry[1] + h), h

  def initialize_carry(self, rng, input_shape):
    del rng, input_shape
    return jnp.zeros(_N), jnp.zeros(_N)


class _Learned(_Module):
  """A learned h_0; it is also a weight, for what that adds to its gradient."""

  def setup(self):
    super().setup()
    self.h0 = self.param("h0", linen.initializers.normal(), (_N,))

  def __call__(self, h, x):
    return super().__call__(h + 0.1 * self.h0, x)

  def initialize_carry(self, rng, input_shape):
    del rng, input_shape
    return self.h0


class _Deep(linen.RNNCellBase):
  """Flax cells on top of one another, with the carry that they make."""

  def setup(self):
    self.below, self.above = linen.SimpleCell(_N), linen.SimpleCell(2)

  def __call__(self, carry, x):
    below, x = self.below(carry[0], x)
    above, y = self.above(carry[1], x)
    return (below, above), y

  def initialize_carry(self, rng, input_shape):
    return (
      self.below.initialize_carry(rng, input_shape),
      self.above.initialize_carry(rng, (_N,)),
    )

  num_feature_axes = 1


class _Tokens(_Module):
  def setup(self):
    super().setup()
    self.embed = linen.Embed(7, _N)

  def __call__(self, h, x):
    return super().__call__(h, self.embed(x))


class _Dropout(_Module):
  def setup(self):
    super().setup()
    self.drop = linen.Dropout(0.3, deterministic=False)

  def __call__(self, h, x):
    return super().__call__(self.drop(h), x)


class _Everything(_Learned):
  """A learned h_0, a head, two streams, an input of two parts."""

  def setup(self):
    super().setup()
    self.drop = linen.Dropout(0.3, deterministic=False)
    self.embed, self.head = linen.Embed(7, _N), linen.Dense(2)

  def __call__(self, h, x):
    noise = jax.random.normal(self.make_rng("noise"), (_N,), h.dtype)
    x = self.embed(x["token"]) * noise + jnp.sum(x["value"])
    h, _ = super().__call__(self.drop(h), x)
    return h, {"y": self.head(h), "z": jnp.exp(h)}


class _BatchNorm(_Module):
  def setup(self):
    super().setup()
    self.norm = linen.BatchNorm(use_running_average=True)

  def __call__(self, h, x):
    return super().__call__(h, self.norm(x[None])[0])


_ZEROS = lambda *shapes: lambda params: tuple(jnp.zeros(s) for s in shapes)
_ZERO = lambda params: jnp.zeros(_N)
_TOKEN = jax.ShapeDtypeStruct((), jnp.int32)
_VECTOR = dict(num_inputs=_I)
_TWO = {"token": _TOKEN, "value": jnp.zeros(_I)}

# Module, arguments of from_linen, the first carry spelt out.
KINDS = {
  "plain": (_Module(), _VECTOR, _ZERO),
  "flax": (linen.OptimizedLSTMCell(2), _VECTOR, _ZEROS(2, 2)),
  "deep": (
    _Deep(),
    _VECTOR,
    _ZEROS(_N, 2),
  ),
  "dropout": (_Dropout(), dict(**_VECTOR, rngs=("dropout",)), _ZERO),
  "learned": (_Learned(), _VECTOR, lambda params: params["h0"]),
  "tokens": (_Tokens(), dict(input_spec=_TOKEN), _ZERO),
  "images": (
    linen.ConvLSTMCell(2, kernel_size=(3, 3)),
    dict(input_spec=np.zeros((3, 2, 1))),
    _ZEROS((3, 2, 2), (3, 2, 2)),
  ),
  "head": (_Head(), _VECTOR, _ZERO),
  "output_first": (_OutputFirst(), _VECTOR, _ZEROS(_N, _N)),
  "everything": (
    _Everything(),
    dict(input_spec=_TWO, rngs=("noise", "dropout")),
    lambda params: params["h0"],
  ),
}

ESTIMATORS = {
  "rtrl": (nf.estimators.rtrl, 1),
  "lazy": (lambda *args: nf.estimators.rtrl(*args, flush_every=3), 1),
  "whole": (nf.estimators.truncated_bptt, _T),
}


def _draw(spec, generator, num_steps=()):
  """Random arrays of the given shapes and kinds."""

  def draw(leaf):
    shape = (*num_steps, *leaf.shape)
    if leaf.dtype == jnp.uint32:
      return jnp.asarray(generator.integers(0, 2**32, shape, np.uint32))
    if leaf.dtype == jnp.int32:
      return jnp.asarray(generator.integers(0, 7, shape, np.int32))
    return jnp.asarray(generator.normal(size=shape))

  return jax.tree.map(draw, spec)


def _case(name):
  """The cell, parameters of which none is zero, inputs and targets."""
  cell = nf.cells.from_linen(KINDS[name][0], **KINDS[name][1])
  generator = np.random.default_rng(0)
  theta = _draw(jax.eval_shape(cell.init, jax.random.key(0)), generator)
  params = {"cell": theta, "readout": jnp.ones([])}
  xs = _draw(cell.input_spec, generator, (_T,))
  return cell, params, xs, jnp.linspace(-1.0, 1.0, _T)


def _score(params, y, target):
  """A loss that depends on every number that a module puts out."""
  return sum(
    jnp.sum(jnp.sin(params["readout"] * leaf - target))
    for leaf in jax.tree.leaves(y)
  )


def _expected(name, params, xs, targets):
  """The summed loss of Flax's own loop, with its gradient."""
  module, arguments, start = KINDS[name]
  streams = arguments.get("rngs", ())

  def total(params):
    carry, loss = start(params["cell"]), 0.0
    for t in range(len(targets)):
      x_t, rngs = jax.tree.map(lambda x, t=t: x[t], xs), {}
      if streams:
        x_t, key = x_t
        keys = jax.random.split(jax.random.wrap_key_data(key), len(streams))
        rngs = {name: keys[i] for i, name in enumerate(streams)}
      carry, y = module.apply({"params": params["cell"]}, carry, x_t, rngs=rngs)
      loss += _score(params, y, targets[t])
    return loss

  return jax.jit(jax.value_and_grad(total))(params)


def _actual(name, estimator, params, xs, targets, resets=None):
  module, arguments, _ = KINDS[name]
  cell = nf.cells.from_linen(module, **arguments)

  def loss_fn(params, state_t, target):
    y = state_t.y if name == "everything" else cell.output(state_t)
    return _score(params, y, target)

  make, segment = ESTIMATORS[estimator]
  return jax.jit(
    lambda params: nf.training.episode_gradient(
      make(cell, loss_fn),
      params,
      jax.random.key(0),
      xs,
      targets,
      segment=segment,
      resets=resets,
    )
  )(params)


class GradientTest(parameterized.TestCase):
  @parameterized.parameters(*KINDS)
  def test_is_the_gradient_of_flax(self, name):
    with oracles.float64():
      _, params, xs, targets = _case(name)
      loss, grads = _expected(name, params, xs, targets)
      for estimator in ESTIMATORS:
        with self.subTest(estimator):
          actual = _actual(name, estimator, params, xs, targets)
          np.testing.assert_allclose(actual.loss, loss, rtol=1e-12)
          oracles.assert_same_gradient(actual.grads, grads)

  def test_a_reset_starts_from_the_learned_carry(self):
    with oracles.float64():
      _, params, xs, targets = _case("learned")
      resets = jnp.arange(_T) == 2
      expected = jax.tree.map(
        jnp.add,
        _expected("learned", params, xs[:2], targets[:2])[1],
        _expected("learned", params, xs[2:], targets[2:])[1],
      )
      for estimator in ("rtrl", "whole"):
        with self.subTest(estimator):
          actual = _actual("learned", estimator, params, xs, targets, resets)
          oracles.assert_same_gradient(actual.grads, expected)

  def test_keys_are_those_of_the_input(self):
    """Other keys, another gradient; a batch of keys, a batch of gradients."""
    with oracles.float64():
      _, params, (x, keys), targets = _case("dropout")
      both = jnp.stack([keys, keys[::-1]])

      @jax.jit
      def gradient(keys):
        return _actual("dropout", "lazy", params, (x, keys), targets).grads

      batch = jax.vmap(gradient)(both)
      for i in range(2):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], batch)
        oracles.assert_same_gradient(one, gradient(both[i]))
      kernels = batch["cell"]["a"]["kernel"]
      self.assertGreater(jnp.max(abs(kernels[0] - kernels[1])), 1e-3)

  def test_streams_of_one_step_differ(self):
    class Two(_Module):
      def __call__(self, h, x):
        one = jax.random.normal(self.make_rng("one"), (_N,))
        return h, one - jax.random.normal(self.make_rng("two"), (_N,))

      def setup(self):
        super().setup()
        self.scale = self.param("scale", linen.initializers.ones, (1,))

    cell = nf.cells.from_linen(Two(), num_inputs=_I, rngs=("one", "two"))
    params = cell.init(jax.random.key(0))
    x = jnp.zeros(_I), jax.random.key_data(jax.random.key(1))
    difference = cell.output(cell.step(params, cell.initial_state(), x))
    self.assertGreater(jnp.min(abs(difference)), 1e-3)


class StateTest(parameterized.TestCase):
  @parameterized.parameters(
    ("plain", False, False),
    ("flax", False, False),
    ("dropout", False, False),
    ("images", False, False),
    ("learned", True, False),
    ("head", False, True),
    ("output_first", False, True),
    ("everything", True, True),
  )
  def test_holds_no_more_than_it_has_to(self, name, learned, beside):
    module, _, start = KINDS[name]
    cell, params, xs, _ = _case(name)
    state = cell.initial_state()
    x_t = jax.tree.map(lambda x: x[0], xs)
    after = jax.eval_shape(cell.step, params["cell"], state, x_t)
    self.assertEqual(jax.tree.structure(after), jax.tree.structure(state))
    if not (learned or beside):
      carry = start(params["cell"])
      self.assertEqual(jax.tree.structure(state), jax.tree.structure(carry))
      return
    self.assertEqual(state.started is not None, learned)
    self.assertEqual(state.y is not None, beside)

  def test_init_is_that_of_flax(self):
    module = linen.GRUCell(_N)
    cell = nf.cells.from_linen(module, num_inputs=_I)
    key = jax.random.key(3)
    expected = module.init(key, jnp.zeros(_N), jnp.zeros(_I))["params"]
    actual = cell.init(key)
    jax.tree.map(np.testing.assert_array_equal, actual, expected)

  def test_a_carry_that_is_drawn_is_the_same_every_time(self):
    module = linen.GRUCell(_N, carry_init=linen.initializers.normal())
    cell = nf.cells.from_linen(module, num_inputs=_I)
    first, second = cell.initial_state(), cell.initial_state()
    np.testing.assert_array_equal(first, second)
    self.assertGreater(jnp.min(abs(first)), 0)


class ErrorsTest(parameterized.TestCase):
  @parameterized.named_parameters(
    ("no_input", _Module(), {}, "either num_inputs or input_spec"),
    (
      "two_inputs",
      _Module(),
      dict(num_inputs=3, input_spec=jnp.zeros(3)),
      "either num_inputs or input_spec, got num_inputs=3",
    ),
    ("a_shape", _Module(), dict(input_spec=(3,)), r"input_spec .* got \(3,\)"),
    ("nothing", _Module(), dict(input_spec=()), r"input_spec .* got \(\)"),
    ("tokens", _Tokens(), _VECTOR, r"_Tokens fails .* \[3\]; .* input_spec"),
    ("images", KINDS["images"][0], _VECTOR, "ConvLSTMCell fails .* input_spec"),
    ("statistics", _BatchNorm(), _VECTOR, "parameters only, got .*batch_stats"),
    ("stream", _Dropout(), _VECTOR, '"dropout": name .* rngs=.* raw key'),
    (
      "other_stream",
      _Dropout(),
      dict(num_inputs=3, rngs=("noise",)),
      '"dropout": name',
    ),
  )
  def test_of_the_factory(self, module, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      nf.cells.from_linen(module, **arguments)

  def test_of_a_module_on_the_input_it_was_given_for_are_its_own(self):
    with self.assertRaisesRegex(ValueError, "^Input type must be an integer"):
      nf.cells.from_linen(_Tokens(), input_spec=jnp.zeros(3))

  @parameterized.parameters(
    ("plain", lambda x: x[:2], r"shape \[3\] .*, got shape \[2\]"),
    ("dropout", lambda x: x[0], r"\('\[3\]', '\[2\]'\) .* got shape \[3\]"),
    (
      "dropout",
      lambda x: (x[0], jax.random.wrap_key_data(x[1])),
      r"raw keys.* got shape \('\[3\]', 'key<fry>\[\]'\)",
    ),
  )
  def test_of_the_step(self, name, change, message):
    cell, params, xs, _ = _case(name)
    x_t = change(jax.tree.map(lambda x: x[0], xs))
    with self.assertRaisesRegex(ValueError, message):
      cell.step(params["cell"], cell.initial_state(), x_t)


if __name__ == "__main__":
  absltest.main()
