// Word by word: what a text has that another has not, and what it lacks. Spaces are not compared.
const WORD = /[\p{L}\p{N}_.+-]+|[^\p{L}\p{N}_.+\s-]/gu;
// A repair takes and gives whole objects of a list, so they are words there.
const OBJECT = new RegExp(`\\{[^{}]*\\}|${WORD.source}`, "gu");
const CELLS = 4e6; // Of the table of the longest common sequence; beyond it, one stretch between common ends.

// {added: [{start, end}] of `after`, gone: [{at, text}]}, in order.
const wordDiff = (before, after, word = WORD) => {
  const read = (text) => [...text.matchAll(word)].map((found) => ({ 0: found[0], index: found.index, word: found[0].replace(/\s+/g, "") }));
  const [old, now] = [read(before), read(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head].word === now[head].word) head += 1;
  let tail = 0;
  const most = Math.min(old.length, now.length) - head;
  while (tail < most && old[old.length - 1 - tail].word === now[now.length - 1 - tail].word) tail += 1;
  const a = old.slice(head, old.length - tail);
  const b = now.slice(head, now.length - tail);
  const kept = a.length * b.length > CELLS ? [] : common(a.map((one) => one.word), b.map((one) => one.word));
  const added = [];
  const gone = [];
  let [i, j] = [0, 0];
  for (const [p, q] of [...kept, [a.length, b.length]]) {
    const place = j < b.length ? b[j].index : head + b.length < now.length ? now[head + b.length].index : after.length;
    if (i < p) gone.push({ at: place, text: before.slice(a[i].index, a[p - 1].index + a[p - 1][0].length) });
    if (j < q) added.push({ start: b[j].index, end: b[q - 1].index + b[q - 1][0].length });
    [i, j] = [p + 1, q + 1];
  }
  return { added, gone };
};

// Pairs of places of a longest common sequence.
const common = (a, b) => {
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
  const pairs = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return pairs;
};
