// Sorts a table by the column whose head is clicked; without it the page reads the same.
document.documentElement.classList.add("js");
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text !== "" && !isNaN(text) ? Number(text) : text;
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return typeof a === "number" ? b - a : a.localeCompare(b);
    return typeof a === "number" ? -1 : 1;
  };
  for (const head of table.querySelectorAll("thead th:not([colspan])")) {
    head.tabIndex = 0;
    const sort = () => {
      const column = Number(head.dataset.col ?? head.cellIndex);
      const turn = head.getAttribute("aria-sort") ? -1 : 1;
      const rows = [...body.rows].sort((a, b) => turn * compare(key(a, column), key(b, column)));
      body.append(...rows);
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      if (turn > 0) head.setAttribute("aria-sort", "other");
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  }
}
