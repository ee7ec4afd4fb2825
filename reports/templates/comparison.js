"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const field = (id) => document.getElementById(id);
  const [form, arm, kind, from, search, changed] = ["filters", "arm", "kind", "from", "search", "changed"].map(field);
  const [list, count, more] = ["list", "count", "more"].map(field);
  const STEP = 20;
  let found = [];
  let shown = 0;

  // Everything that a model wrote enters the page as text, never as markup.
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const matches = (sample) => {
    const kinds = sample.rows.map((row) => row.kind);
    if (search.value && !sample.id.toLowerCase().includes(search.value.trim().toLowerCase())) return false;
    if (changed.checked && new Set(kinds).size === 1) return false;
    if (from.value && kinds[0] !== from.value) return false;
    if (!kind.value) return true;
    return arm.value === "" ? kinds.includes(kind.value) : kinds[Number(arm.value)] === kind.value;
  };

  const facts = (row) => {
    const scores = Object.entries(row.scores).map(([name, value]) => `${name} ${value}`);
    const said = [`${row.tokens} tokens`, `finished by ${row.finish}`, ...row.flags, ...scores];
    return (row.verdict ? [row.verdict, ...said] : said).join(" · ");
  };

  const answer = (row, at) => {
    const box = element("div", `answer k-${row.kind}`);
    const head = element("h4");
    head.append(element("span", "mark", `[${at + 1}]`), element("span", "", data.arms[at]), element("span", "badge", row.kind));
    box.append(head, element("p", "", row.kind === "ok" && !row.flags.includes("repaired") ? facts(row) : `${row.detail} — ${facts(row)}`));
    if (row.same) {
      box.append(element("p", "cut", "the same text as the baseline's"));
      return box;
    }
    const text = element("pre");
    for (const [mark, part] of row.pieces) {
      if (mark === "") text.append(part);
      else text.append(element(mark === "cut" ? "span" : "mark", mark, part));
    }
    box.append(text);
    return box;
  };

  const card = (sample) => {
    const box = element("article", "sample");
    box.append(element("h3", "", `${sample.id} (seed ${sample.seed})`));
    const answers = element("div", "answers");
    sample.rows.forEach((row, at) => {
      if (arm.value === "" || at === 0 || at === Number(arm.value)) answers.append(answer(row, at));
    });
    const prompt = element("details");
    prompt.append(element("summary", "", "Prompt"), element("pre", "", sample.prompt));
    box.append(answers, prompt);
    return box;
  };

  const showMore = () => {
    list.append(...found.slice(shown, shown + STEP).map(card));
    shown = Math.min(found.length, shown + STEP);
    more.hidden = shown >= found.length;
    count.textContent = `${found.length} of ${data.samples.length} match`;
  };

  const apply = () => {
    found = data.samples.filter(matches);
    shown = 0;
    list.replaceChildren();
    showMore();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  more.addEventListener("click", showMore);
  for (const button of document.querySelectorAll("button[data-from]")) {
    button.addEventListener("click", () => {
      arm.value = button.dataset.arm;
      kind.value = button.dataset.to;
      from.value = button.dataset.from;
      search.value = "";
      changed.checked = false;
      apply();
      field("samples").scrollIntoView();
      field("samples").focus({ preventScroll: true });
    });
  }
  apply();
})();
