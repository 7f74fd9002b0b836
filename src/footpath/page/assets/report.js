/* The page around the charts: the switch of light and dark, and what paper needs. */
(function () {
  "use strict";
  const button = document.getElementById("theme");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      document.documentElement.dataset.theme = window.footpath.isDark() ? "light" : "dark";
      window.footpath.all();
    });
  }
  let opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach((d) => (d.open = true));
    window.footpath.paper(true);
  });
  window.addEventListener("afterprint", function () {
    opened.forEach((d) => (d.open = false));
    window.footpath.paper(false);
  });
})();
