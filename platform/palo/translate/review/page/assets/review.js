// The review page's own script: differences, protected spans, drafts, the keyboard.
(() => {
  const drafts = "palo-review ";
  const longest = 1500;
  const form = () => document.querySelector("#review-form");
  const fields = () => [...form().querySelectorAll("textarea[name=text]")];
  const draftOf = (one) => `${drafts}${one.dataset.key} ${one.dataset.edition}`;

  function kept(action) {
    try {
      return action(window.localStorage);
    } catch {
      return null;  // a browser that keeps nothing: drafts then last as long as the page
    }
  }

  function words(text, lang) {
    if (!window.Intl?.Segmenter) return text.match(/\s+|[^\s]+/gu) || [];
    return [...new Intl.Segmenter(lang, { granularity: "word" }).segment(text)].map((part) => part.segment);
  }

  // Yields [kind, text] pairs that turn one list of words into the other, by their longest common part.
  function differences(before, after) {
    if (before.length > longest || after.length > longest)
      return [["del", before.join("")], ["ins", after.join("")]];
    const width = after.length + 1;
    const lengths = new Uint16Array((before.length + 1) * width);
    for (let i = before.length - 1; i >= 0; i--)
      for (let j = after.length - 1; j >= 0; j--)
        lengths[i * width + j] = before[i] === after[j]
          ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    const pieces = [];
    const add = (kind, word) => {
      const last = pieces.at(-1);
      if (last?.[0] === kind) last[1] += word;
      else pieces.push([kind, word]);
    };
    let [i, j] = [0, 0];
    while (i < before.length || j < after.length) {
      if (i < before.length && j < after.length && before[i] === after[j]) {
        add("span", before[i++]);
        j++;
      } else if (j === after.length
        || (i < before.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) add("del", before[i++]);
      else add("ins", after[j++]);
    }
    return pieces;
  }

  function showChanges(place, before, after) {
    const pieces = before === after ? [] : differences(words(before, place.lang), words(after, place.lang));
    place.replaceChildren(...pieces.map(([kind, text]) =>
      Object.assign(document.createElement(kind), { textContent: text })));
    place.hidden = !pieces.length;
  }

  function check(field) {
    const turn = field.closest(".turn");
    showChanges(turn.querySelector(".changes"), field.dataset.before, field.value);
    const lost = JSON.parse(field.dataset.spans).filter((text) => !field.value.includes(text));
    turn.querySelectorAll(".locked mark").forEach((mark) =>
      mark.classList.toggle("lost", lost.includes(mark.dataset.span)));
    const place = turn.querySelector(".missing");
    const message = lost.map((text) => place.dataset.text.replace("{text}", `\u2068${text}\u2069`)).join("\n");
    if (place.textContent !== message) place.textContent = message;
    field.setAttribute("aria-invalid", lost.length > 0);
  }

  function collected() {
    const one = form();
    return {
      key: one.dataset.key,
      edition: one.dataset.edition,
      texts: fields().map((field) => field.value),
      tags: [...one.querySelectorAll("[name=tag]:checked")].map((box) => box.value),
      note: one.querySelector("[name=note]").value,
    };
  }

  function restore(one) {
    const draft = JSON.parse(kept((store) => store.getItem(draftOf(one))) || "null");
    if (!draft) return;
    fields().forEach((field, number) => { field.value = draft.texts[number] ?? field.value; });
    one.querySelectorAll("[name=tag]").forEach((box) => { box.checked = draft.tags.includes(box.value); });
    one.querySelector("[name=note]").value = draft.note;
  }

  let shown = null;
  function appear() {
    document.querySelectorAll(".decisions .changes:not([data-shown])").forEach((place) => {
      place.dataset.shown = "";
      showChanges(place, place.dataset.before, place.textContent);
    });
    const one = form();
    if (!one || one.dataset.fresh === shown) return;
    const first = shown === null;
    shown = one.dataset.fresh;
    document.title = `${one.querySelector("#review-title").textContent} · PALO`;
    one.reset();
    restore(one);
    fields().forEach(check);
    if (!first) one.querySelector("#review-title").focus();  // who can't see it hears that it is another one
  }

  const keys = { KeyR: "#reject", KeyN: "#next", KeyB: "#previous" };
  document.addEventListener("keydown", (event) => {
    const wanted = event.key === "Enter" && (event.ctrlKey || event.metaKey) ? "#accept"
      : event.altKey && !event.ctrlKey && !event.metaKey ? keys[event.code] : null;
    if (!wanted || event.repeat || event.isComposing) return;
    event.preventDefault();
    document.querySelector(wanted)?.click();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id === "review-form") event.preventDefault();
  });
  document.addEventListener("input", (event) => {
    const one = event.target.closest?.("#review-form");
    if (!one) return;
    if (event.target.name === "text") check(event.target);
    kept((store) => store.setItem(draftOf(one), JSON.stringify(collected())));
  });
  new MutationObserver(appear).observe(document.documentElement, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-fresh"],
  });

  window.palo.review = {
    collect: () => (form() ? JSON.stringify(collected()) : ""),
    forget: (key) => key && kept((store) => store.removeItem(drafts + key)),
    remember: (name) => { kept((store) => store.setItem("palo-reviewer", name)); },
    name: () => kept((store) => store.getItem("palo-reviewer")) || "",
  };
})();
