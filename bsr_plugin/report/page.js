'use strict';

// Tables: a click on a head sorts by its column, a second click the other way round. Cells carry their value in
// data-value where their text is more than a number; empty cells stay last.
for (const button of document.querySelectorAll('th button')) {
  button.addEventListener('click', () => {
    const head = button.closest('th');
    const body = head.closest('table').tBodies[0];
    const column = head.cellIndex;
    const ascending = head.getAttribute('aria-sort') === 'descending'
      || (head.getAttribute('aria-sort') !== 'ascending' && head.dataset.first !== 'descending');
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === '' || y === '') return (x === '') - (y === '');
      const numbers = !Number.isNaN(Number(x)) && !Number.isNaN(Number(y));
      const sign = numbers ? Number(x) - Number(y) : x.localeCompare(y, undefined, { numeric: true });
      return ascending ? sign : -sign;
    };
    for (const other of head.parentElement.cells) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    body.append(...[...body.rows].sort(order));
  });
}

// Comparisons: two versions of a picture lie on each other, and a handle says how much of the left one is seen.
for (const figure of document.querySelectorAll('.compare')) {
  const stage = figure.querySelector('.stage');
  const [left, right] = figure.querySelectorAll('select');
  const images = [...stage.querySelectorAll('img')];

  const show = () => {
    images.forEach((image, number) => {
      const isLeft = number === left.selectedIndex;
      image.classList.toggle('left', isLeft && left.selectedIndex !== right.selectedIndex);
      image.hidden = !isLeft && number !== right.selectedIndex;
    });
    stage.querySelector('.tag.left').textContent = left.value;
    stage.querySelector('.tag.right').textContent = right.value;
  };

  const split = (percent) => {
    const share = Math.min(100, Math.max(0, percent));
    stage.style.setProperty('--split', `${share}%`);
    stage.setAttribute('aria-valuenow', Math.round(share));
  };

  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    split((100 * (event.clientX - box.left)) / box.width);
  };

  stage.addEventListener('pointerdown', (event) => {
    // A finger beside the handle scrolls.
    if (event.pointerType !== 'mouse' && !event.target.closest('.handle')) return;
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
    stage.addEventListener('pointermove', follow);
    const end = () => stage.removeEventListener('pointermove', follow);
    stage.addEventListener('pointerup', end, { once: true });
    stage.addEventListener('pointercancel', end, { once: true });
  });

  stage.addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    split(Number(stage.getAttribute('aria-valuenow')) + steps[event.key]);
  });

  const zooms = [...figure.querySelectorAll('.zoom button')];
  for (const button of zooms) {
    button.addEventListener('click', () => {
      const factor = Number(button.dataset.zoom);
      stage.style.width = factor ? `${factor * images[0].naturalWidth}px` : '';
      for (const other of zooms) other.setAttribute('aria-pressed', other === button);
    });
  }

  left.addEventListener('change', show);
  right.addEventListener('change', show);
  show();
}
