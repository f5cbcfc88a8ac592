// Comfort only: every page works without this file. Elements are found by data-* attributes.
(() => {
  "use strict";

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- where the keyboard starts: the error summary, else the field that is scanned or typed into
  (document.querySelector("[data-focus]") || document.querySelector("[data-autofocus]"))?.focus();

  // --- the menu on phones
  all("[data-toggle]").forEach((button) => {
    const target = document.getElementById(button.dataset.toggle);
    button.addEventListener("click", () => {
      const open = target.classList.toggle("is-open");
      button.setAttribute("aria-expanded", String(open));
    });
  });

  // --- one press, one request
  const release = (form) => {
    delete form.dataset.sent;
    all("[data-held]").forEach((button) => {
      button.disabled = false;
      delete button.dataset.held;
    });
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    // After the browser has read the form, or the pressed button's own value would be lost.
    setTimeout(() => {
      const own = all("button, input[type=submit]").filter((b) => b.form === form && !b.disabled);
      own.filter((b) => b.type === "submit").forEach((b) => {
        b.disabled = true;
        b.dataset.held = "1";
      });
    });
    // A download leaves the page as it is; a lost connection must not lock it for ever.
    setTimeout(() => release(form), "download" in form.dataset ? 2000 : 10000);
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) all("form[data-sent]").forEach(release);
  });

  // --- ask before typed answers are lost
  all("form[data-guard]").forEach((form) => {
    let changed = "dirty" in form.dataset;
    form.addEventListener("input", () => { changed = true; });
    form.addEventListener("submit", () => { changed = false; });
    window.addEventListener("beforeunload", (event) => {
      if (changed) event.preventDefault();
    });
  });

  // --- filters that nobody set do not fill the first screen of a telephone
  if (window.matchMedia("(max-width: 48em)").matches) {
    all("details[data-fold]").forEach((box) => { box.open = false; });
  }

  // --- tick all boxes of a list, and say how many are ticked
  all("[data-tick-all]").forEach((head) => {
    const form = head.form;
    if (!form) return;
    const boxes = all("input[type=checkbox]", form).filter((box) => box !== head);
    const told = document.createElement("span");
    told.className = "ticked";
    told.setAttribute("role", "status");
    // On a phone the head of the table is not shown, so the same is offered by a button.
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-outline-secondary phone-only";
    button.addEventListener("click", () => head.click());
    form.querySelector(".form-buttons")?.append(button, told);
    const tell = () => {
      const count = boxes.filter((box) => box.checked).length;
      head.checked = count > 0 && count === boxes.length;
      head.indeterminate = count > 0 && count < boxes.length;
      told.textContent = `已选 ${count} 人`;
      button.textContent = head.checked ? "全不选" : "全选本页";
    };
    head.addEventListener("change", () => {
      boxes.forEach((box) => { box.checked = head.checked; });
      tell();
    });
    boxes.forEach((box) => box.addEventListener("change", tell));
    tell();
  });

  // --- print buttons, which without this file would do nothing: they start hidden
  all("[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  });

  // --- the chosen file, before it is sent
  all("input[data-file]").forEach((input) => {
    const note = input.closest(".field")?.querySelector("[data-file-note]");
    if (!note) return;
    input.addEventListener("change", () => {
      const size = (bytes) =>
        bytes < 1048576 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
      note.textContent = [...input.files].map((f) => `已选：${f.name}（${size(f.size)}）`).join("；");
      note.hidden = !input.files.length;
    });
  });

  // --- the session: typing keeps it; two minutes before its end the page says so
  const { idle, left, alive } = document.body.dataset;
  if (alive) {
    const latest = Date.now() + left * 1000;
    let unused = Date.now() + idle * 1000, asked = Date.now(), note = null;
    const say = (words, over) => {
      if (!note) {
        note = document.createElement("div");
        note.className = "notice notice-warn idle-note";
        note.setAttribute("role", "alert");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "btn btn-primary";
        button.textContent = "继续使用";
        button.addEventListener("click", keep);
        note.append(document.createElement("p"), button);
        document.body.append(note);
      }
      const [sentence, button] = note.children;
      if (sentence.textContent !== words) sentence.textContent = words;
      button.hidden = over;
    };
    const keep = async () => {
      asked = Date.now();
      try {
        const answer = await fetch(alive, { redirect: "error", cache: "no-store" });
        if (!answer.ok) return;
        unused = asked + idle * 1000;
        note?.remove();
        note = null;
      } catch { /* signed out elsewhere, or no network: the note stays */ }
    };
    document.addEventListener("input", () => {
      if (Date.now() - asked > 240000) keep();
    });
    setInterval(() => {
      const now = Date.now(), end = Math.min(unused, latest);
      if (now >= end) {
        say("已超过时限，系统已退出登录。填写的内容还在这个页面上，请先复制保存，再重新登录。", true);
      } else if (now >= latest - 120000) {
        say("登录快满 12 小时，两分钟内将自动退出。请尽快提交正在填写的内容。", true);
      } else if (now >= end - 120000) {
        say("您已较长时间没有操作，两分钟内将自动退出登录，没有提交的内容不会保存。", false);
      }
    }, 5000);
  }

  // --- a job's progress: say a change of state once, not every second; at the end show the page anew
  const announcer = document.querySelector("[data-announcer]");
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target.id !== "job-progress") return; // suggestions while typing
    const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
    const words = page.querySelector("[data-announce]")?.textContent;
    if (announcer && words && announcer.textContent !== words) announcer.textContent = words;
    if (page.querySelector("#job-progress[hx-get]")) return;
    event.detail.shouldSwap = false;
    window.location.reload();
  });
})();
