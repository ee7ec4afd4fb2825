// What the page holds: a small head, and packed blocks (raw deflate, base64) that are opened when they are wanted.
const head = JSON.parse(document.getElementById("data").textContent);
const packed = [...document.querySelectorAll("script.block")];

const unpack = async (number) => {
  const text = atob(packed[number].textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
};

// Samples by place: {rights, cells} and prompts, as blocks come in; `block` says where a sample's texts are.
const answers = new Map();
const prompts = new Map();
const block = new Map();
head.texts.forEach((places, at) => places.forEach((place) => block.set(place, at)));
const promptBlock = new Map();
head.prompts.forEach((places, at) => places.forEach((place) => promptBlock.set(place, at)));
const opened = new Map();

const open = (number, places, keep) => {
  if (!opened.has(number)) {
    opened.set(number, unpack(number).then((values) => values.forEach((value, at) => keep(places[at], value))));
  }
  return opened.get(number);
};
const openTexts = (at) =>
  open(1 + at, head.texts[at], (place, [rights, cells]) => answers.set(place, { rights, cells: cells.map((cell) => cell && unfold(cells, cell)) }));
const openPrompts = (at) => open(1 + head.texts.length + at, head.prompts[at], (place, prompt) => prompts.set(place, prompt));

// A cell whose text another arm said first holds that arm's place in its stead.
const unfold = (cells, cell) => (typeof cell.t === "number" ? { ...cell, same: cell.t, t: cells[cell.t].t, b: cells[cell.t].b } : cell);

const openAll = () => Promise.all(head.texts.map((_, at) => openTexts(at)));
