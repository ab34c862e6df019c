// Small charts, drawn as SVG.

/** Points of a line in a box; values from 0 to their largest, oldest on the left. */
export function line(values, width, height) {
  const most = Math.max(...values, 0);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const y = (value) => (most === 0 ? height : height - (value / most) * height);
  return values.map((value, index) => `${(index * step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
}

const space = 'http://www.w3.org/2000/svg';

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A line over time with its newest value beside it. */
export function trend(title, values, write, span) {
  const [width, height] = [240, 48];
  const figure = document.createElement('figure');
  figure.className = 'trend';
  const newest = values.at(-1);
  const caption = document.createElement('figcaption');
  const name = document.createElement('span');
  name.textContent = title;
  const value = document.createElement('b');
  value.textContent = newest === undefined ? '–' : write(newest);
  caption.append(name, value);
  const summary = newest === undefined ? `${title}: no figures yet`
    : `${title}: ${write(newest)} now, at most ${write(Math.max(...values))} in ${span}`;
  const picture = svg('svg', { viewBox: `0 -2 ${width} ${height + 4}`, role: 'img', 'aria-label': summary, preserveAspectRatio: 'none' });
  picture.append(svg('line', { x1: 0, x2: width, y1: height, y2: height, class: 'axis', 'vector-effect': 'non-scaling-stroke' }));
  if (values.length > 1) {
    const points = line(values, width, height);
    picture.append(
      svg('polygon', { points: `0,${height} ${points} ${width},${height}`, class: 'area' }),
      svg('polyline', { points, class: 'line', 'vector-effect': 'non-scaling-stroke' }));
  }
  const foot = document.createElement('small');
  foot.textContent = values.length > 1 ? `${span}, most ${write(Math.max(...values))}` : 'gathering…';
  figure.append(caption, picture, foot);
  return figure;
}
