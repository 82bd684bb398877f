// What all pages share: their language, files to keep, the way out.
(() => {
  const texts = window.paloTexts;
  // Gradio's components name their buttons in the browser's language, and lack some of ours: they are
  // made to use these English words, which are then replaced.
  const inner = {
    "Copy message": "copy", "Copied message": "copied", "Copy": "copy", "Copied": "copied",
    "Edit": "edit", "Cancel": "cancel", "Submit": "save", "Retry": "regenerate",
    "Like": "good", "Dislike": "bad", "Clear": "clear", "Close": "close",
    "Upload a file": "add_image", "File upload": "add_image", "Remove file": "remove_image",
    "Click to upload or drop files": "add_image", "Multimedia input field": "question",
    "chatbot conversation": "conversation", "Loading response": "waiting", "Loading": "loading",
  };
  const kinds = ["number input for ", "range slider for "];
  const speakers = { "user's message: ": "you", "bot's message: ": "answer" };
  const wanted = [...navigator.languages];
  Object.defineProperty(navigator, "language", { get: () => "en" });
  Object.defineProperty(navigator, "languages", { get: () => ["en"] });

  let code = (document.cookie.match(/(?:^|; )palo_language=(\w+)/) || [])[1];
  if (!(code in texts))
    code = wanted.map((one) => one.split("-")[0].toLowerCase()).find((one) => one in texts) || null;
  const say = (name) => texts[code || "en"][name];
  const named = new WeakMap();
  const attributes = ["aria-label", "title", "alt"];
  const translated = "[aria-label], [title], [alt], [dir], [data-text], [data-label], [data-placeholder]";

  function nameOf(element, value) {
    return value === "Submit" && element.closest("#question") ? "send" : inner[value];
  }

  // Parts of our own name their texts.
  const ours = { text: "textContent", placeholder: "placeholder", alt: "alt" };

  function relabel(element) {
    for (const [kind, property] of Object.entries(ours))
      if (kind in element.dataset && element[property] !== say(element.dataset[kind]))
        element[property] = say(element.dataset[kind]);
    if (!("label" in element.dataset)) return;
    const label = say(element.dataset.label);
    for (const name of ["aria-label", "title"])
      if ((name !== "title" || element.matches("button")) && element.getAttribute(name) !== label)
        element.setAttribute(name, label);
  }

  function translate(element) {
    relabel(element);
    direct(element);
    if ("label" in element.dataset) return;
    for (const attribute of attributes) {
      const value = element.getAttribute(attribute);
      if (value === null) continue;
      const known = named.get(element) || {};
      if (attribute === "alt" && value.endsWith(" icon")) {
        element.alt = "";  // the button has a text
        continue;
      }
      const kind = kinds.find((start) => value.startsWith(start));
      if (kind) {
        element.setAttribute(attribute, value.slice(kind.length));
        continue;
      }
      const speaker = Object.keys(speakers).find((start) => value.startsWith(start));
      if (speaker) {
        element.setAttribute(attribute, `${say(speakers[speaker])}: ${value.slice(speaker.length)}`);
        continue;
      }
      if (value in inner) known[attribute] = nameOf(element, value);
      else if (value !== known.shown?.[attribute]) delete known[attribute];
      if (!(attribute in known)) continue;
      const wanted = say(known[attribute]);
      known.shown = { ...known.shown, [attribute]: wanted };
      named.set(element, known);
      if (value !== wanted) element.setAttribute(attribute, wanted);
    }
  }

  // Every component claims to run from left to right: use the page's direction, or that of the text.
  function direct(element) {
    if (element === document.documentElement || element.getAttribute("dir") !== "ltr") return;
    if (element.matches("textarea, [data-testid=user], [data-testid=bot]")) element.dir = "auto";
    else element.removeAttribute("dir");
  }

  function translateAll(root) {
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    translate(root);
    root.querySelectorAll(translated).forEach(translate);
  }

  function face() {
    const page = document.documentElement;
    page.lang = code || "en";
    page.dir = say("direction");
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  window.palo = {
    speak(chosen) {
      if (chosen in texts) code = chosen;
      document.cookie = `palo_language=${code}; path=/; max-age=31536000; samesite=lax`;
      face();
      translateAll(document.body);
      document.documentElement.dataset.palo ||= "spoken";
    },
    ready() {
      document.documentElement.dataset.palo = "ready";
    },
    save(text) {
      const address = URL.createObjectURL(new Blob([text], { type: "text/markdown;charset=utf-8" }));
      element("a", { href: address, download: "palo.md" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    },
    say,
    relabel,
    element,
    code: () => code || "en",
    logOut() {
      window.dispatchEvent(new Event("palo-leaves"));
      const form = element("form", { method: "post", action: "logout" });
      document.body.append(form);
      form.submit();
    },
  };

  face();
  // Shown in any case, if the server is slow to name the language.
  setTimeout(() => { document.documentElement.dataset.palo ||= "late"; }, 5000);
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "attributes") translate(change.target);
      else change.addedNodes.forEach(translateAll);
    }
    const page = document.documentElement;
    if (page.lang !== (code || "en") || page.dir !== say("direction")) face();
  }).observe(document.documentElement, {
    subtree: true, childList: true, attributes: true, attributeFilter: [...attributes, "dir", "lang"],
  });
})();
