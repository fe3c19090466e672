"""Copies by an eLSTM: the patterns, training against a plain loop, claims."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments.rtrl_vs_tbptt import elstm_copy
from experiments.rtrl_vs_tbptt.elstm_copy import claims, readings, run
from tests.experiments import study_case

_SMALL = run.Config(
  max_length=2,
  num_units=4,
  windows=(1, 2),
  num_between=15,
  learning_rate=0.1,
  clip=0.5,
  num_seeds=2,
)


class SequencesTest(absltest.TestCase):
  def test_they_are_those_of_the_copy_task(self):
    found = run.sequences(3)
    self.assertLen(found.x, 2 + 4 + 8)
    self.assertLen(np.unique(found.x, axis=0), 14)
    rows = {x.tobytes(): i for i, x in enumerate(found.x)}
    seen = set()
    for length in (1, 2, 3):
      task = nf.tasks.copy(num_symbols=2, max_length=3, length=length)
      keys = jax.random.split(jax.random.key(0), 99)
      x, (value, weight) = jax.vmap(task.sample)(keys)
      for x_i, value_i, weight_i in zip(x, value, weight, strict=True):
        row = rows[np.asarray(x_i).tobytes()]
        seen.add(row)
        self.assertEqual(found.length[row], length)
        np.testing.assert_array_equal(found.y.weight[row], weight_i)
        said = np.where(weight_i, value_i, 0)
        np.testing.assert_array_equal(found.y.value[row], said)
    self.assertLen(seen, 14)

  def test_lengths_are_drawn_evenly(self):
    drawn = run.draw(run.Config(max_length=4, num_seeds=20)).ravel()
    lengths = run.sequences(4).length[drawn]
    shares = np.bincount(lengths, minlength=5)[1:] / lengths.size
    np.testing.assert_allclose(shares, 0.25, atol=0.01)  # 8 standard errors.
    patterns = np.bincount(drawn, minlength=30)[14:] / lengths.size
    np.testing.assert_allclose(patterns, 0.25 / 16, atol=0.003)

  def test_segments_have_to_be_shorter_than_the_gap(self):
    for windows, length in (((1, 8), 4), ((3,), 4)):
      with self.assertRaisesRegex(ValueError, "to divide 2 max_length"):
        run.Config(windows=windows, max_length=length)


class _Network:
  """An eLSTM with the influence of its units' parameters, in NumPy."""

  def __init__(self, start, seed):
    tree = jax.tree.map(lambda leaf: np.asarray(leaf[seed], float), start)
    self.p = tree["cell"]["units"] | tree["readout"]
    self.p["output"] = tree["cell"]["output"]
    self.begin()

  def begin(self):
    self.c = np.zeros_like(self.p["w_f"])
    self.influence = {k: 0 * self.p[k] for k in ("f", "z", "w_f", "w_z")}

  def step(self, x):
    p, c, u = self.p, self.c, np.append(x, 1)
    f = special.expit(p["f"] @ u + p["w_f"] * c)
    z = np.tanh(p["z"] @ u + p["w_z"] * c)
    by_f, by_z = f * (1 - f) * (c - z), (1 - f) * (1 - z**2)
    factor = f + by_f * p["w_f"] + by_z * p["w_z"]
    immediate = {
      "f": np.outer(by_f, u),
      "z": np.outer(by_z, u),
      "w_f": by_f * c,
      "w_z": by_z * c,
    }
    for k, new in immediate.items():
      self.influence[k] = (factor * self.influence[k].T).T + new
    self.c = f * c + (1 - f) * z
    self.seen = np.concatenate([self.c, u])
    self.o = special.expit(p["output"] @ self.seen)
    self.h = self.o * self.c
    return p["weights"] @ self.h + p["bias"]

  def gradient(self, logits, value):
    delta = special.softmax(logits) - np.eye(2)[value]
    by_h = delta @ self.p["weights"]
    by_gate = by_h * self.c * self.o * (1 - self.o)
    by_c = by_h * self.o + by_gate @ self.p["output"][:, : self.c.size]
    grads = {k: (by_c * e.T).T for k, e in self.influence.items()}
    grads |= {"weights": np.outer(delta, self.h), "bias": delta}
    return grads | {"output": np.outer(by_gate, self.seen)}


def _course(config, seed, segment, cut):
  """Shares after every test; `cut` forgets the influence at each segment."""
  x, (value, weight), length = run.sequences(config.max_length)
  net = _Network(run.start(config), seed)
  first, second = ({k: 0 * v for k, v in net.p.items()} for _ in range(2))
  num_updates = 20 * config.num_between * 2 * config.max_length // segment
  update, course = 0, []
  for shown in run.draw(config)[seed]:
    for row in shown:
      net.begin()
      for t, x_t in enumerate(x[row]):
        if t % segment == 0:
          total = {k: 0 * v for k, v in net.p.items()}
          net.influence = {
            k: e * (0 if cut else 1) for k, e in net.influence.items()
          }
        logits = net.step(x_t)
        if weight[row, t]:
          for k, g in net.gradient(logits, value[row, t]).items():
            total[k] = total[k] + g / segment
        if (t + 1) % segment:
          continue
        norm = np.sqrt(sum((g**2).sum() for g in total.values()))
        rate = config.learning_rate * (1 - 0.9 * update / num_updates)
        update += 1
        for k, g in total.items():
          g = g / max(1.0, norm / config.clip)
          first[k] = 0.9 * first[k] + 0.1 * g
          second[k] = 0.999 * second[k] + 0.001 * g**2
          size = np.sqrt(second[k] / (1 - 0.999**update)) + 1e-8
          net.p[k] = net.p[k] - rate * first[k] / (1 - 0.9**update) / size
    right = np.zeros(config.max_length)
    for i, n in enumerate(length):
      net.begin()
      said = np.array([net.step(x_t).argmax() for x_t in x[i]])
      right[n - 1] += np.all(said[n : 2 * n] == value[i, n : 2 * n]) / 2**n
    course.append(right)
  return np.array(course)


class CaseTest(study_case.StudyCase):
  study = elstm_copy.STUDY
  small = _SMALL

  @parameterized.parameters(
    ("RTRL", 1, False), ("BPTT(1, 1)", 1, True), ("BPTT(2, 2)", 2, True)
  )
  def test_training_is_that_of_a_loop(self, name, segment, cut):
    expected = _course(_SMALL, 1, segment, cut)
    self.assertGreater(len(np.unique(expected, axis=0)), 2)
    np.testing.assert_array_equal(self.results().shares[name][1], expected)


def _judged(rtrl=17, bptt1=0, bptt4=0):
  """Verdicts on 17 networks, of which so many make no error at the end."""

  def shares(num_right):
    found = np.full((17, 20, 4), 0.5)
    found[:num_right, -1] = 1.0
    found[num_right:, -1, :3] = 1.0  # A part of the lengths is not all.
    return found

  results = run.Results(
    {
      "RTRL": shares(rtrl),
      "BPTT(1, 1)": shares(bptt1),
      "BPTT(4, 4)": shares(bptt4),
    },
    num_units=np.array(24),
    num_sequences=np.array(6000),
  )
  return {claim.key: claim for claim in claims.claims(results)}


class ClaimsTest(parameterized.TestCase):
  def test_hold_for_what_is_measured(self):
    found = _judged()
    self.assertIsNone(found.pop("published").holds)
    self.assertLen(found, 2)
    for claim in found.values():
      self.assertIs(claim.holds, True)

  @parameterized.parameters(
    ("solved", dict(rtrl=0), False),
    ("solved", dict(rtrl=12), None),
    ("truncated", dict(bptt1=17), False),
    ("truncated", dict(bptt4=17), False),
    ("truncated", dict(bptt4=5), None),
  )
  def test_do_not_hold_for_anything_else(self, key, changes, expected):
    self.assertIs(_judged(**changes)[key].holds, expected)

  def test_all_patterns_at_the_end_are_success(self):
    shares = np.ones((3, 4, 2))
    shares[0, 0], shares[1, -1, 0] = 0.0, 0.5
    np.testing.assert_array_equal(readings.succeeds(shares), [1, 0, 1])


if __name__ == "__main__":
  absltest.main()
