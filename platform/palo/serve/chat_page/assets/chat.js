// The chat page's own script: questions with images, their echo, and what this browser keeps.
(() => {
  const { say, element } = window.palo;
  const storeName = "palo-chat";
  const find = (selector) => document.querySelector(selector);
  const lookAgainMs = 15000;  // a server without a model may get one
  const waiting = [];  // acts from before the page could send any
  let send = (name, data) => waiting.push([name, data]);
  let upload = null;
  let image = null;  // { file, address, path }: what the next question shows
  let tag = "";
  let isBusy = false;
  let asked = null;  // the question that waits for the server
  let afterwards = null;
  let shown = null;

  function kept(action) {
    try {
      return action(window.localStorage);
    } catch {
      return null;  // a browser that keeps nothing
    }
  }

  const isKept = () => kept((store) => store.getItem(`${storeName}-off`)) === null;
  const forget = () => kept((store) => store.removeItem(storeName));

  function chosen() {
    const number = (id) => Number(find(id).value);
    return {
      code: window.palo.code(),
      models: [find("#model").value, find("#second-model").value],
      compare: find("#compare").checked,
      language: find("#answer-language").value,
      temperature: number("#temperature"),
      length: number("#length"),
    };
  }

  const act = (name, data = {}) => send(name, { ...chosen(), ...data });

  // An answer that is coming stays in the language of its question.
  function relabel() {
    if (!isBusy) act("ask", { do: "relabel" });
  }

  function notify(text) {
    find("#notice .html-container > div")?.replaceChildren(
      element("p", { role: "alert", className: "problem", textContent: text }));
  }

  function setBusy(busy) {
    isBusy = busy;
    find("#stop").hidden = !busy;
    find("#send").hidden = busy;
    document.documentElement.classList.toggle("busy", busy);
  }

  // Shown at once: the server's own rendering takes its place.
  function echo(text, address) {
    for (const side of find("#compare").checked ? ["first", "second"] : ["first"]) {
      const log = find(`#chat-${side} .log`);
      log?.querySelector(".empty")?.remove();
      const bubble = element("div", { className: "bubble" });
      if (address) bubble.append(element("img", { src: address, alt: say("image") }));
      bubble.append(element("div", { className: "text", dir: "auto", textContent: text }));
      log?.append(element("article", { className: "message user echo" },
        element("h2", { textContent: say("you") }), bubble));
    }
    toEnd(true);
  }

  function ask(data, text, address) {
    if (isBusy) return;
    setBusy(true);
    find("#notice .html-container > div")?.replaceChildren();
    if (text !== undefined) echo(text, address);
    act("ask", data);
  }

  async function askQuestion() {
    const words = find("#words");
    const text = words.value.trim();
    if (isBusy) return;
    if (!text && !image) {
      notify(say("ask_first"));
      words.focus();
      return;
    }
    asked = { text: words.value, image, shown };
    words.value = "";
    grow();
    showImage(null);
    setBusy(true);
    echo(text || say("describe"), asked.image?.address);
    let path = null;
    if (asked.image) {
      try {
        asked.image.path ??= (await upload(asked.image.file)).path;
        path = asked.image.path;
      } catch {
        refused();
        setBusy(false);
        notify(say("body_too_large"));
        return;
      }
    }
    find("#notice .html-container > div")?.replaceChildren();
    act("ask", { do: "ask", text, image: path && { path } });
  }

  // The server took no question: its words go back to their field.
  function refused() {
    document.querySelectorAll(".echo").forEach((one) => one.remove());
    if (!asked) return;
    const words = find("#words");
    words.value ||= asked.text;
    grow();
    if (asked.image) showImage(asked.image);
    asked = null;
  }

  function showImage(one) {
    image = one;
    const place = find("#question .attached");
    place.hidden = !one;
    const shown = place.querySelector("img");
    if (one) {
      shown.src = one.address;
      place.querySelector(".name").textContent = one.file.name;
    } else shown.removeAttribute("src");
    find("#file").value = "";
  }

  const isImage = (file) => file && (file.type.startsWith("image/") || /\.(avif|tiff?)$/i.test(file.name));

  function addImage(file) {
    if (isImage(file)) showImage({ file, address: URL.createObjectURL(file) });
    else if (file) notify(say("image_unreadable"));
  }

  function grow() {
    const words = find("#words");
    words.style.blockSize = "auto";
    words.style.blockSize = `${Math.min(words.scrollHeight, 200)}px`;
  }

  function toEnd(always = false) {
    const page = document.scrollingElement;
    const isNear = page.scrollHeight - page.scrollTop - page.clientHeight < 200;
    if (always || isNear) page.scrollTop = page.scrollHeight;
  }

  async function takeImage() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      notify(say("camera_failed"));
      return;
    }
    const video = element("video", { srcObject: stream, autoplay: true, playsInline: true, muted: true });
    const take = element("button", { textContent: say("take_image"), className: "take" });
    const close = element("button", { textContent: say("close") });
    const dialog = element("dialog", { id: "camera-dialog", ariaLabel: say("camera") }, video,
      element("div", {}, take, close));
    dialog.addEventListener("close", () => {
      stream.getTracks().forEach((track) => track.stop());
      dialog.remove();
    });
    close.onclick = () => dialog.close();
    take.onclick = () => {
      const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob((blob) => {
        addImage(new File([blob], "camera.jpg", { type: "image/jpeg" }));
        dialog.close();
      }, "image/jpeg", 0.92);
    };
    document.body.append(dialog);
    dialog.showModal();
  }

  function edit(message, place) {
    const field = element("textarea", { value: message.dataset.source, dir: "auto", ariaLabel: say("edit") });
    const save = element("button", { type: "submit", textContent: say("save"), className: "save" });
    const cancel = element("button", { type: "button", textContent: say("cancel") });
    const form = element("form", { className: "editing" }, field,
      element("div", { className: "deeds" }, save, cancel));
    const end = () => { form.remove(); message.classList.remove("edited"); };
    cancel.onclick = end;
    form.onsubmit = (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (!text) return;
      end();
      message.querySelector(".text").textContent = text;
      ask({ do: "edit", text, ...place });
    };
    message.classList.add("edited");
    message.append(form);
    field.style.blockSize = `${field.scrollHeight + 4}px`;
    field.focus();
  }

  async function copy(message, button) {
    await navigator.clipboard?.writeText(message.dataset.source);
    button.dataset.label = "copied";
    setTimeout(() => { button.dataset.label = "copy"; window.palo.relabel(button); }, 1500);
    window.palo.relabel(button);
  }

  function startNew() {
    forget();
    setBusy(true);
    act("ask", { do: "new" });
    find("#words").focus();
  }

  // An answer has ended, or was never begun: then its question goes back to its field.
  function settle() {
    setBusy(false);
    if (asked && shown === asked.shown) refused();
    asked = null;
    document.querySelectorAll(".echo").forEach((one) => one.remove());
    const next = afterwards;
    afterwards = null;
    next?.();
  }

  const deeds = {
    copy,
    edit: (message, button, place) => edit(message, place),
    again: (message, button, place) => ask({ do: "again", ...place }),
    good: (message, button, place) => rate(button, place, "good"),
    bad: (message, button, place) => rate(button, place, "bad"),
    example: (message, button) => ask(
      { do: "example", position: Number(button.dataset.position) },
      button.textContent.trim(), button.querySelector("img").src),
    new: () => {
      // What a stopped answer still says would come back into the new chat.
      afterwards = startNew;
      if (isBusy) send("stop", {});
      else settle();
    },
  };

  function rate(button, place, rating) {
    const tools = button.closest(".tools");
    const isOff = button.getAttribute("aria-pressed") === "true";
    tools.querySelectorAll("[aria-pressed]").forEach((one) => one.removeAttribute("aria-pressed"));
    if (!isOff) button.setAttribute("aria-pressed", "true");
    act("rate", { rating: isOff ? null : rating, ...place });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]");
    if (!button) return;
    const message = button.closest(".message");
    const place = message && {
      side: message.closest(".log").dataset.side,
      position: Number(message.dataset.position),
    };
    deeds[button.dataset.do]?.(message, button, place);
  });

  function listen() {
    const on = (selector, kind, action) => find(selector).addEventListener(kind, action);
    on("#question", "submit", (event) => { event.preventDefault(); askQuestion(); });
    on("#words", "input", grow);
    on("#words", "keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      askQuestion();
    });
    on("#add-image", "click", () => find("#file").click());
    on("#file", "change", () => addImage(find("#file").files[0]));
    on("#remove-image", "click", () => { showImage(null); find("#words").focus(); });
    on("#camera", "click", takeImage);
    on("#stop", "click", () => send("stop", {}));
    on("#open-settings", "click", () => find("#settings").showModal());
    on("#close-settings", "click", () => find("#settings").close());
    on("#settings", "click", (event) => { if (event.target.id === "settings") event.target.close(); });
    on("#download", "click", () => act("write"));
    find("#log-out")?.addEventListener("click", () => window.palo.logOut());
    on("#language", "change", () => { window.palo.speak(find("#language").value); grow(); relabel(); });
    on("#compare", "change", compare);
    on("#keep-history", "change", () => {
      const isOn = find("#keep-history").checked;
      kept((store) => (isOn ? store.removeItem(`${storeName}-off`) : store.setItem(`${storeName}-off`, "")));
      if (!isOn) forget();
    });
    for (const range of document.querySelectorAll("#settings input[type=range]"))
      range.addEventListener("input", () => { find(`output[for=${range.id}]`).value = range.value; });
    find("#keep-history").checked = isKept();
    new ResizeObserver(() => document.documentElement.style.setProperty(
      "--composer", `${find("#question").offsetHeight}px`)).observe(find("#question"));
  }

  function compare() {
    const isOn = find("#compare").checked;
    document.documentElement.classList.toggle("compared", isOn);
    find("#side-second").toggleAttribute("data-shown", isOn);
    if (!isBusy) act("ask", { do: "compare" });
  }

  function begin() {
    const told = isKept() ? kept((store) => store.getItem(storeName)) : null;
    send("begin", { code: window.palo.code(), kept: told });
  }

  function setModels(names) {
    for (const [id, name] of [["#model", names[0]], ["#second-model", names.at(-1)]]) {
      const select = find(id);
      select.replaceChildren(...names.map((one) => element("option", { value: one, textContent: one })));
      if (name) select.value = name;
    }
  }

  window.palo.chat = {
    connect(trigger, uploadFile) {
      upload = uploadFile;
      send = trigger;
      listen();
      window.palo.speak(window.palo.code());
      find("#language").value = window.palo.code();
      begin();
      waiting.splice(0).forEach(([name, data]) => trigger(name, data));
    },
    opened(told) {
      const { models = [], tag: own = "" } = JSON.parse(told || "{}");
      tag = own;
      setModels(models);
      if (!models.length) window.setTimeout(begin, lookAgainMs);
      // What somebody else has left in this browser is nobody's business.
      const left = JSON.parse(kept((store) => store.getItem(storeName)) || "{}");
      if (left.tag !== tag) forget();
      grow();
      toEnd(true);
      window.palo.ready();
    },
    settled(told) {
      const { kept: chats } = JSON.parse(told || "{}");
      if (chats && isKept()) kept((store) => store.setItem(storeName, chats));
      else if (chats === "") forget();
      settle();
    },
  };

  window.addEventListener("palo-leaves", forget);
  new MutationObserver(() => {
    const log = find("#chat-first .log");
    if (log && log.dataset.fresh !== shown) {
      shown = log.dataset.fresh;
      if ("refused" in log.dataset) refused();
    }
    toEnd();
  }).observe(document.documentElement, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-fresh"],
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files || [];
    if (isImage(file)) { event.preventDefault(); addImage(file); }
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      if (kind === "drop") addImage(event.dataTransfer.files[0]);
    });
  }
})();
