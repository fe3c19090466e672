"""The family's programs are what they are called."""

import jax
from absl.testing import absltest, parameterized

import nnfun as nf
from benchmarks import family, measure, problems, programs, targets


class FamilyTest(parameterized.TestCase):
  @parameterized.parameters(
    ("vanilla", 1, {family.SNAP_1, family.KF, family.PES, family.SKETCHED}),
    ("vanilla", 2, {family.SNAP_1, family.KF, family.EPROP, family.RFLO}),
    ("sparse", 1, {family.SNAP_1, family.SNAP_2, programs.LAZY, family.UORO}),
  )
  def test_names(self, cell, batch_size, expected):
    problem = problems.problem(cell, 6, batch_size, 3)
    found = {program.name for program in family.family(problem)}
    self.assertLessEqual({*expected, programs.BPTT}, found)
    self.assertEqual(family.SNAP_2 in found, cell == "sparse")

  def test_rows_are_timed_and_compared(self):
    problem = problems.problem("sparse", 6, 1, 4)
    rows = measure.measure(problem, family.REGIME, 1)
    self.assertTrue(all(row.microseconds for row in rows), rows)
    exact = {row.program for row in rows if row.gradient_error is not None}
    self.assertEqual(exact, {programs.BPTT, programs.LAZY})
    names = {finding.name for finding in targets.findings(rows)}
    self.assertLessEqual({"lazy / SnAp-2", "SnAp-1 / BPTT"}, names)

  def test_snap_is_given_as_it_is_called(self):
    problem = problems.problem("sparse", 6, 1, 5)
    made = {program.name: program for program in family.family(problem)}
    for name, order in ((family.SNAP_1, 1), (family.SNAP_2, 2)):
      estimate = nf.training.episode_gradient(
        nf.estimators.snap(problem.cell, problems.loss_fn, order=order),
        problem.params,
        jax.random.key(0),
        problem.xs,
        problem.ys,
        segment=1,
      )
      found = made[name].gradient(5)
      error = measure.relative_error(found["cell"], estimate.grads["cell"])
      self.assertLess(error, 1e-5)

  def test_as_many_forward_passes_as_particles(self):
    problem = problems.problem("vanilla", 3, 1, 4)
    made = {program.name: program for program in family.family(problem)}
    self.assertEqual(family.FORWARD, f"{2 * family.NUM_PAIRS} forward passes")
    losses = made[family.FORWARD].start(4).run()
    self.assertEqual(losses.shape, (2 * family.NUM_PAIRS,))
    state = jax.eval_shape(
      nf.estimators.pes(
        problem.cell, problems.loss_fn, num_pairs=family.NUM_PAIRS, sigma=0.01
      ).init,
      problem.params,
      jax.random.key(0),
    )
    shapes = {leaf.shape[:1] for leaf in jax.tree.leaves(state)}
    self.assertIn((family.NUM_PAIRS,), shapes)


if __name__ == "__main__":
  absltest.main()
