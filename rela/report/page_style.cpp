#include "rela/report/page_style.h"

namespace rela {

const char* const kPageStyle = R"css(
* { box-sizing: border-box; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); }
.s3 { --c: var(--s3); } .s4 { --c: var(--s4); } .s5 { --c: var(--s5); }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 48px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; margin-bottom: 20px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; overflow-wrap: anywhere; }
header p { margin: 0; color: var(--soft); flex-basis: 100%; }
h2 { font-size: 17px; margin: 32px 0 12px; letter-spacing: -0.005em; }
.state {
  font-size: 13px; font-weight: 600; padding: 3px 12px; border-radius: 99px; color: var(--tone);
  border: 1px solid color-mix(in srgb, var(--tone) 40%, transparent);
  background: color-mix(in srgb, var(--tone) 11%, transparent);
}
.good { --tone: var(--good); } .busy { --tone: var(--busy); }
.warn { --tone: var(--warn); } .bad { --tone: var(--bad); } .idle { --tone: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(124px, 1fr)); gap: 12px; }
.card, figure, details, .notice {
  background: var(--card); border: 1px solid var(--edge); border-radius: 12px;
}
.card { padding: 13px 16px 14px; min-width: 0; }
.card span { display: block; color: var(--soft); font-size: 13px; }
.card b { display: block; font-size: 23px; font-weight: 650; line-height: 1.3; letter-spacing: -0.015em; overflow-wrap: anywhere; }
.card small { display: block; color: var(--soft); font-size: 13px; min-height: 1.5em; }
.bar { height: 5px; border-radius: 3px; background: var(--grid); margin-top: 7px; overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--s0); }
.notice { padding: 10px 16px; margin-top: 12px; border-left: 4px solid var(--warn); }
.notice ul { margin: 4px 0; padding-left: 20px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 14px; margin-top: 14px; }
figure { margin: 0; padding: 13px 14px 10px; min-width: 0; position: relative; break-inside: avoid; }
figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 16px; padding: 0 4px 6px; }
figcaption b { font-weight: 650; margin-right: auto; }
.key { font-size: 13px; color: var(--soft); white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; background: var(--c); }
.key em { font-style: normal; font-weight: 600; color: var(--text); }
.note { margin: 2px 4px 2px; font-size: 12.5px; line-height: 1.4; color: var(--soft); }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
.cursor { stroke: var(--soft); stroke-width: 1; opacity: 0.6; pointer-events: none; }
.tip {
  position: absolute; pointer-events: none; z-index: 1; padding: 6px 10px; border-radius: 8px;
  background: var(--text); color: var(--card); font-size: 12.5px; line-height: 1.45; white-space: nowrap;
}
details { margin-top: 12px; break-inside: avoid; }
summary { cursor: pointer; padding: 12px 16px; font-weight: 600; }
summary span { color: var(--soft); font-weight: 400; margin-left: 8px; }
.scroll { overflow-x: auto; padding: 0 16px 14px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); vertical-align: top; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
td.key-name, td code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
td.key-name { color: var(--soft); width: 40%; }
footer { margin-top: 28px; color: var(--soft); font-size: 13px; }
@media (max-width: 560px) {
  main { padding: 18px 12px 32px; } h1 { font-size: 21px; } .cards { grid-template-columns: 1fr 1fr; }
  .card b { font-size: 19px; } .chart text { font-size: 16px; } .chart .marker text { font-size: 14px; }
}
@media print {
  :root { --page: #fff; --card: #fff; --text: #000; --soft: #444; }
  body { font-size: 12px; } main { max-width: none; padding: 0; }
  .charts { grid-template-columns: 1fr 1fr; } .card { break-inside: avoid; }
}
)css";

const char* const kPageScript = R"js(
for (const svg of document.querySelectorAll('svg.chart')) {
  const axis = (text) => text.split(' ').map(Number);
  const [x0, x1, left, right] = axis(svg.dataset.x), [y0, y1, bottom, top] = axis(svg.dataset.y);
  const isLog = svg.dataset.log === '1', unit = svg.dataset.unit;
  const toX = (p) => x0 + (p - left) / (right - left) * (x1 - x0);
  const toY = (p) => {
    const t = (p - bottom) / (top - bottom);
    return isLog ? y0 * Math.pow(y1 / y0, t) : y0 + t * (y1 - y0);
  };
  const show = (v) => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString('en') : String(+v.toPrecision(4));
  const lines = [...svg.querySelectorAll('path.line:not(.faint)')].map((path) => ({
    name: path.dataset.name,
    points: [...path.getAttribute('d').matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map((m) => [+m[1], +m[2]]),
  })).filter((line) => line.points.length > 0);
  if (lines.length === 0) continue;
  const tip = document.createElement('div');
  tip.className = 'tip';
  const cursor = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  cursor.setAttribute('class', 'cursor');
  const hide = () => { tip.remove(); cursor.remove(); };
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('pointermove', (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    if (at.x < left - 6 || at.x > right + 6) return hide();
    const near = lines.map((line) => [line.name, line.points.reduce(
        (best, p) => Math.abs(p[0] - at.x) < Math.abs(best[0] - at.x) ? p : best)]);
    const x = near.reduce((best, n) => Math.abs(n[1][0] - at.x) < Math.abs(best - at.x) ? n[1][0] : best, near[0][1][0]);
    cursor.setAttribute('d', `M${x} ${top}V${bottom}`);
    svg.append(cursor);
    tip.textContent = '';
    const rows = [`step ${show(toX(x))}`, ...near.map(([name, p]) => `${name}: ${show(toY(p[1]))}${unit}`)];
    for (const row of rows) tip.append(Object.assign(document.createElement('div'), { textContent: row }));
    svg.parentElement.append(tip);
    const box = svg.parentElement.getBoundingClientRect(), wide = tip.offsetWidth;
    const px = event.clientX - box.left + 14;
    tip.style.left = `${px + wide > box.width ? px - wide - 28 : px}px`;
    tip.style.top = `${event.clientY - box.top - 12}px`;
  });
}
)js";

}  // namespace rela
