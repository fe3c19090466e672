"""Mean-field theory: networks against naive loops, a small study, controls."""

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import mean_field
from experiments.gradient_flow.mean_field import run, training
from tests.experiments import study_case


class CaseTest(study_case.StudyCase):
  study = mean_field.STUDY
  small = run.Config(
    width=100,
    num_layers=30,
    num_seeds=16,
    train_variances=(0.5, 1.76),
    train_depths=(3, 8),
    train_width=32,
    train_examples=400,
    learning_rate=8e-3,
  )

  def failed(self, **changes):
    """The claims that fail with changes of the results."""
    claims = self.study.claims(self.results()._replace(**changes))
    return [claim.key for claim in claims if claim.holds is False]

  def test_no_claim_fails(self):
    self.assertEmpty(self.failed())

  @parameterized.parameters(
    ("q", lambda v: 1.2 * v, "length"),
    ("critical_variance", lambda v: 1.005 * v, "integrals"),
    ("growth", lambda v: v[:, ::-1], "growth"),
    ("growth", lambda v: 1.2 * v, "critical"),
    ("distance", lambda v: np.minimum(1.2 * v, 1), "correlation"),
    ("distance", np.sqrt, "depth-scale"),
    ("accuracy", lambda v: 0.3 * v, "trainable"),
    ("accuracy", lambda v: np.maximum(v, 0.7), "untrainable"),
  )
  def test_wrong_measurements_are_noticed(self, name, wrong, key):
    wrong = {name: wrong(getattr(self.results(), name))}
    self.assertIn(key, self.failed(**wrong))

  @parameterized.parameters("q", "c", "chi_1", "xi_c")
  def test_wrong_integrals_are_noticed(self, name):
    theory = self.results().theory
    values = getattr(theory, name)
    wrong = np.where(values == 1, 1, 1.005 * values)  # c* = 1 says the phase.
    theory = theory._replace(**{name: wrong})
    self.assertEqual(self.failed(theory=theory), ["integrals"])

  def test_propagation_is_that_of_a_loop(self):
    # The first network of the study, by its own draws, through two layers.
    results, key = self.results(), jax.random.split(jax.random.key(0))[0]
    key = jax.random.split(key, 16)[0]
    draws = [
      np.asarray(jax.random.normal(key, (rows, columns)), float)
      for key, rows, columns in zip(
        jax.random.split(key, 31), (24, 100, 100), (100, 101, 101), strict=False
      )
    ]
    for s in (0, 1):
      sigma_w, sigma_b = results.theory.sigma_w[s], results.theory.sigma_b[s]
      c = 1 - results.distance[0, s, 0, 0]
      values, vectors = np.linalg.eigh(c + (1 - c) * np.eye(12))
      root = vectors * np.sqrt(100 * results.theory.q[s] * values) @ vectors.T
      inputs = root @ np.linalg.qr(draws[0][:12].T)[0].T
      tangents = draws[0][12:]
      for i, draw in enumerate(draws[1:]):
        w, b = sigma_w * draw[:, :-1] / 10, sigma_b * draw[:, -1]
        pairs = list(zip(inputs, tangents, strict=True))
        inputs = np.array([w @ np.tanh(x) + b for x in inputs])
        tangents = [w @ ((1 - np.tanh(x) ** 2) * u) for x, u in pairs]
        growth = [
          v @ v / (u @ u) for v, (_, u) in zip(tangents, pairs, strict=True)
        ]
        cosines = inputs @ inputs.T
        norms = np.sqrt(np.diag(cosines))
        cosines /= np.outer(norms, norms)
        for found, expected in (
          (results.q[0, s, i], np.mean(inputs**2)),
          (results.growth[0, s, i], np.mean(growth)),
          (results.distance[0, s, i + 1, 0], 12 / 11 * np.mean(1 - cosines)),
        ):
          np.testing.assert_allclose(found, expected, rtol=1e-3)

  def test_trained_networks_start_as_the_theory_assumes(self):
    init = jax.jit(lambda key: training.init(key, 1.5, 0.2, (64, 32, 9)))
    params = jax.tree.map(np.asarray, init(jax.random.key(0)))
    first, hidden, last = (params[k] for k in ("first", "hidden", "last"))
    for layer, sigma_w, fan_in in (
      (first, 1.5, 64),
      (hidden, 1.5, 32),
      (last, 1.0, 32),
    ):
      self.assertEqual(layer["w"].shape[-1], fan_in)
      for values, sigma in (
        (layer["w"] * fan_in**0.5, sigma_w),
        (layer["b"], 0.2),
      ):
        squares = values.ravel() ** 2 / sigma**2
        error = (2 / squares.size) ** 0.5
        self.assertLess(abs(squares.mean() - 1), 4 * error)
    # Layers beyond the depth do nothing.
    x, logits = (
      np.linspace(-1, 1, 64, dtype=np.float32),
      jax.jit(training.logits),
    )
    for depth in (1, 4, 9):
      h = np.tanh(first["w"] @ x + first["b"])
      for w, b in zip(hidden["w"][: depth - 1], hidden["b"], strict=False):
        h = np.tanh(w @ h + b)
      found = logits(params, x, depth)
      np.testing.assert_allclose(found, last["w"] @ h + last["b"], rtol=1e-4)


if __name__ == "__main__":
  absltest.main()
