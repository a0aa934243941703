// The console's pages work without this. It keeps them up to date, counts down, and gives them keys.
"use strict";
(() => {
  const body = document.body;
  const lamp = document.getElementById("live");
  const find = (selector) => document.querySelector(selector);

  // -- times

  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const lasts = (seconds) => {
    let left = Math.max(0, Math.round(seconds));
    const first = units.findIndex(([, size]) => left >= size);
    if (first < 0) return "0 s";
    const parts = [];
    for (const [name, size] of units.slice(first, first + 2)) {
      if (left < size) break;
      parts.push(`${Math.floor(left / size)} ${name}`);
      left %= size;
    }
    return parts.join(" ");
  };
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const tick = () => {
    const now = Date.now() / 1000;
    for (const one of document.querySelectorAll("[data-until]")) {
      const left = Number(one.dataset.until) - now;
      if (one instanceof HTMLProgressElement) {
        one.value = Math.max(0, left);
      } else {
        one.textContent = lasts(left);
        one.classList.toggle("soon", left < 60);
      }
    }
    for (const one of document.querySelectorAll("[data-at]")) {
      const at = new Date(Number(one.dataset.at) * 1000);
      one.textContent = (now * 1000 - at < 72e6 ? clock : day).format(at);
    }
  };

  // -- live: an event says that the page shows something else by now; the page asks for itself and takes over its parts

  let mark = body.dataset.mark || "";
  let asking = false;
  let again = false;
  let leaving = false; // for the answer to a form, which nothing may cut off
  const refresh = () => {
    if (asking) { again = true; return; }
    asking = true;
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.setRequestHeader("X-Sluice-By-Itself", "yes"); // it keeps nobody signed in
    request.responseType = "document";
    request.onloadend = () => {
      asking = false;
      const fresh = request.response;
      if (leaving) return;
      if (request.status === 401) { location.reload(); return; }
      if (request.status === 200 && fresh) take(fresh);
      if (again) { again = false; refresh(); }
    };
    request.send();
  };
  const writing = (part) => {
    const open = part.querySelector("details[open] input[name=reason]");
    return open !== null && open.value !== "";
  };
  const take = (fresh) => {
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      if (!other || other.dataset.part === part.dataset.part) continue;
      if (writing(part) && other.querySelector("details")) continue; // what somebody writes stays, while it can be sent
      const open = part.querySelector("details[open]");
      part.replaceWith(document.adoptNode(other));
      const same = open && document.getElementById(open.id);
      if (same) arm(open.id);
    }
    mark = fresh.body.dataset.mark || "";
    for (const name of ["before", "after"]) {
      if (fresh.body.dataset[name]) body.dataset[name] = fresh.body.dataset[name];
      else delete body.dataset[name];
    }
    document.title = fresh.title;
    if (marked) choose(document.querySelector(`[data-row="${CSS.escape(marked)}"]`));
    tick();
  };
  const shine = (on, words) => {
    if (!lamp) return;
    lamp.hidden = false;
    lamp.classList.toggle("on", on);
    lamp.textContent = words;
  };
  const listen = () => {
    const stream = new EventSource(body.dataset.live);
    stream.onopen = () => shine(true, "live");
    stream.onmessage = (event) => { if (event.data !== mark) refresh(); };
    stream.addEventListener("ended", () => { stream.close(); if (!leaving) location.reload(); });
    stream.onerror = () => {
      shine(false, "not live");
      if (stream.readyState === EventSource.CLOSED) { // refused: there are too many; or the sign-in has ended
        shine(false, "every 5 s");
        setTimeout(() => { refresh(); listen(); }, 5000);
      }
    };
    addEventListener("pagehide", () => stream.close(), { once: true });
  };

  // -- keys

  let marked = "";
  const rows = () => [...document.querySelectorAll("#waiting [data-row]")];
  const choose = (row) => {
    for (const one of document.querySelectorAll(".marked")) one.classList.remove("marked");
    marked = row ? row.dataset.row : "";
    if (row) { row.classList.add("marked"); row.scrollIntoView({ block: "nearest" }); }
  };
  const move = (step) => {
    const all = rows();
    if (!all.length) {
      const to = step > 0 ? body.dataset.after : body.dataset.before;
      if (to) location.assign(to);
      return;
    }
    const at = all.findIndex((one) => one.dataset.row === marked);
    choose(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))]);
  };
  const arm = (verb) => {
    const one = document.getElementById(verb);
    if (one instanceof HTMLDetailsElement) {
      one.open = true;
      one.querySelector(verb === "approve" ? "button" : "input[name=reason]").focus();
      return;
    }
    const why = find("#step-up") || find("#unfit"); // it is not this person's, or not by this sign-in
    if (why) { why.scrollIntoView({ block: "nearest" }); why.focus(); }
  };
  const disarm = () => {
    for (const one of document.querySelectorAll("#decision details[open]")) one.open = false;
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  };
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    a: () => arm("approve"),
    d: () => arm("deny"),
    q: () => location.assign("/"),
    "?": () => { const dialog = document.getElementById("keys"); if (dialog) dialog.showModal(); },
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") { disarm(); return; }
    if (event.target instanceof HTMLInputElement) return;
    const row = event.key === "Enter" && document.activeElement === body && find(".marked");
    const does = row ? () => row.click() : Object.hasOwn(keys, event.key) && keys[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  document.addEventListener("submit", (event) => { // a second press sends nothing again
    const form = event.target;
    if (form.dataset.sent) event.preventDefault();
    if (form.method !== "post") return;
    form.dataset.sent = "yes";
    leaving = true;
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  tick();
  setInterval(tick, 1000);
  if (body.dataset.live) listen();
})();
