// Figures: drawn one after the other while the browser is idle, those in sight first. No figure needs the network.
"use strict";
(() => {
  const NARROWEST = 520; // px; a narrower screen scrolls the figure
  const PAPER = 790; // px; the style sheet for print makes it fit a page
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const waiting = new Set(document.querySelectorAll(".plot"));

  function width(place) {
    return Math.max(NARROWEST, place.parentElement.clientWidth);
  }

  function draw(place) {
    waiting.delete(place);
    const {data, layout} = figures[place.dataset.figure];
    const config = {
      displaylogo: false, responsive: false, scrollZoom: false, showTips: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "sendDataToCloud"],
      toImageButtonOptions: {format: "svg", filename: place.id},
    };
    const still = calm ? {transition: {duration: 0}} : {};
    const drawn = {...layout, ...still, width: width(place), dragmode: "zoom", clickmode: "event"};
    return Plotly.newPlot(place, data, drawn, config).then(() => { place.dataset.drawn = "yes"; });
  }

  function next() {
    const inSight = [...waiting].find(place => {
      const box = place.getBoundingClientRect();
      return box.bottom > 0 && box.top < innerHeight;
    });
    const place = inSight ?? [...waiting][0];
    if (place === undefined) { document.documentElement.dataset.figures = "drawn"; return; }
    draw(place).finally(() => setTimeout(next, 0));
  }

  function fit() {
    for (const place of document.querySelectorAll(".plot[data-drawn]")) {
      if (place.layout.width !== width(place)) Plotly.relayout(place, {width: width(place)});
    }
  }

  let later;
  addEventListener("resize", () => { clearTimeout(later); later = setTimeout(fit, 150); });
  addEventListener("beforeprint", () => {
    for (const place of [...waiting]) draw(place);
    for (const place of document.querySelectorAll(".plot[data-drawn]")) Plotly.relayout(place, {width: PAPER});
  });
  addEventListener("afterprint", fit);
  next();
})();
