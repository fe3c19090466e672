"""Writes the page and the list of all claims from finished run folders."""

import datetime
import inspect
import json
import pathlib
import re
import textwrap
from typing import Any, NamedTuple

import jinja2
import markupsafe

from experiments import records
from experiments import study as study_lib


class Section(NamedTuple):
  """What the page says about one study."""

  study: str  # The study's name.
  question: str
  docstring: str  # Of the study's module.
  command: str  # Runs the study again.
  folder: pathlib.Path  # The finished run; not read if there is an error.
  error: str = ""  # The end of the log, if the study crashed.


class Totals(NamedTuple):
  """What came out, over all studies."""

  num_held: int
  num_failed: int
  num_crashed: int


def write_report(
  folder: pathlib.Path,
  sections: list[Section],
  *,
  sizes: str,
  seconds: float,
) -> Totals:
  """Writes index.html and claims.json.

  Args:
    folder: Where to; made if missing.
    sections: The studies in the order of the page.
    sizes: "quick" or "full".
    seconds: How long it took to bring all results up to date.

  Returns:
    The number of claims and crashes.
  """
  studies = [_load(index, section) for index, section in enumerate(sections)]
  claims = [claim for study in studies for claim in study["claims"]]
  totals = Totals(
    num_held=sum(claim["holds"] is True for claim in claims),
    num_failed=sum(claim["holds"] is False for claim in claims),
    num_crashed=sum(bool(section.error) for section in sections),
  )
  page = _template().render(
    studies=studies,
    totals=totals,
    sizes=sizes,
    duration=format_duration(seconds),
    date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
  )
  folder.mkdir(parents=True, exist_ok=True)
  records.write(folder / "index.html", page)
  records.write_json(folder / "claims.json", claims)
  return totals


def format_duration(seconds: float) -> str:
  """Returns a duration as one says it."""
  if seconds < 9.95:
    return f"{seconds:.1f} s"
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours} h {minutes:02d} min"
  return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def inline_svg(svg: str, prefix: str, label: str) -> str:
  """Prepares a figure to stand in a page beside others.

  Args:
    svg: What matplotlib wrote.
    prefix: Put before every id; figures share ids otherwise, and a reference in
      one would find the curve of another.
    label: What the figure shows, for those who cannot see it.

  Returns:
    The svg element, as wide as its surroundings.
  """
  svg = svg[svg.index("<svg") :]
  svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
  # A style element would apply to the whole page; the rule is put on the root.
  svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
  svg = re.sub(r'\bid="', f'id="{prefix}', svg)
  svg = re.sub(r'href="#', f'href="#{prefix}', svg)
  svg = re.sub(r"url\(#", f"url(#{prefix}", svg)
  root, rest = svg.split(">", 1)
  root = re.sub(r'\s(width|height)="[^"]*"', "", root)
  rule = "stroke-linejoin: round; stroke-linecap: butt"
  label = markupsafe.escape(label)
  return f'{root} role="img" aria-label="{label}" style="{rule}">{rest}'


def blocks(docstring: str) -> list[tuple[str, Any]]:
  """Splits a docstring into what to set as text, as a list and as code.

  Args:
    docstring: With or without indentation.

  Returns:
    Pairs of "text" or "code" and the block, or of "list" and its items, which
    start with "- " in the docstring.
  """
  result = []
  for block in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
    if block.startswith((" ", "|", ">>>", "```")):
      result.append(("code", textwrap.dedent(block).strip("\n")))
      continue
    text, *items = re.split(r"^- ", block, flags=re.MULTILINE)
    if text.strip():
      result.append(("text", text.strip("\n")))
    if items:
      result.append(("list", [item.strip("\n") for item in items]))
  return result


def _load(index: int, section: Section) -> dict[str, Any]:
  record = {**section._asdict(), "anchor": f"study-{index}", "claims": []}
  record["blocks"] = [
    block
    for block in blocks(section.docstring)
    if block != ("text", section.question)  # It stands above already.
  ]
  if section.error:
    return record
  read = {
    name: json.loads((section.folder / name).read_text())
    for name in ("config.json", "env.json", "claims.json", "RUN")
  }
  svg = (section.folder / "figure.svg").read_text()
  return record | {
    "claims": read["claims.json"],
    "config": read["config.json"]["config"],
    "environment": _environment(read["env.json"]),
    "seconds": read["RUN"]["seconds"],
    "svg": inline_svg(svg, f"f{index}-", f"Figure of {section.study}"),
  }


def _environment(env: dict[str, Any]) -> dict[str, str]:
  versions = {"python": env["python"], **env["versions"]}
  flags = " ".join(f"{name}={value}" for name, value in env["flags"].items())
  commit = (env["commit"] or "unknown")[:12]
  is_modified = env["commit"] and env["modified"]
  return {
    "versions": ", ".join(f"{k} {v}" for k, v in versions.items() if v),
    "device": f"{env['num_devices']} × {env['platform']} ({env['device']})",
    "host": f"{env['processor']}, {env['num_cpus']} cores",
    "commit": commit + (" with local changes" if is_modified else ""),
    "started": env["started"],
    "started as": env["command"],
    **({"settings": flags} if flags else {}),
  }


def _template() -> jinja2.Template:
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters |= {
    "number": study_lib.format_number,
    "expected": study_lib.format_expected,
    "measured": study_lib.format_measured,
    "verdict": study_lib.verdict,
    "duration": format_duration,
    "code": _code,
  }
  return environment.get_template("page.html.jinja")


def _code(text: str) -> markupsafe.Markup:
  escaped = str(markupsafe.escape(text))
  return markupsafe.Markup(
    re.sub(r"``?([^`]+)``?", r"<code>\1</code>", escaped)
  )
