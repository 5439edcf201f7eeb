// Tables: sorted by their headings, filtered by text and by class; copying and downloading what a bench orders.
"use strict";
(() => {
  const PRINTED = 40; // rows
  const number = text => parseFloat(text.replaceAll("\u2212", "-").replaceAll(",", ""));

  function sortBy(table, heading) {
    const column = [...heading.parentElement.children].indexOf(heading);
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = heading.dataset.kind === "number";
    const rows = [...table.tBodies[0].rows].map(row => {
      const text = row.cells[column].textContent.trim();
      return {row, text, value: numeric ? number(text) : text};
    });
    const compare = numeric
      ? (a, b) => a.value - b.value
      : (a, b) => a.value.localeCompare(b.value, "en", {numeric: true});
    const known = rows.filter(one => one.text !== "" && !Number.isNaN(one.value)).sort(compare);
    if (down) known.reverse();
    const unknown = rows.filter(one => one.text === "" || Number.isNaN(one.value));
    table.tBodies[0].append(...known.concat(unknown).map(one => one.row));
  }

  function filter(box, table) {
    const words = (box.querySelector("input")?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const choice = box.querySelector("select");
    const column = choice ? Number(choice.dataset.column) : -1;
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      const chosen = !choice?.value || row.cells[column].textContent.trim() === choice.value;
      row.hidden = !(chosen && words.every(word => text.includes(word)));
      shown += !row.hidden;
    }
    box.querySelector("output").textContent = `${shown.toLocaleString("en")} of ${table.tBodies[0].rows.length.toLocaleString("en")} rows`;
  }

  for (const table of document.querySelectorAll("table.sorted")) {
    table.tHead.addEventListener("click", event => {
      if (event.target.closest("button")) sortBy(table, event.target.closest("th"));
    });
  }
  for (const box of document.querySelectorAll(".filter")) {
    const table = document.getElementById(box.dataset.table);
    box.addEventListener("input", () => filter(box, table));
    filter(box, table);
  }

  // A page of paper can't be scrolled: the first rows of what the filter leaves.
  addEventListener("beforeprint", () => {
    for (const table of document.querySelectorAll("table.sorted")) {
      const rows = [...table.tBodies[0].rows].filter(row => !row.hidden);
      rows.forEach((row, place) => row.classList.toggle("unprinted", place >= PRINTED));
      table.dataset.unprinted = rows.length > PRINTED ? `${rows.length - PRINTED} more rows are not printed` : "";
    }
  });

  async function copy(button) {
    const text = button.previousElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not allowed for files in this browser: the old way, from a selection
      getSelection().selectAllChildren(button.previousElementSibling);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  document.addEventListener("click", event => {
    const button = event.target.closest("button.copy, button.download");
    if (button?.classList.contains("copy")) copy(button);
    if (button?.classList.contains("download")) {
      const csv = JSON.parse(document.getElementById(button.dataset.source).textContent);
      window.saveFile(button.dataset.name, csv, "text/csv");
    }
  });
})();

// Hands a text to the browser as a file to keep.
window.saveFile = (name, text, kind) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: `${kind};charset=utf-8`}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};
