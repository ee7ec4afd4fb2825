// The list of samples: a page of cards at a time, filtered by the form, by bars, legend and matrix, and by the address.
const PAGE = 10;
const byId = (id) => document.getElementById(id);
const form = byId("filters");
const inputs = Object.fromEntries(FIELDS.map((name) => [name, byId(name)]).filter(([, field]) => field));
const [list, count, pageOf, help] = ["list", "count", "page-of", "help"].map(byId);

const browse = (index) => {
  const filters = Object.assign(makeFilters(index), { index });
  let found = [];
  let page = 0;
  let current = -1;
  let turn = 0;
  let asked = 0;
  // Which of the samples of one id and seed (of several K, say) each is, from 0.
  const seen = new Map();
  const nth = index.ids.map((id, at) => {
    const name = `${index.seeds[at]} ${id}`;
    seen.set(name, (seen.get(name) || 0) + 1);
    return String(seen.get(name) - 1);
  });
  const named = (place) => ({ sample: index.ids[place], seed: String(index.seeds[place]), nth: nth[place] === "0" ? "" : nth[place] });

  const read = () => {
    const state = Object.fromEntries(FIELDS.map((name) => [name, name === "changed" ? false : ""]));
    for (const [name, field] of Object.entries(inputs)) state[name] = field.type === "checkbox" ? field.checked : field.value;
    return state;
  };
  const write = (state) => {
    for (const [name, field] of Object.entries(inputs)) {
      if (field.type === "checkbox") field.checked = Boolean(state[name]);
      else field.value = state[name] === undefined ? "" : state[name];
      // A value that the field does not know is none.
      if (field.value === "" || field.selectedIndex < 0) field.value = "";
    }
  };
  const linkTo = (place) => toHash({ ...read(), ...named(place) });
  const remember = (sample) => {
    const hash = toHash({ ...read(), ...(sample === undefined ? {} : named(sample)) });
    if (hash !== "#samples" || location.hash.startsWith(MARK)) history.replaceState(null, "", hash);
  };

  const draw = async () => {
    const mine = (turn += 1);
    const shown = found.slice(page * PAGE, (page + 1) * PAGE);
    await Promise.all([...new Set(shown.map((place) => block.get(place)))].filter((at) => at !== undefined).map(openTexts));
    if (mine !== turn) return;
    const state = read();
    list.replaceChildren(...shown.map((place) => card(filters, state, place, linkTo)));
    if (!shown.length) list.append(element("p", "empty", "No sample matches these filters. Clear takes them all away (key x)."));
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const here = state.text.trim() && block.size < filters.count ? `; only ${block.size.toLocaleString("en")} have their answers here to search in` : "";
    count.textContent = `${found.length.toLocaleString("en")} of ${filters.count.toLocaleString("en")} match${here}`;
    pageOf.textContent = `${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page + 1 >= pages;
    for (const id of ["jsonl", "csv"]) byId(id).disabled = !found.length;
  };

  const mark = (at, scroll) => {
    current = at;
    [...list.children].forEach((box, number) => box.classList.toggle("current", number === at));
    if (at >= 0 && list.children[at] && scroll) list.children[at].scrollIntoView({ block: "start" });
  };

  // Filter anew, and show the page that has the sample at `place`, or the first one.
  const apply = async (place) => {
    const mine = (asked += 1);
    const state = read();
    if (state.text.trim()) {
      count.textContent = "searching …";
      await openAll();
      if (mine !== asked) return;
    }
    found = filters.find(state);
    const at = place === undefined ? -1 : found.indexOf(place);
    page = Math.max(0, Math.floor(at / PAGE));
    await draw();
    mark(at < 0 ? -1 : at % PAGE, at >= 0);
    remember(at < 0 ? undefined : place);
  };

  const turnTo = async (next) => {
    if (next < 0 || next * PAGE >= found.length) return false;
    page = next;
    current = -1;
    await draw();
    remember();
    byId("samples").scrollIntoView();
    return true;
  };
  // What is marked in the answers changes nothing of which are shown.
  const redraw = async () => {
    await draw();
    mark(current, false);
    remember(current < 0 ? undefined : found[page * PAGE + current]);
  };
  const step = async (by) => {
    const before = current;
    const at = current + by;
    const here = Math.min(PAGE, found.length - page * PAGE);
    if (at >= here && !(await turnTo(page + 1))) return;
    if (at < 0 && before >= 0 && !(await turnTo(page - 1))) return;
    mark(at >= here ? 0 : at < 0 ? (before < 0 ? 0 : list.children.length - 1) : at, true);
    remember(found[page * PAGE + current]);
  };
  const reset = () => {
    write({});
    apply();
  };
  const choose = (wanted) => {
    write({ ...wanted, mark: inputs.mark.value });
    apply();
    byId("samples").scrollIntoView();
    byId("samples").focus({ preventScroll: true });
  };
  const go = () => {
    const state = fromHash(location.hash);
    if (!state) return apply();
    write(state);
    const place = index.ids.findIndex((id, at) => id === state.sample && String(index.seeds[at]) === (state.seed || "0") && nth[at] === (state.nth || "0"));
    return apply(place < 0 ? undefined : place);
  };

  const fill = () => {
    const option = (select, value, text) => select.append(Object.assign(element("option", "", text), { value }));
    const present = new Set(index.flags.flatMap((pairs) => pairs.flatMap(([, codes]) => codes)));
    head.flags.forEach((name, at) => present.has(at) && option(inputs.flag, name, name));
    const ways = [["up", "lowest first"], ["down", "highest first"]];
    option(inputs.sort, "id||up", "id");
    head.metrics.forEach((name) => {
      option(inputs.metric, name, name);
      ways.forEach(([way, words]) => option(inputs.sort, `score|${name}|${way}`, `${name}, ${words}`));
      if (head.paired) ways.forEach(([way, words]) => option(inputs.sort, `change|${name}|${way}`, `change of ${name}, ${words}`));
    });
    ways.forEach(([way, words]) => option(inputs.sort, `tokens||${way}`, `tokens, ${words}`));
  };

  const download = async (name, write_, type) => {
    await openAll();
    save(write_([...records(filters, read(), found)]), name, type);
  };

  const listen = () => {
    let waiting = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      clearTimeout(waiting);
      if (event.target === inputs.mark) redraw();
      else if (event.target.type === "search" || event.target.type === "number") waiting = setTimeout(apply, 150);
      else apply();
    });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      reset();
    });
    byId("previous").addEventListener("click", () => turnTo(page - 1));
    byId("next").addEventListener("click", () => turnTo(page + 1));
    byId("help-button").addEventListener("click", () => help.showModal());
    byId("jsonl").addEventListener("click", () => download("samples.jsonl", asLines, "application/jsonl"));
    byId("csv").addEventListener("click", () => download("samples.csv", asTable, "text/csv"));
    const pick = (event) => {
      const button = event.target.closest("[data-kind]");
      if (button) choose({ arm: button.dataset.arm, kind: button.dataset.kind, from: button.dataset.from });
    };
    for (const box of document.querySelectorAll(".stacks, .matrices")) {
      box.addEventListener("click", pick);
      box.addEventListener("keydown", (event) => {
        if (event.target.tagName !== "g" || (event.key !== "Enter" && event.key !== " ")) return;
        event.preventDefault();
        pick(event);
      });
    }
    addEventListener("hashchange", () => fromHash(location.hash) && go());
    listenToKeys(
      {
        j: () => step(1),
        k: () => step(-1),
        n: () => turnTo(page + 1),
        p: () => turnTo(page - 1),
        x: reset,
        "?": () => help.showModal(),
        "/": () => inputs.text.focus(),
        m: () => {
          inputs.mark.selectedIndex = (inputs.mark.selectedIndex + 1) % inputs.mark.options.length;
          redraw();
        },
        o: () => {
          const box = list.children[Math.max(0, current)];
          for (const prompt of box ? box.querySelectorAll("details.prompt") : []) prompt.open = !prompt.open;
        },
      },
      help,
    );
  };
  fill();
  listen();
  go();
};

if (typeof DecompressionStream === "function") unpack(0).then(browse);
else count.textContent = "This browser is too old to unpack the samples (it has no DecompressionStream).";
