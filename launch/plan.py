"""What a sweep runs: settings, and which of them share a program."""

import dataclasses
import difflib
import functools
import importlib
import importlib.util
import itertools
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from absl import flags

from experiments import cli, fingerprints, records, registry
from experiments import study as study_lib
from experiments import trial as trial_lib

_FILE = "plan.json"


class Subject(NamedTuple):
  """What is repeated with other settings: trials of a study, or all of it."""

  study: study_lib.Study
  trial: trial_lib.Trial | None  # None where the study has none.

  @property
  def config(self) -> Any:
    """The settings that are not changed."""
    return (self.trial or self.study).Config()


class Job(NamedTuple):
  """Runs that are one process, and one program."""

  name: str  # A digest of the settings; its folder.
  configs: list[Any]  # The settings of each run [N].


class Plan(NamedTuple):
  """All jobs of a sweep."""

  study: str  # "rtrl_vs_tbptt/delayed_addition".
  fields: list[str]  # Those with several values, without the seed.
  jobs: list[Job]

  @property
  def name(self) -> str:
    """A digest of everything that is run."""
    return _digest([self.study, [job.name for job in self.jobs]])

  @property
  def num_runs(self) -> int:
    """How many settings there are, seeds counted."""
    return sum(len(job.configs) for job in self.jobs)


def subject(study: str) -> Subject:
  """Returns a study and its trial.

  Args:
    study: its name, "<question>/<study>".

  Raises:
    ValueError: if there is none, with the nearest name.
  """
  package = registry.find(study)
  trial = None
  if importlib.util.find_spec(f"{package}.trial") is not None:
    trial = importlib.import_module(f"{package}.trial").TRIAL
  return Subject(importlib.import_module(package).STUDY, trial)


def make(
  study: str, grid: str, *, num_seeds: int = 1, runs_per_job: int = 0
) -> Plan:
  """Returns the plan of a sweep.

  Runs that differ in what their trial traces share a job. Without a trial each
  run is a job, the whole study with these settings.

  Args:
    study: the study's name.
    grid: "learning_rate=1e-3,1e-2;num_units=32,64": every value of a field with
      every one of the others. A value with commas is a tuple, in parentheses,
      of numbers or of strings in quotes: "windows=(2,4),(2,8)".
    num_seeds: runs of each setting, with the seeds from the default's on.
    runs_per_job: at most so many runs share a program; 0 for no bound.

  Raises:
    ValueError: if there is no such study, or the settings are unfit.
    flags.Error: if the grid cannot be read.
  """
  repeated = subject(study)
  default = repeated.config
  if num_seeds < 1 or runs_per_job < 0:
    raise ValueError(
      "expected at least one seed and runs_per_job >= 0, got "
      f"{num_seeds} and {runs_per_job}"
    )
  if not hasattr(default, "seed"):
    raise ValueError(f"expected a study with a seed, got {study}")
  values = _parse_grid(grid, [f.name for f in dataclasses.fields(default)])
  configs = [
    _config(default, {**setting, "seed": default.seed + i})
    for chosen in itertools.product(*values.values())
    for setting in [dict(zip(values, chosen, strict=True))]
    for i in range(num_seeds)
  ]
  if len(set(configs)) < len(configs):
    raise ValueError(f"expected settings that are all different, got {grid!r}")
  groups = _grouped(repeated.trial, configs, runs_per_job)
  jobs = [Job(_digest([study, *map(_as_json, g)]), g) for g in groups]
  varied = [name for name, given in values.items() if len(given) > 1]
  return Plan(repeated.study.name, varied, jobs)


def identity(plan: Plan, job: Job) -> dict[str, Any]:
  """Returns what decides a job's result: settings, code, versions."""
  study, trial = subject(plan.study)
  if trial is None:
    (config,) = job.configs
    whole = fingerprints.identity(study, config)
    return whole | {"judging": fingerprints.judging(study)}
  record = {
    "study": plan.study,
    "runs": [_as_json(config) for config in job.configs],
    "source": _source_of(study.name),
    "versions": {name: records.version(name) for name in records.PACKAGES},
    "settings": fingerprints.settings(),
  }
  return json.loads(records.dump_json(record))


@functools.cache  # A sweep asks for each of its jobs.
def _source_of(study):
  trial = subject(study).trial
  return fingerprints.source_hash(trial.start, trial.work)


def folder_of(sweep: pathlib.Path, job: Job) -> pathlib.Path:
  """Returns where a job works."""
  return sweep / "jobs" / job.name


def write(sweep: pathlib.Path, plan: Plan) -> None:
  """Writes the plan into the sweep's folder."""
  sweep.mkdir(parents=True, exist_ok=True)
  record = plan._asdict() | {
    "jobs": [
      {"name": job.name, "runs": [_as_json(c) for c in job.configs]}
      for job in plan.jobs
    ]
  }
  records.write_json(sweep / _FILE, record)


def read(sweep: pathlib.Path) -> Plan:
  """Reads the plan of a sweep's folder.

  Raises:
    ValueError: if there is none, or it is of another version of the study.
  """
  try:
    record = json.loads((sweep / _FILE).read_text())
  except (OSError, ValueError) as error:
    raise ValueError(f"expected the folder of a sweep, got {sweep}") from error
  Config = type(subject(record["study"]).config)
  names = {field.name for field in dataclasses.fields(Config)}
  jobs = []
  for job in record["jobs"]:
    for settings in job["runs"]:
      if set(settings) != names:
        raise ValueError(
          f"expected a plan with the settings {sorted(names)}, got "
          f"{sorted(settings)} in {sweep}: of another version"
        )
    configs = [
      Config(**{k: _as_tuples(v) for k, v in settings.items()})
      for settings in job["runs"]
    ]
    jobs.append(Job(job["name"], configs))
  return Plan(record["study"], record["fields"], jobs)


def _parse_grid(grid, known):
  """The values of each field, as they would be given to a flag."""
  values = {}
  for part in filter(None, (part.strip() for part in grid.split(";"))):
    name, is_given, text = part.partition("=")
    name = name.strip()
    given = [value.strip() for value in _split(text)]
    if not (name and is_given and all(given)):
      raise flags.Error(f"--grid must be FIELD=VALUE,VALUE;..., got {part!r}.")
    if name not in known:
      near = difflib.get_close_matches(name, known, n=1, cutoff=0)
      raise flags.Error(f"No setting is called {name}; did you mean {near[0]}?")
    if name in values:
      raise flags.Error(f"--grid has {name} twice.")
    if name == "seed":
      raise flags.Error("--grid has no seed: --seeds says how many there are.")
    values[name] = given
  return values


def _split(text):
  """Parts between the commas that stand in no parentheses."""
  parts, depth = [""], 0
  for letter in text:
    depth += (letter in "([") - (letter in ")]")
    if letter == "," and not depth:
      parts.append("")
    else:
      parts[-1] += letter
  return parts


def _config(default, setting):
  argv = ["sweep", *(f"--config.{k}={v}" for k, v in setting.items())]
  return cli.read_config(default, argv, flags.FlagValues(), ())


def _grouped(
  trial: trial_lib.Trial | None, configs: Sequence[Any], runs_per_job: int
) -> Iterable[list[Any]]:
  """Lists of settings that can be one job, in the order of the settings."""
  if trial is None:
    return [[config] for config in configs]
  groups: dict[Any, list[Any]] = {}
  for config in configs:
    groups.setdefault(trial_lib.untraced(trial, config), []).append(config)
  return [
    group[i : i + (runs_per_job or len(group))]
    for group in groups.values()
    for i in range(0, len(group), runs_per_job or len(group))
  ]


def _as_json(config):
  return dataclasses.asdict(config)


def _as_tuples(value):
  if isinstance(value, list):
    return tuple(map(_as_tuples, value))
  return value


def _digest(record):
  return records.digest(records.dump_json(record).encode())[:10]
