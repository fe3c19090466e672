"""Keeps in docs/results what the site shows of a finished `make report`.

`python -m docs.publish` reads the run folders of the quick sizes and writes
claims.json, studies.json (what each study was made on), a figure for each and
alignment.json. No file there is written by hand.
"""

import argparse
import json
import pathlib

import numpy as np

from docs import figures, findings
from experiments import errors, records, runs
from experiments import study as study_lib
from experiments.rtrl_vs_tbptt import alignment
from experiments.rtrl_vs_tbptt.alignment import readings


def main() -> None:
  """Does what the command line asks."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
  parser.add_argument(
    "--runs_dir", default="runs", help="where run folders are"
  )
  with errors.one_sentence():
    publish(parser.parse_args().runs_dir, findings.FOLDER)


def publish(runs_dir: str, folder: pathlib.Path) -> None:
  """Writes everything anew.

  Args:
    runs_dir: Where run folders are.
    folder: Where to; files of studies that are no more are removed.

  Raises:
    ValueError: if a study's run is missing or stale.
  """
  studies = findings.studies().values()
  stale = [
    study.name
    for study in studies
    if not runs.is_up_to_date(study, study.Config(), runs_dir)
  ]
  if stale:
    raise ValueError(
      "expected finished runs by the present code, got none of "
      f"{', '.join(stale)}: run `make report` first"
    )
  compared = _alignment(runs_dir)  # Runs, so before any file is changed.
  for figure in folder.rglob("*.svg"):
    figure.unlink()
  made_on, claims = {}, []
  for study in studies:
    of_run = study_lib.folder_of(study, study.Config(), runs_dir)
    made_on[study.name] = _made_on(of_run)
    claims += json.loads((of_run / "claims.json").read_text())
    path = folder / f"{study.name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = (of_run / "figure.svg").read_text()
    records.write(path, figures.small(figure, study.caption))
  records.write_json(folder / "claims.json", claims)
  records.write_json(folder / "studies.json", made_on)
  records.write_json(folder / "alignment.json", compared)


def _made_on(folder):
  """What a reader wants to know of a run, without the name of a machine."""
  env = json.loads((folder / "env.json").read_text())
  seconds = json.loads((folder / "RUN").read_text())["seconds"]
  return {
    "sizes": folder.name,
    "seconds": round(seconds, 1),
    "python": env["python"],
    "versions": {k: v for k, v in env["versions"].items() if v},
    "device": f"{env['num_devices']} x {env['platform']} ({env['device']})",
    "cpus": env["num_cpus"],
    "seed": env["seed"],
    "commit": env["commit"],
    "modified": env["modified"],
    "started": env["started"],
  }


def _alignment(runs_dir):
  """Errors of every estimator, means over networks, brought up to date."""
  study = alignment.STUDY
  config = study.full  # Every estimator.
  outcome = runs.bring_up_to_date(study, config, runs_dir)
  results = records.load_arrays(outcome.folder, study.Results)
  rows = []
  for row, name in enumerate(results.estimator):
    errors_of_row = {
      quantity: _rounded(getattr(results.errors, quantity)[:, row].mean(axis=0))
      for quantity in ("cosine_of_one", "deviation", "standard_error")
    }
    bias = np.maximum(readings.own_bias(results, row).mean(axis=0), 0) ** 0.5
    rows.append(
      {
        "estimator": str(name),
        "task": str(results.task[row]),
        "cell": str(results.cell[row]),
        "is_random": bool(results.is_random[row]),
        "bias": _rounded(bias),
      }
      | errors_of_row
    )
  return {
    "made_on": _made_on(outcome.folder),
    "num_networks": len(results.losses),
    "num_keys": int(results.num_keys),
    "num_units": config.num_units,
    "num_steps": config.num_steps,
    "updates": [int(n) for n in results.checkpoints],
    "rows": rows,
  }


def _rounded(values):
  return [float(f"{value:.3g}") for value in np.asarray(values, float)]


if __name__ == "__main__":
  main()
