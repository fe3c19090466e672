const controls = ["search", "study", "verdict", "kind"]
  .map((id) => document.getElementById(id));
const table = document.getElementById("claims");
const rows = [...table.tBodies[0].rows];

function filter() {
  const [search, study, verdict, kind] = controls.map((c) => c.value);
  const words = search.toLowerCase().split(/\s+/);
  for (const row of rows) {
    const text = row.dataset.text.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word))
      || (study && row.dataset.study !== study)
      || (verdict && row.dataset.verdict !== verdict)
      || (kind && row.dataset.kind !== kind);
  }
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("count").textContent =
    `${shown} of ${rows.length} shown`;
}

// What is looked for is part of the address, to be passed on.
function remember() {
  const query = new URLSearchParams();
  for (const control of controls) {
    if (control.value) query.set(control.id, control.value);
  }
  const text = query.size ? `?${query}` : location.pathname;
  history.replaceState(null, "", text + location.hash);
}

function recall() {
  const query = new URLSearchParams(location.search);
  for (const control of controls) {
    control.value = query.get(control.id) ?? "";
    if (control.value === "" && control.options) control.selectedIndex = 0;
  }
  filter();
}

for (const control of controls) {
  control.addEventListener("input", () => { filter(); remember(); });
}
addEventListener("popstate", recall);

for (const button of table.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const sign = head.ariaSort === "ascending" ? -1 : 1;
    for (const th of table.tHead.rows[0].cells) th.removeAttribute("aria-sort");
    head.ariaSort = sign === 1 ? "ascending" : "descending";
    const key = (row) => row.cells[head.cellIndex].dataset.value
      ?? row.cells[head.cellIndex].textContent;
    rows.sort((a, b) => sign * key(a).localeCompare(
      key(b), "en", { numeric: true }));
    table.tBodies[0].append(...rows);
  });
}
recall();
