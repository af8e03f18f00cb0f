// Keeps what is marked as live fresh. Without it the console works all the same; one reloads.
(() => {
  "use strict";
  const live = document.querySelector("[data-live]");
  if (!live) return;
  const stale = document.querySelector("#stale");
  const STALE = 15000; // ms without a good look
  let asked = false;
  let freshAt = Date.now();
  let again = false;
  const look = async () => {
    if (asked) {
      again = true;
      return;
    }
    asked = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Follow": "1" } });
      if (answer.status === 401) return location.reload(); // signed out meanwhile
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      if (!fresh) return;
      freshAt = Date.now();
      stale.textContent = page.querySelector("#stale").textContent;
      stale.hidden = true;
      const focused = focusedIn(live);
      const scrolled = Array.from(live.querySelectorAll(".scroll"), (box) => box.scrollLeft);
      live.replaceChildren(...Array.from(document.adoptNode(fresh).childNodes));
      live.querySelectorAll(".scroll").forEach((box, index) => (box.scrollLeft = scrolled[index] || 0));
      if (focused !== null) focusable(live)[focused]?.focus({ preventScroll: true });
    } catch {
      // The next event asks again.
    } finally {
      setTimeout(() => {
        asked = false;
        if (again) {
          again = false;
          look();
        }
      }, 900); // once a second is enough for a person
    }
  };
  const focusable = (root) => Array.from(root.querySelectorAll("a[href], button, [tabindex]"));
  const focusedIn = (root) => {
    const index = focusable(root).indexOf(document.activeElement);
    return index < 0 ? null : index;
  };
  let source = null;
  const follow = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      source = new EventSource(live.dataset.live);
      source.addEventListener("look", look);
      source.addEventListener("error", () => {
        if (source && source.readyState === EventSource.CLOSED) {
          source = null;
          setTimeout(follow, 5000); // an answer other than a stream: signed out, or overloaded
          look();
        }
      });
      look();
    }
  };
  setInterval(() => {
    if (document.hidden || Date.now() - freshAt < STALE) return;
    stale.hidden = false;
    look();
  }, 3000);
  document.addEventListener("visibilitychange", follow);
  follow();
})();
