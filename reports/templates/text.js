// Text that somebody else wrote: what hides or turns text around is shown as an escape, and spans count code points.
const HIDDEN = /[\p{C}\p{Z}]/gu;
const ESCAPES = { "\t": "\\t", "\r": "\\r" };

const escaped = (sign) => {
  const code = sign.codePointAt(0);
  const [letter, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
  return ESCAPES[sign] || `\\${letter}${code.toString(16).padStart(digits, "0")}`;
};

const visible = (text) => text.replace(HIDDEN, (sign) => (sign === " " || sign === "\n" ? sign : escaped(sign)));

// Everything enters the page as text, never as markup.
const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = visible(text);
  return made;
};

// Where the nth code point of a text stands in JavaScript's units.
const unit = (text, point) => {
  if (!/[\ud800-\udbff]/.test(text)) return Math.min(point, text.length);
  let at = 0;
  for (let n = 0; n < point && at < text.length; n += 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
};
