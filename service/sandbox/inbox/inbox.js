"use strict";
// Live messages, copying codes, and the failures panel without a reload. The page also works without this.

const SHOWN = 100;
const RETRY = 2000; // milliseconds
const list = document.getElementById("messages");
const live = document.getElementById("live");

document.documentElement.classList.add("js");
if (matchMedia("(max-width: 56rem)").matches && !document.getElementById("error").textContent) {
  document.getElementById("panel").open = false;
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString();
  }
}

function say(text, lost) {
  if (live.textContent !== text) live.textContent = text;
  live.classList.toggle("lost", lost);
  live.hidden = false;
}

async function follow() {
  say("live", false);
  for (;;) {
    try {
      const answer = await fetch(`/inbox/messages?after=${list.dataset.newest}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const fresh = document.createElement("template");
      fresh.innerHTML = await answer.text();
      localTimes(fresh.content);
      for (const item of fresh.content.querySelectorAll("li")) item.classList.add("new");
      list.prepend(fresh.content);
      while (list.children.length > SHOWN) list.lastElementChild.remove();
      list.dataset.newest = answer.headers.get("X-Newest");
      say("live", false);
    } catch {
      say("the sandbox does not answer; trying again", true);
      await new Promise((wake) => setTimeout(wake, RETRY));
    }
  }
}

async function showRules() {
  const answer = await fetch("/inbox/failures");
  document.getElementById("rules").innerHTML = await answer.text();
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.code);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

async function add(form) {
  const rule = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  for (const name of ["share", "delay"]) if (name in rule) rule[name] = Number(rule[name]);
  const answer = await fetch("/sandbox/failures", { method: "POST", body: JSON.stringify(rule) });
  const body = await answer.json();
  document.getElementById("error").textContent = answer.ok ? "" : body.error.message;
  await showRules();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".copy");
  if (button) copy(button);
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  if (form.id === "add") return add(form);
  await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)) });
  if (form.action.endsWith("/messages/clear")) list.replaceChildren();
  else await showRules();
});

localTimes(document);
// Let the page finish loading first: a request that is always open would keep the browser's spinner going.
addEventListener("load", () => setTimeout(follow, 0));
if (document.readyState === "complete") follow();
