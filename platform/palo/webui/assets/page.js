// The page's own script: its language, images from anywhere, files to keep.
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
  Object.defineProperty(navigator, "language", { get: () => "en" });
  Object.defineProperty(navigator, "languages", { get: () => ["en"] });

  let code = (document.cookie.match(/(?:^|; )palo_language=(\w+)/) || [])[1];
  if (!(code in texts)) code = null;
  const say = (name) => texts[code || "en"][name];
  const named = new WeakMap();
  const attributes = ["aria-label", "title", "alt"];

  function nameOf(element, value) {
    return value === "Submit" && element.closest("#question") ? "send" : inner[value];
  }

  function translate(element) {
    direct(element);
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
    root.querySelectorAll("[aria-label], [title], [alt], [dir]").forEach(translate);
  }

  function face() {
    const page = document.documentElement;
    page.lang = code || "en";
    page.dir = say("direction");
  }

  function addImage(file) {
    const field = document.querySelector("#question input[type=file]");
    if (!field || !file || !file.type.startsWith("image/")) return;
    const files = new DataTransfer();
    files.items.add(file);
    field.files = files.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
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

  function notify(text) {
    const place = document.querySelector("#notice .prose") || document.querySelector("#notice");
    place?.replaceChildren(element("p", { role: "alert", className: "problem", textContent: text }));
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
    takeImage,
    logOut() {
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
  document.addEventListener("paste", (event) => {
    if (event.target.closest?.("#question")) return;
    const [file] = event.clipboardData?.files || [];
    if (file) addImage(file);
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      if (kind === "drop") addImage(event.dataTransfer.files[0]);
    });
  }
})();
