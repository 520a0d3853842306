"use strict";
// Filters the rows of the table and what stands below for each. All of it is there without this script.
(() => {
  const form = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const text = form.querySelector("input[type=search]");
  const captures = [...document.querySelectorAll(".capture")];
  const entries = [...document.querySelectorAll("tr[data-kinds]")].map((row) => {
    const card = document.getElementById(row.dataset.card);
    const words = `${row.textContent} ${card.textContent}`.toLowerCase();
    return { row, card, words, kinds: row.dataset.kinds.split(" ") };
  });

  const filter = () => {
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const { row, card, words, kinds: own } of entries) {
      const fits = own.some((kind) => kinds.has(kind)) && wanted.every((word) => words.includes(word));
      row.hidden = card.hidden = !fits;
      count += fits;
    }
    for (const capture of captures) {
      capture.hidden = !capture.querySelector("[id^=entry-]:not([hidden])");
    }
    const all = count === entries.length;
    shown.hidden = all;
    shown.textContent = all ? "" : `Filtered: ${count} of ${entries.length} shown.`;
    return all;
  };

  // The filter stands in the address, so that it can be handed on: #only=invalid,orphaned&find=install.wim
  const remember = () => {
    const all = filter();
    const parts = new URLSearchParams();
    if (boxes.some((box) => !box.checked)) {
      parts.set("only", boxes.filter((box) => box.checked).map((box) => box.value).join(","));
    }
    if (text.value) {
      parts.set("find", text.value);
    }
    history.replaceState(null, "", all ? location.pathname + location.search : `#${parts}`);
  };
  const recall = () => {
    const parts = new URLSearchParams(location.hash.slice(1));
    if (!parts.has("only") && !parts.has("find")) {
      return;
    }
    const only = parts.get("only");
    for (const box of boxes) {
      box.checked = only === null || only.split(",").includes(box.value);
    }
    text.value = parts.get("find") ?? "";
    filter();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", remember);
  window.addEventListener("hashchange", recall);
  form.hidden = false;
  recall();
})();
