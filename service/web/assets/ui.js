// What the pages do beyond plain forms. Without it they work all the same.
(() => {
  "use strict";

  // Code fields take what is typed or pasted in any form, and send themselves with the last digit.
  const digitsOf = (text) =>
    Array.from(text.normalize("NFKC"))
      .map((c) => {
        if (c >= "0" && c <= "9") return c;
        const code = c.codePointAt(0); // Arabic-Indic digits, and their Persian forms
        if (code >= 0x660 && code <= 0x669) return String(code - 0x660);
        if (code >= 0x6f0 && code <= 0x6f9) return String(code - 0x6f0);
        return "";
      })
      .join("");
  const codeIn = (field, wanted) => {
    const text = field.value.normalize("NFKC");
    const foreign = /\p{L}/u.test(text);
    const runs = wanted ? text.match(/\p{Nd}+/gu)?.filter((run) => run.length === wanted) : [];
    if (foreign && runs?.length === 1) return digitsOf(runs[0]); // pasted with the sentence around it
    if (foreign && "letters" in field.dataset) return field.value; // a backup code
    return digitsOf(text).slice(0, 10);
  };
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.dataset || !("numeric" in field.dataset) || event.isComposing) return;
    const wanted = Number(field.dataset.digits || 0);
    const code = codeIn(field, wanted);
    if (field.value !== code) field.value = code;
    field.removeAttribute("aria-invalid");
    if (wanted && code.length === wanted && /^[0-9]+$/.test(code) && field.dataset.sent !== code) {
      field.dataset.sent = code;
      field.form.requestSubmit();
    }
  });

  // A form goes once; a page that comes back from the browser's memory can be used again.
  let leaving = false;
  document.addEventListener("submit", (event) => {
    if (leaving) return event.preventDefault();
    leaving = true; // the answer to the form decides where to go
    setTimeout(() => (leaving = false), 15000); // it did not come
    event.target.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", (event) => {
    leaving = false;
    // Not a page that answered a form: that would send the form again.
    if (event.persisted && document.querySelector("[data-live]")) location.reload();
  });

  const copy = async (text, source) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      getSelection().selectAllChildren(source); // no permission: ready for the user to copy
      return document.execCommand("copy");
    }
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-print]");
    if (!button) return;
    if ("print" in button.dataset) return window.print();
    const source = document.querySelector(button.dataset.copy);
    const lines = Array.from(source.querySelectorAll("li"), (li) => li.textContent.trim());
    const text = source.dataset.value || lines.join("\n") || source.textContent;
    if (await copy(text, source)) {
      const label = button.textContent;
      button.textContent = button.dataset.copied;
      setTimeout(() => (button.textContent = label), 2000);
    }
  });

  const countDown = (root) => {
    for (const button of root.querySelectorAll("[data-wait]")) {
      const label = button.textContent;
      const ready = Date.now() + Number(button.dataset.wait) * 1000;
      const tick = () => {
        const left = Math.ceil((ready - Date.now()) / 1000);
        button.disabled = left > 0;
        button.textContent = left > 0 ? button.dataset.waitText.replace("{s}", left) : label;
        if (left > 0 && button.isConnected) setTimeout(tick, 250);
      };
      tick();
    }
  };
  const enliven = (root) => {
    for (const element of root.querySelectorAll("[data-copy], [data-print]")) element.hidden = false;
    countDown(root);
  };

  // The challenge page follows its challenge.
  const follow = async (live) => {
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    for (;;) {
      const shown = live.querySelector("[data-mark]");
      if (shown.dataset.status !== "pending") return;
      let answer;
      try {
        answer = await fetch(`${live.dataset.live}?mark=${encodeURIComponent(shown.dataset.mark)}`);
      } catch {
        await pause(2000);
        continue;
      }
      if (leaving) {
        await pause(1000);
        continue;
      }
      if (answer.status === 204) continue;
      if (answer.status === 200) {
        const fresh = promptIn(await answer.text());
        if (fresh === null) await pause(3000); // somebody in between answered
        else if (!leaving) replace(live, fresh);
      } else if (answer.status === 404 || answer.status === 410) return location.reload();
      else await pause(3000);
    }
  };
  const promptIn = (html) => new DOMParser().parseFromString(html, "text/html").querySelector(".prompt");
  const replace = (live, fresh) => {
    const before = live.querySelector(".prompt");
    if (fresh.dataset.status === "approved") {
      leaving = true;
      return location.assign(fresh.dataset.here);
    }
    const [had, has] = [before, fresh].map((prompt) => prompt.querySelector("#code"));
    const typing = had && has && document.activeElement === had;
    const typed = had && has && had.className === has.className ? had.value : "";
    const chosen = typing ? [had.selectionStart, had.selectionEnd] : null; // to be typed over
    live.replaceChildren(document.adoptNode(fresh));
    enliven(live);
    if (has) {
      has.value = typed;
      if (typing || document.activeElement === document.body) has.focus();
      if (chosen && typed) has.setSelectionRange(...chosen);
    }
  };

  enliven(document);
  const live = document.querySelector("[data-live]");
  if (live) follow(live);
})();
