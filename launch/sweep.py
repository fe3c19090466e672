r"""Runs a study with many settings, here or on a cluster.

  python -m launch.sweep --study=rtrl_vs_tbptt/delayed_addition \
    --grid='learning_rate=1e-3,3e-3,1e-2;num_units=32,64' --seeds=8

What is a number (seeds, rates, gains) is mapped over within one program and
spread over the devices of its process; what changes a shape or a method is a
process of its own, or with `--engine=slurm` a job of an array. A study without
`trial.py` is run as a whole for each setting.

The folder is named by what is run, so the same command goes on with the same
sweep: what is finished stays, what was stopped goes on from its checkpoint,
what failed is repeated. `launch.status` shows how far it is, `launch.collect`
makes the table, the figure and the page, which is done here too at the end.
"""

import contextlib
import functools
import pathlib
import signal
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from experiments import cli, errors, progress, records
from launch import collect, commands, costs, pool, slurm, states, status, worker
from launch import plan as plan_lib


def main() -> None:
  """Does what the command line asks and exits with the status."""
  study = flags.DEFINE_string("study", None, "<question>/<study>.")
  grid = flags.DEFINE_string("grid", "", "FIELD=VALUE,VALUE;FIELD=...")
  seeds = flags.DEFINE_integer("seeds", 1, "Runs of each setting.", 1, 100_000)
  engine = flags.DEFINE_enum(
    "engine", "local", ["local", "slurm"], "Processes here, or a job array."
  )
  runs_dir = flags.DEFINE_string("runs_dir", "runs", "Where run folders are.")
  runs_per_job = flags.DEFINE_integer(
    "runs_per_job", 0, "At most so many share a program; 0 for no bound.", 0
  )
  dry_run = flags.DEFINE_bool(
    "dry_run", False, "Print the plan; its cost by two pieces of each job."
  )
  processes = flags.DEFINE_integer(
    "processes",
    0,
    "Workers at a time, with --engine=local; 0 for as many as there are cores, "
    "which on a machine with accelerators may be too many.",
    0,
  )
  retries = flags.DEFINE_integer(
    "retries", 3, "How often a worker that was killed starts again.", 0
  )
  asked = _define_slurm_flags()

  def run(argv: Sequence[str]) -> None:
    del argv
    # Children are ended on the way out, also when a job manager ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    logging.set_verbosity(logging.WARNING)  # Not which backends jax lacks.
    with errors.one_sentence():
      if not study.value:
        raise flags.Error("--study must be given; see launch.reproduce --list.")
      plan = plan_lib.make(
        study.value,
        grid.value,
        num_seeds=seeds.value,
        runs_per_job=runs_per_job.value,
      )
      sweep = pathlib.Path(runs_dir.value, "sweeps", plan.study, plan.name)
      if dry_run.value:
        costs.show(sweep, plan)
        sys.exit(0)
      start = functools.partial(
        _run_here, limit=processes.value, retries=retries.value
      )
      if engine.value == "slurm":
        wanted = slurm.Options(**{k: flag.value for k, flag in asked.items()})
        start = functools.partial(_run_on_slurm, options=wanted)
      status_of_all = bring_up_to_date(sweep, plan, start)
    sys.exit(status_of_all)

  parser = commands.parser(__doc__ + _settings_help(), __name__)
  app.run(run, flags_parser=parser)


def _settings_help():
  """What may stand in the grid, if a study is named."""
  named = [a.partition("=")[2] for a in sys.argv if a.startswith("--study=")]
  if not named:
    return "\nWith --study=... this also lists what may stand in --grid.\n"
  with errors.one_sentence():
    default = plan_lib.subject(named[-1]).config
  lines = "\n".join(cli.config_help(default, default))
  return f"\nSettings for --grid:\n{lines.replace('--config.', '')}\n"


def _define_slurm_flags():
  default = slurm.Options()
  meanings = {
    "parallelism": "Jobs at a time.",
    "minutes": "Time of a job; it is then queued again and goes on.",
    "cpus": "Cores of a job.",
    "gpus": "Accelerators of a job.",
  }
  found = {
    name: flags.DEFINE_integer(
      f"slurm_{name}", getattr(default, name), text, int(name != "gpus")
    )
    for name, text in meanings.items()
  }
  partition = default.partition
  text = "To which jobs go; empty for Slurm's default."
  found["partition"] = flags.DEFINE_string("slurm_partition", partition, text)
  return found


def bring_up_to_date(
  sweep: pathlib.Path, plan: plan_lib.Plan, start: Callable[..., None]
) -> int:
  """Runs the jobs of a plan that are not done, and collects.

  Args:
    sweep: The sweep's folder.
    plan: What is run.
    start: (sweep, plan, jobs, bars, total) runs jobs and waits for them.

  Returns:
    The exit status: 1 if a job is not done, else 0.
  """
  plan_lib.write(sweep, plan)
  due = [job for job in plan.jobs if not _is_done(sweep, plan, job)]
  print(
    f"{plan.num_runs} runs in {len(plan.jobs)} jobs, {len(due)} of them to be "
    f"run. Folder: {sweep}",
    flush=True,
  )
  with progress.bars() as bars:
    total = bars.add_task("all jobs", total=len(due) or 1, note="")
    if due:
      start(sweep, plan, due, bars, total)
  missing = [job for job in due if not _is_done(sweep, plan, job)]
  if missing:
    status.show(sweep)
    print(f"{len(missing)} jobs are not done; the same command repeats them.")
  if len(missing) < len(plan.jobs):
    collect.collect(sweep)
  return 1 if missing else 0


def _run_here(sweep, plan, jobs, bars, total, *, limit, retries):
  children = [
    pool.Child(
      job.name,
      "launch.worker",
      [str(sweep), job.name],
      plan_lib.folder_of(sweep, job),
      functools.partial(_settle, sweep, plan, job),
    )
    for job in jobs
  ]
  # Of the plan, not of what is left: as many threads for each in any case.
  limit = min(limit or pool.num_cpus(), len(plan.jobs))
  if plan_lib.subject(plan.study).study.exclusive:
    limit = 1  # It measures time.
  pool.run_all(children, bars=bars, total=total, limit=limit, retries=retries)


def _run_on_slurm(sweep, plan, jobs, bars, total, *, options):
  submissions = slurm.submit(
    [
      (
        job.name,
        plan_lib.folder_of(sweep, job),
        ("launch.worker", str(sweep.absolute()), job.name),
      )
      for job in jobs
    ],
    sweep / "slurm",
    options,
  )
  by_name = {job.name: job for job in jobs}
  try:
    slurm.watch(
      submissions,
      lambda submission: _settle(sweep, plan, by_name[submission.name]),
      bars=bars,
      total=total,
    )
  finally:
    slurm.cancel(submissions)


def _settle(sweep, plan, job, exit_status=0):
  """Says what has become of a job; keeps the word that it could not."""
  state = states.state_of(sweep, plan, job)
  if exit_status and state.word is not states.Word.FAILED:
    how = f"ended with exit status {exit_status}, see log.txt"
    if exit_status < 0:
      how = f"killed by {signal.Signals(-exit_status).name}"
    folder = plan_lib.folder_of(sweep, job)
    with contextlib.suppress(OSError):  # The disk may be what is wrong.
      records.write(folder / worker.ERROR, how)
    state = states.state_of(sweep, plan, job)
  return f"{state.word} {state.note}".strip()


def _is_done(sweep, plan, job):
  return states.state_of(sweep, plan, job).word is states.Word.DONE


if __name__ == "__main__":
  main()
