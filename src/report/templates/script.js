"use strict";
// Choosing a variant hides the others; without this script everything is shown.
const filter = document.querySelector(".filter");
if (filter) {
  filter.hidden = false;
  const choose = filter.querySelector("select");
  const apply = () => {
    for (const part of document.querySelectorAll("[data-variant]")) {
      part.hidden = choose.value !== "" && part.dataset.variant !== choose.value;
    }
    for (const note of document.querySelectorAll("[data-empty]")) {
      const parts = [...note.parentElement.querySelectorAll("[data-variant]")];
      note.hidden = parts.some((part) => !part.hidden);
    }
  };
  choose.addEventListener("change", apply);
  apply();
}
// What is folded on the screen is open on paper.
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
